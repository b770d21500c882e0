import CoteArchive
import CoteSystem
import Glibc

/// A place in a tree, moved one level at a time. It holds one descriptor however deep it is, and can go neither through
/// a symbolic link nor, when somebody moves directories about meanwhile, up into one that it did not come from.
struct FileTree: ~Copyable {
    private(set) var directory: Descriptor
    private(set) var path: FilePath
    private var above: [(identity: FileStatus.Identity, path: FilePath)] = []

    /// - Parameter path: what messages call the start.
    init(_ directory: consuming Descriptor, _ path: FilePath) {
        self.directory = directory
        self.path = path
    }

    mutating func descend(into name: FilePath) throws(FileFailure) {
        let here = try FileStatus(of: directory, path)
        let below = path.appending(name)
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        directory = try Descriptor.open(name, flags, in: directory.raw, below)
        above.append((here.identity, path))
        path = below
    }

    /// Does nothing at the start.
    mutating func ascend() throws(FileFailure) {
        guard let (identity, path) = above.popLast() else { return }
        let parent = try Descriptor.open(FilePath(".."), O_RDONLY | O_DIRECTORY, in: directory.raw, path)
        guard try FileStatus(of: parent, path).identity == identity else {
            throw FileFailure(path, "was moved meanwhile")
        }
        directory = parent
        self.path = path
    }

    /// The names here, in the kernel's order, without `.` and `..`; at most `limit` of them.
    func names(limit: Int) throws(FileFailure) -> [FilePath] {
        let again = try Descriptor.open(FilePath("."), O_RDONLY | O_DIRECTORY, in: directory.raw, path)
        guard let stream = fdopendir(again.release()) else { throw FileFailure(errno: errno, path) }
        defer { closedir(stream) }
        var names: [FilePath] = []
        while names.count < limit {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw FileFailure(errno: errno, path) }
                break
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { FilePath($0.prefix { $0 != 0 }) }
            if name.bytes != Array(".".utf8), name.bytes != Array("..".utf8) { names.append(name) }
        }
        return names
    }

    /// All names here in the order of their bytes.
    /// - Throws: where there are more than a million, which is what may be held in memory.
    func sortedNames() throws(FileFailure) -> [FilePath] {
        let limit = 1 << 20
        let names = try names(limit: limit + 1)
        if names.count > limit { throw FileFailure(path, "more than \(limit) entries") }
        return names.sorted()
    }
}
