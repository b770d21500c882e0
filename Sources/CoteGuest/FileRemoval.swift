import CoteArchive
import CoteSystem
import Glibc

/// Removes a file, or a tree without following a symbolic link in it.
enum FileRemoval {
    /// Names held for each level.
    private static let batch = 256

    static func remove(_ path: FilePath) throws(FileFailure) {
        guard let (parent, name) = path.split else { throw FileFailure(path, "cannot be removed") }
        let directory = try Descriptor.open(parent, O_RDONLY | O_DIRECTORY, parent)
        if try unlink(name, in: directory.raw, path) { return }
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        try empty(FileTree(try Descriptor.open(name, flags, in: directory.raw, path), path))
        try attempt(path) { name.withCString { unlinkat(directory.raw, $0, AT_REMOVEDIR) } }
    }

    private static func empty(_ start: consuming FileTree) throws(FileFailure) {
        var tree = start
        // For each level, what is left of the names read last, and the directory's own name.
        var levels: [(names: [FilePath], name: FilePath)] = [([], FilePath(""))]
        while !levels.isEmpty {
            let level = levels.count - 1
            if levels[level].names.isEmpty { levels[level].names = try tree.names(limit: batch) }
            if let name = levels[level].names.popLast() {
                if try unlink(name, in: tree.directory.raw, tree.path.appending(name)) { continue }
                try tree.descend(into: name)
                levels.append(([], name))
            } else {
                let path = tree.path
                let (_, name) = levels.removeLast()
                if levels.isEmpty { return }
                try tree.ascend()
                try attempt(path) { name.withCString { unlinkat(tree.directory.raw, $0, AT_REMOVEDIR) } }
            }
        }
    }

    /// Whether it is gone; `false` for a directory.
    private static func unlink(_ name: FilePath, in directory: CInt, _ path: FilePath) throws(FileFailure) -> Bool {
        let result = name.withCString { unlinkat(directory, $0, 0) }
        if result == 0 { return true }
        let code = errno
        // EPERM is what POSIX wants for a directory, and what some file systems say.
        guard code == EISDIR || code == EPERM else { throw FileFailure(errno: code, path) }
        if try FileStatus(of: name, in: directory, path).kind == .directory { return false }
        throw FileFailure(errno: code, path)
    }
}
