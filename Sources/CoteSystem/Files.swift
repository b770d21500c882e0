import CLinux
public import Glibc

/// Small operations on files, each one system call or a short sequence with one meaning.
public enum Files {
    /// A whole file.
    /// - Throws: `EFBIG` when it has more than `limit` bytes.
    public static func read(
        _ path: String, at directory: CInt = AT_FDCWD, limit: Int = 1 << 20
    ) throws(SystemError) -> [UInt8] {
        let file = try Descriptor.open(path, O_RDONLY, at: directory)
        do { return try file.readAll(limit: limit) } catch {
            throw SystemError(error.call, code: error.code, subject: path)
        }
    }

    /// The same as text; bytes that are not UTF-8 become replacement characters.
    public static func readText(
        _ path: String, at directory: CInt = AT_FDCWD, limit: Int = 1 << 20
    ) throws(SystemError) -> String {
        String(decoding: try read(path, at: directory, limit: limit), as: UTF8.self)
    }

    /// Writes to a file that is there already, as control files of the kernel are.
    public static func overwrite(_ path: String, at directory: CInt = AT_FDCWD, _ text: String) throws(SystemError) {
        let file = try Descriptor.open(path, O_WRONLY, at: directory)
        do { try file.write(all: Array(text.utf8)) } catch {
            throw SystemError(error.call, code: error.code, subject: path)
        }
    }

