import CoteArchive
import Glibc

/// Removes what is in directories, without following a symbolic link.
enum TreeRemoval {
    /// Removes all that is below a directory but what `keeps` says, and the directories that it is in.
    /// - Parameters:
    ///   - path: the directory's, from the image's root.
    ///   - keeps: asked with such paths.
    static func empty(
        _ directory: CInt, _ path: FilePath, keeps: (FilePath) -> Bool
    ) throws(UnpackFailure) {
        for name in try OpenedFile.names(in: directory, path) {
            let below = path.appending(name)
            let isKept = keeps(below)
            if !isKept, name.withCString({ unlinkat(directory, $0, 0) }) == 0 { continue }
            guard let status = try OpenedFile.status(name, in: directory, below) else { continue }
            if !status.isDirectory {
                if isKept { continue }
                throw .failed("unlink", below, code: EPERM)
            }
            try emptyInner(name, in: directory, below, status, keeps)
            if isKept || name.withCString({ unlinkat(directory, $0, AT_REMOVEDIR) }) == 0 { continue }
            let code = errno
            if code != ENOTEMPTY && code != EEXIST { throw .failed("rmdir", below, code: code) }
        }
    }

    private static func emptyInner(
        _ name: FilePath, in directory: CInt, _ path: FilePath, _ status: stat, _ keeps: (FilePath) -> Bool
    ) throws(UnpackFailure) {
        let flags = OpenedFile.directoryFlags
        let inner = try attempt("open", path) { OpenedFile.open(name, flags, in: directory) }
        defer { close(inner) }
        try empty(inner, path, keeps: keeps)
        // Where it stays, it stays as it was.
        _ = futimens(inner, [.unchanged, status.st_mtim])
    }

    /// Removes all that is in a directory, however deep: each directory is taken out of its own before it is removed,
    /// so that there are never more than two levels.
    static func clear(_ top: CInt) throws(UnpackFailure) {
        var directories = try removeFiles(top)
        var taken = 0
        while let name = directories.popLast() {
            try clearOne(name, top, &directories, &taken)
            if name.withCString({ unlinkat(top, $0, AT_REMOVEDIR) }) < 0, errno != ENOENT {
                throw .failed("rmdir", name)
            }
        }
    }

    private static func clearOne(
        _ name: FilePath, _ top: CInt, _ directories: inout [FilePath], _ taken: inout Int
    ) throws(UnpackFailure) {
        let inner = OpenedFile.open(name, OpenedFile.directoryFlags, in: top)
        if inner < 0 {
            let code = errno
            if code == ENOENT { return }
            throw .failed("open", name, code: code)
        }
        defer { close(inner) }
        for deeper in try removeFiles(inner) { directories.append(try raise(deeper, inner, top, &taken)) }
    }

    /// Moves a directory up under a name that nothing there has.
    private static func raise(
        _ name: FilePath, _ inner: CInt, _ top: CInt, _ taken: inout Int
    ) throws(UnpackFailure) -> FilePath {
        while true {
            let new = FilePath(".removed-\(taken)")
            taken += 1
            let result = name.withCString { old in new.withCString { renameat(inner, old, top, $0) } }
            if result == 0 { return new }
            let code = errno
            guard code == EEXIST || code == ENOTEMPTY || code == ENOTDIR else {
                throw .failed("rename", name, code: code)
            }
        }
    }

    /// Removes all but directories, and says which there are.
    private static func removeFiles(_ directory: CInt) throws(UnpackFailure) -> [FilePath] {
        var directories: [FilePath] = []
        for name in try OpenedFile.names(in: directory, FilePath("")) {
            if name.withCString({ unlinkat(directory, $0, 0) }) == 0 { continue }
            let code = errno
            if code == ENOENT { continue }
            guard code == EISDIR || code == EPERM || code == EACCES else { throw .failed("unlink", name, code: code) }
            directories.append(name)
        }
        return directories
    }
}
