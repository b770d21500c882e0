import CLinux
import Glibc

/// A copy of a directory tree with everything that a file system keeps of it: owners, modes, times, extended
/// attributes, hard links, symbolic links, holes, and the whiteouts of overlayfs.
///
/// Whoever made the tree cannot make this costly: depth takes neither stack nor descriptors, and no name is followed
/// out of the tree. Nothing may change it meanwhile.
public struct TreeCopy: ~Copyable {
    private struct Level {
        /// Of the directory itself, which gets its times when it is full.
        var name: FileName?
        var status: stat
        var waiting: [FileName]
    }

    private var source: Descriptor
    private var target: Descriptor
    private var levels: [Level]
    private let links: Descriptor

    /// Copies all that is in the directory `source`, and what the directory itself is, to `target`, an empty directory.
    /// - Parameter scratch: an empty directory on the file system of `target`, outside it; removed at the end.
    /// - Throws: `EPERM` for a device file, which nobody in a sandbox can make.
    public static func copy(_ source: String, to target: String, scratch: String) throws(SystemError) {
        try Files.makeDirectory(scratch)
        var copy = try TreeCopy(source, target, scratch)
        try copy.run()
        try Files.removeTree(scratch)
    }

    private init(_ source: String, _ target: String, _ scratch: String) throws(SystemError) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        let from = try Descriptor.open(source, flags)
        let top = Level(name: nil, status: try Files.status(source), waiting: try Files.names(in: from))
        let to = try Descriptor.open(target, flags)
        let links = try Descriptor.open(scratch, flags)
        self.source = from
        self.target = to
        self.links = links
        levels = [top]
    }

    private mutating func run() throws(SystemError) {
        while let level = levels.last {
            if let name = level.waiting.last {
                levels[levels.count - 1].waiting.removeLast()
                try copy(name)
            } else {
                try finishDirectory(level)
            }
        }
    }

    private mutating func copy(_ name: FileName) throws(SystemError) {
        var status = stat()
        let from = source.raw
        try check("stat", name.description) { fstatat(from, name.bytes, &status, AT_SYMLINK_NOFOLLOW) }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: try enter(name, status)
        case _ where status.st_nlink > 1: try copyLinked(name, status)
        default:
            try copyFile(name, status, to: target.raw, as: name.bytes)
        }
    }

    private mutating func enter(_ name: FileName, _ status: stat) throws(SystemError) {
        let to = target.raw
        try check("mkdir", name.description) { mkdirat(to, name.bytes, 0o700) }
        let inner = try Self.open(name, at: source.raw)
        levels.append(Level(name: name, status: status, waiting: try Files.names(in: inner)))
        source = inner
        target = try Self.open(name, at: to)
    }

    private mutating func finishDirectory(_ level: Level) throws(SystemError) {
        try Self.copyMetadata(Self.path(source, "."), Self.path(target, "."), level.status, "a directory")
        levels.removeLast()
        guard level.name != nil else { return }
        source = try Descriptor.open("..", O_RDONLY | O_DIRECTORY, at: source.raw)
        target = try Descriptor.open("..", O_RDONLY | O_DIRECTORY, at: target.raw)
    }

    /// The first of a file's names is copied to the scratch directory, and every name is a link to that.
    private func copyLinked(_ name: FileName, _ status: stat) throws(SystemError) {
        let first = "\(status.st_ino)"
        if !Files.exists(first, at: links.raw) {
            try copyFile(name, status, to: links.raw, as: first.utf8CString.map { $0 })
        }
        let (from, to) = (links.raw, target.raw)
        try check("link", name.description) { linkat(from, first, to, name.bytes, 0) }
    }

    private func copyFile(
        _ name: FileName, _ status: stat, to directory: CInt, as newName: [CChar]
    ) throws(SystemError) {
        let text = name.description
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let from = try Self.open(name, at: source.raw, O_RDONLY | O_NOFOLLOW)
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
            let to = Descriptor(
                owning: try check("open", text) { cl_openat(directory, newName, flags, 0o600) })
            do { try from.copyContent(to: to) } catch {
                throw SystemError(error.call, code: error.code, subject: text)
            }
        case S_IFLNK:
            let pointsTo = try linkTarget(name)
            try check("symlink", text) { symlinkat(pointsTo, directory, newName) }
        case S_IFIFO, S_IFSOCK:
            try check("mknod", text) { mknodat(directory, newName, status.st_mode & S_IFMT | 0o600, 0) }
        case S_IFCHR where status.st_rdev == 0:
            try check("mknod", text) { mknodat(directory, newName, S_IFCHR | 0o600, 0) }
        default: throw SystemError("mknod", code: EPERM, subject: text)
        }
        let to = Array("/proc/self/fd/\(directory)/".utf8CString.dropLast()) + newName
        try Self.copyMetadata(Self.path(source, name.bytes), to, status, text)
    }

    private func linkTarget(_ name: FileName) throws(SystemError) -> [CChar] {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let from = source.raw
        try check("readlink", name.description) { readlinkat(from, name.bytes, &buffer, Int(PATH_MAX)) }
        return buffer
    }

    private static func open(
        _ name: FileName, at directory: CInt, _ flags: CInt = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
    ) throws(SystemError) -> Descriptor {
        Descriptor(
            owning: try check("open", name.description) { cl_openat(directory, name.bytes, flags | O_CLOEXEC, 0) })
    }

    private static func path(_ directory: borrowing Descriptor, _ name: [CChar]) -> [CChar] {
        Array("\(directory.path)/".utf8CString.dropLast()) + name
    }

    private static func path(_ directory: borrowing Descriptor, _ name: String) -> [CChar] {
        path(directory, Array(name.utf8CString))
    }

    /// Changing the owner takes bits of the mode and capabilities away, so the owner comes first; times come last.
    private static func copyMetadata(
        _ source: [CChar], _ target: [CChar], _ status: stat, _ name: String
    ) throws(SystemError) {
        try check("chown", name) { lchown(target, status.st_uid, status.st_gid) }
        if status.st_mode & S_IFMT != S_IFLNK {
            try check("chmod", name) { chmod(target, status.st_mode & 0o7777) }
        }
        for attribute in try attributes(of: source, name) {
            let value = try value(of: attribute, source, name)
            try check("setxattr", name) { lsetxattr(target, attribute, value, value.count, 0) }
        }
        var times = (status.st_atim, status.st_mtim)
        try check("utimensat", name) {
            withUnsafePointer(to: &times) { pointer in
                pointer.withMemoryRebound(to: timespec.self, capacity: 2) {
                    utimensat(AT_FDCWD, target, $0, AT_SYMLINK_NOFOLLOW)
                }
            }
        }
    }

    /// The kernel's own bound for a list of names and for a value: XATTR_LIST_MAX, XATTR_SIZE_MAX.
    private static let largestAttribute = 65_536

    private static func attributes(of path: [CChar], _ name: String) throws(SystemError) -> [[CChar]] {
        guard llistxattr(path, nil, 0) != 0 else { return [] }
        var buffer = [CChar](repeating: 0, count: largestAttribute)
        let count = llistxattr(path, &buffer, buffer.count)
        if count < 0, errno == ENOTSUP { return [] }
        guard count >= 0 else { throw SystemError("listxattr", subject: name) }
        return buffer[..<count].split(separator: 0).map { Array($0) + [0] }
    }

    private static func value(
        of attribute: [CChar], _ path: [CChar], _ name: String
    ) throws(SystemError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: largestAttribute)
        let count = try check("getxattr", name) { lgetxattr(path, attribute, &buffer, buffer.count) }
        return Array(buffer[..<count])
    }
}
