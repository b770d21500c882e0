import CoteArchive
import Glibc

/// Calls on names of any bytes in an open directory; none follows a symbolic link.
enum OpenedFile {
    /// What has the name, or `nil` when nothing has.
    static func status(_ name: FilePath, in directory: CInt, _ entry: FilePath) throws(UnpackFailure) -> stat? {
        var status = stat()
        if name.withCString({ fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 { return status }
        let code = errno
        if code == ENOENT { return nil }
        throw .failed("stat", entry, code: code)
    }

    static func status(_ descriptor: CInt, _ entry: FilePath) throws(UnpackFailure) -> stat {
        var status = stat()
        try attempt("fstat", entry) { fstat(descriptor, &status) }
        return status
    }

    /// A descriptor, or -1 with `errno`.
    static func open(_ name: FilePath, _ flags: CInt, mode: UInt32 = 0, in directory: CInt) -> CInt {
        name.withCString { openat(directory, $0, flags | O_NOFOLLOW | O_CLOEXEC, mode) }
    }

    static let directoryFlags = O_RDONLY | O_DIRECTORY

    /// The names in a directory, in the kernel's order, without `.` and `..`.
    static func names(in directory: CInt, _ entry: FilePath) throws(UnpackFailure) -> [FilePath] {
        let again = try attempt("open", entry) { open(FilePath("."), directoryFlags, in: directory) }
        guard let stream = fdopendir(again) else {
            let code = errno
            close(again)
            throw .failed("opendir", entry, code: code)
        }
        defer { closedir(stream) }
        var names: [FilePath] = []
        while true {
            errno = 0
            guard let found = readdir(stream) else {
                if errno != 0 { throw .failed("readdir", entry) }
                return names
            }
            let name = withUnsafeBytes(of: &found.pointee.d_name) { FilePath($0.prefix { $0 != 0 }) }
            if name.bytes != LayerPath.dot, name.bytes != LayerPath.dots { names.append(name) }
        }
    }
}

extension stat {
    var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }
    var isLink: Bool { st_mode & S_IFMT == S_IFLNK }
}
