import CoteArchive
import CoteSystem
import Glibc

/// A name in an open directory.
struct ArchivePlace: ~Copyable {
    let directory: Descriptor
    let name: FilePath

    /// What has the name now, itself and not what it may link to; `nil` when nothing has.
    func status(_ path: FilePath) throws(FileFailure) -> FileStatus? {
        do { return try FileStatus(of: name, in: directory.raw, path) } catch {
            if error.isMissing { return nil }
            throw error
        }
    }

    /// Takes the name from a file or link that has it, so that neither is written through.
    func clear(_ path: FilePath) throws(FileFailure) {
        let number = directory.raw
        let result = name.withCString { unlinkat(number, $0, 0) }
        if result == 0 || errno == ENOENT { return }
        let code = errno
        if try status(path)?.kind == .directory { throw FileFailure(path, "a directory is in the way") }
        throw FileFailure(errno: code, path)
    }
}

/// Looks up an archive's names below one directory.
///
/// One component at a time needs no call that a class might lack (as `openat2`); each must be a directory and no
/// link, and none is `..`, so that there is no way out whatever else changes the tree meanwhile.
struct ArchivePlaces: ~Copyable {
    private let root: Descriptor
    /// The way to the directory used last, open, as far as `longestWay`: archives go through a tree in order.
    private var way: [(name: FilePath, descriptor: CInt)] = []

    private static let longestWay = 64
    private static let longestName = 255
    private static let longestPath = 4_095
    private static let dot = Array(".".utf8)
    private static let dots = Array("..".utf8)

    init(_ root: consuming Descriptor) { self.root = root }

    deinit { for (_, descriptor) in way { close(descriptor) } }

    /// The components of `path`, or why it cannot name a member. Empty for the root.
    /// - Parameter entry: the member that a refusal names.
    static func checked(_ path: FilePath, of entry: FilePath) throws(FileFailure) -> [FilePath] {
        let bytes = path.bytes
        if bytes.first == FilePath.slash { throw FileFailure(entry, "\(path.shown) is an absolute path") }
        if bytes.count > longestPath { throw FileFailure(FilePath(entry.bytes.prefix(64)), "the path is too long") }
        if bytes.contains(0) { throw FileFailure(entry, "the path has a zero in it") }
        var components: [FilePath] = []
        for part in bytes.split(separator: FilePath.slash) where !part.elementsEqual(dot) {
            if part.elementsEqual(dots) { throw FileFailure(entry, "\(path.shown) goes up by ..") }
            if part.count > longestName { throw FileFailure(FilePath(entry.bytes.prefix(64)), "a name is too long") }
            components.append(FilePath(part))
        }
        return components
    }

    /// Whether a symbolic link `depth` directories below the root can only lead to something below it.
    ///
    /// `..` counts at the front alone, where it climbs real directories; after a name it would climb from wherever that
    /// name, should it be a link itself, leads to.
    static func staysInside(_ target: FilePath, depth: Int) -> Bool {
        let bytes = target.bytes
        if bytes.isEmpty || bytes.first == FilePath.slash || bytes.count > longestPath || bytes.contains(0) {
            return false
        }
        let parts = bytes.split(separator: FilePath.slash).filter { !$0.elementsEqual(dot) }
        let up = parts.prefix { $0.elementsEqual(dots) }
        return up.count <= depth && !parts.dropFirst(up.count).contains { $0.elementsEqual(dots) }
    }

    /// - Parameter path: not empty.
    mutating func find(_ path: [FilePath], of entry: FilePath, create: Bool = true) throws(FileFailure) -> ArchivePlace
    {
        guard let name = path.last else { throw FileFailure(entry, "has no name") }
        return ArchivePlace(directory: try directory(path.dropLast(), of: entry, create: create), name: name)
    }

    /// Opens a directory below the root; missing ones on the way are created where `create` says so.
    mutating func directory(
        _ path: ArraySlice<FilePath>, of entry: FilePath, create: Bool = false
    ) throws(FileFailure) -> Descriptor {
        let known = zip(way, path).prefix { $0.name == $1 }.count
        while way.count > known { close(way.removeLast().descriptor) }
        var directory = try Descriptor.open(
            FilePath("."), O_RDONLY | O_DIRECTORY, in: way.last?.descriptor ?? root.raw, entry)
        for (index, name) in path.dropFirst(known).enumerated() {
            directory = try enter(ArchivePlace(directory: directory, name: name), entry, create: create)
            if known + index == way.count, way.count < Self.longestWay {
                let copy = try telling(entry) { () throws(SystemError) in try directory.duplicate() }
                way.append((name, copy.release()))
            }
        }
        return directory
    }

    private func enter(
        _ place: borrowing ArchivePlace, _ entry: FilePath, create: Bool
    ) throws(FileFailure) -> Descriptor {
        let number = place.directory.raw
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        do { return try Descriptor.open(place.name, flags, in: number, entry) } catch {
            if let status = try place.status(entry) {
                if status.kind == .directory { throw error }
                let what = status.kind == .link ? "a symbolic link" : "something that is no directory"
                throw FileFailure(entry, "\(place.name.shown) on the way is \(what)")
            }
            if !create { throw error }
        }
        if place.name.withCString({ mkdirat(number, $0, 0o755) }) < 0, errno != EEXIST {
            throw FileFailure(errno: errno, entry)
        }
        return try Descriptor.open(place.name, flags, in: number, entry)
    }
}
