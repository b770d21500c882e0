import CoteArchive
import CLinux
import CoteSystem
import Glibc

/// What the kernel knows of one file, never of what a symbolic link points to.
struct FileStatus {
    let raw: stat

    enum Kind: Equatable {
        case regular, directory, link, fifo, socket, device
    }

    /// The same file under whatever name.
    struct Identity: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    var kind: Kind {
        switch raw.st_mode & S_IFMT {
        case S_IFREG: .regular
        case S_IFDIR: .directory
        case S_IFLNK: .link
        case S_IFIFO: .fifo
        case S_IFSOCK: .socket
        default: .device
        }
    }

    var identity: Identity { Identity(device: raw.st_dev, inode: raw.st_ino) }
    var permissions: UInt32 { raw.st_mode & 0o7777 }
    var size: UInt64 { UInt64(clamping: raw.st_size) }
    var modified: timespec { raw.st_mtim }

    init(of descriptor: borrowing Descriptor, _ path: FilePath) throws(FileFailure) {
        var raw = stat()
        let number = descriptor.raw
        try attempt(path) { fstat(number, &raw) }
        self.raw = raw
    }

    /// - Parameter path: what messages call it.
    init(of name: FilePath, in directory: CInt, _ path: FilePath) throws(FileFailure) {
        var raw = stat()
        try attempt(path) { name.withCString { fstatat(directory, $0, &raw, AT_SYMLINK_NOFOLLOW) } }
        self.raw = raw
    }
}

extension Descriptor {
    /// Opens a name of any bytes. With `O_NOFOLLOW` a symbolic link is an error.
    static func open(
        _ name: FilePath, _ flags: CInt, mode: UInt32 = 0, in directory: CInt = AT_FDCWD, _ path: FilePath
    ) throws(FileFailure) -> Descriptor {
        Descriptor(
            owning: try attempt(path) { name.withCString { cl_openat(directory, $0, flags | O_CLOEXEC, mode) } })
    }

    /// Reads what there is, waiting for at least one byte; 0 at the end.
    func readSome(into buffer: UnsafeMutableRawBufferPointer, _ path: FilePath) throws(FileFailure) -> Int {
        while true {
            switch try telling(path, { () throws(SystemError) in try read(into: buffer) }) {
            case .bytes(let count): return count
            case .end: return 0
            case .wouldBlock:
                var entry = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
                poll(&entry, 1, -1)
            }
        }
    }
}
