import CLinux
import Glibc

/// How much of a disk a directory tree takes.
public enum TreeSize {
    /// In bytes; a file with several names counts once. Follows no link, and whoever made the tree cannot make this
    /// costly by its depth. What vanishes meanwhile does not count.
    public static func blocks(_ path: String) throws(SystemError) -> UInt64 {
        var place = try Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var total = UInt64(max(try Files.status(path).st_blocks, 0)) * 512
        var waiting = [try Files.names(in: place)]
        var counted: Set<UInt64> = []
        while let name = waiting.last?.last {
            waiting[waiting.count - 1].removeLast()
            var status = stat()
            if fstatat(place.raw, name.bytes, &status, AT_SYMLINK_NOFOLLOW) == 0 {
                let isDirectory = status.st_mode & S_IFMT == S_IFDIR
                if isDirectory || status.st_nlink == 1 || counted.insert(UInt64(status.st_ino)).inserted {
                    total += UInt64(max(status.st_blocks, 0)) * 512
                }
                if isDirectory { try enter(name, &place, &waiting) }
            }
            while waiting.count > 1, waiting.last?.isEmpty == true {
                waiting.removeLast()
                place = try Descriptor.open("..", O_RDONLY | O_DIRECTORY, at: place.raw)
            }
        }
        return total
    }

    private static func enter(
        _ name: FileName, _ place: inout Descriptor, _ waiting: inout [[FileName]]
    ) throws(SystemError) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let raw = cl_openat(place.raw, name.bytes, flags, 0)
        if raw < 0, errno == ENOENT { return }
        guard raw >= 0 else { throw SystemError("open", subject: name.description) }
        place = Descriptor(owning: raw)
        waiting.append(try Files.names(in: place))
    }
}