    /// Creates `path`, which must not exist.
    public static func create(
        _ path: String, at directory: CInt = AT_FDCWD, mode: UInt32 = 0o600, _ bytes: [UInt8]
    ) throws(SystemError) {
        let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: mode, at: directory)
        do { try file.write(all: bytes) } catch {
            unlinkat(directory, path, 0)
            throw SystemError(error.call, code: error.code, subject: path)
        }
    }

    /// Gives a file a second name, which nobody else may have.
    public static func link(_ path: String, as name: String) throws(SystemError) {
        try check("link", name) { Glibc.link(path, name) }
    }

    /// Replaces `path` whole, so that a reader or a crash sees the old content or the new.
    public static func replace(
        _ path: String, at directory: CInt = AT_FDCWD, mode: UInt32 = 0o600, durable: Bool = true, _ bytes: [UInt8]
    ) throws(SystemError) {
        let temporary = path + ".new"
        do {
            let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode: mode, at: directory)
            try file.write(all: bytes)
            if durable { try file.synchronize() }
            try check("rename") { renameat(directory, temporary, directory, path) }
        } catch {
            unlinkat(directory, temporary, 0)
            throw SystemError(error.call, code: error.code, subject: path)
        }
    }

    /// Creates one directory.
    /// - Throws: `EEXIST` too, so that whoever succeeds is its creator.
    public static func makeDirectory(
        _ path: String, at directory: CInt = AT_FDCWD, mode: UInt32 = 0o700
    ) throws(SystemError) {
        try check("mkdir", path) { mkdirat(directory, path, mode) }
    }

    /// Creates `path` and what is missing above it; an existing directory is fine.
    public static func makeDirectories(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw SystemError("mkdir", subject: path)
        }
        try makeDirectories(String(path[..<slash]), mode: mode)
        if mkdir(path, mode) < 0, errno != EEXIST { throw SystemError("mkdir", subject: path) }
    }

    /// Replaces what `target` names.
    public static func rename(_ path: String, to target: String) throws(SystemError) {
        try check("rename", path) { Glibc.rename(path, target) }
    }

    /// Renames `path` unless something of the new name is there.
    /// - Throws: `EEXIST`, so that whoever succeeds is the only one.
    public static func publish(_ path: String, as target: String) throws(SystemError) {
        try check("rename", target) { cl_rename_new(AT_FDCWD, path, AT_FDCWD, target) }
    }

    /// Removes a file; a missing one is fine.
    public static func remove(_ path: String, at directory: CInt = AT_FDCWD) throws(SystemError) {
        if unlinkat(directory, path, 0) < 0, errno != ENOENT { throw SystemError("unlink", subject: path) }
    }

    /// Whether there is anything of that name, a dangling link too.
    public static func exists(_ path: String, at directory: CInt = AT_FDCWD) -> Bool {
        faccessat(directory, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// The names in a directory, sorted, without `.` and `..`.
    public static func list(_ path: String, at directory: CInt = AT_FDCWD) throws(SystemError) -> [String] {
        let descriptor = try Descriptor.open(path, O_RDONLY | O_DIRECTORY, at: directory)
        guard let stream = fdopendir(descriptor.release()) else { throw SystemError("opendir", subject: path) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = Glibc.readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a tree without following a symbolic link or leaving the file system it is on by name; a missing one
    /// is fine. Whoever made the tree cannot make this costly: depth takes neither stack nor descriptors.
    public static func removeTree(_ path: String, at directory: CInt = AT_FDCWD) throws(SystemError) {
        if unlinkat(directory, path, 0) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM || errno == EACCES else {
            throw SystemError("unlink", subject: path)
        }
        do { try empty(try openDirectory(path, at: directory)) } catch { if error.code != ENOENT { throw error } }
        if unlinkat(directory, path, AT_REMOVEDIR) < 0, errno != ENOENT {
            throw SystemError("rmdir", subject: path)
        }
    }

    /// Takes every directory out of its own before it is removed, so that there are never more than two levels.
    private static func empty(_ top: borrowing Descriptor) throws(SystemError) {
        var directories = try removeFiles(top)
        var taken = 0
        while let name = directories.popLast() {
            do {
                let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
                let inner = Descriptor(owning: try check("open") { cl_openat(top.raw, name, flags, 0) })
                for deeper in try removeFiles(inner) {
                    directories.append(try raise(deeper, from: inner, to: top, &taken))
                }
            } catch { if error.code != ENOENT { throw error } }
            if unlinkat(top.raw, name, AT_REMOVEDIR) < 0, errno != ENOENT { throw SystemError("rmdir") }
        }
    }

    /// Moves a directory up under a name that nothing there has; `taken` counts the names tried so far.
    private static func raise(
        _ name: [CChar], from inner: borrowing Descriptor, to top: borrowing Descriptor, _ taken: inout Int
    ) throws(SystemError) -> [CChar] {
        while true {
            let new = ".removed-\(taken)"
            taken += 1
            if renameat(inner.raw, name, top.raw, new) == 0 { return Array(new.utf8CString) }
            guard errno == EEXIST || errno == ENOTEMPTY else { throw SystemError("rename") }
        }
    }

    /// Removes all but directories, and says which there are. By the bytes of the names: not every name is text.
    private static func removeFiles(_ directory: borrowing Descriptor) throws(SystemError) -> [[CChar]] {
        var directories: [[CChar]] = []
        for name in try names(in: directory) where unlinkat(directory.raw, name.bytes, 0) < 0 && errno != ENOENT {
            guard errno == EISDIR || errno == EPERM || errno == EACCES else {
                throw SystemError("unlink", subject: name.description)
            }
            directories.append(name.bytes)
        }
        return directories
    }

    private static func openDirectory(_ path: String, at directory: CInt) throws(SystemError) -> Descriptor {
        try Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, at: directory)
    }

    /// User and group both become `user`; a symbolic link is changed itself.
    public static func setOwner(_ path: String, _ user: UInt32, at directory: CInt = AT_FDCWD) throws(SystemError) {
        try check("chown", path) { fchownat(directory, path, user, user, AT_SYMLINK_NOFOLLOW) }
    }

    /// Type, mode, size and identity of `path` itself, not of what a symbolic link points to.
    public static func status(_ path: String, at directory: CInt = AT_FDCWD) throws(SystemError) -> stat {
        var result = stat()
        try check("stat", path) { fstatat(directory, path, &result, AT_SYMLINK_NOFOLLOW) }
        return result
    }

    /// What a symbolic link says, not whether that exists.
    /// - Throws: `EINVAL` when `path` is not a link.
    public static func linkTarget(_ path: String, at directory: CInt = AT_FDCWD) throws(SystemError) -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = try check("readlink", path) {
            buffer.withUnsafeMutableBytes { bytes in
                guard let target = bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return -1 }
                return readlinkat(directory, path, target, bytes.count)
            }
        }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
