import CoteArchive
import CoteWorker

/// A member's place below the root of the image, as its checked components.
struct LayerPath {
    /// Empty for the root.
    let components: [FilePath]

    private static let longestName = 255
    private static let longestPath = 4_095
    static let dot = Array(".".utf8)
    static let dots = Array("..".utf8)

    /// The same for all members of a directory, with nothing before or after.
    var joined: FilePath { components.dropFirst().reduce(components.first ?? FilePath("")) { $0.appending($1) } }

    init(_ components: [FilePath]) { self.components = components }

    /// - Throws: why `path` cannot name a member.
    init(_ path: FilePath) throws(UnpackFailure) {
        let bytes = path.bytes
        if bytes.isEmpty { throw .refused(.badName, path, "has no name") }
        if bytes[0] == FilePath.slash { throw .refused(.absolutePath, path, "is an absolute path") }
        if bytes.count > Self.longestPath { throw .refused(.longName, path, "has \(bytes.count) bytes") }
        if bytes.contains(0) { throw .refused(.badName, path, "has a zero in its name") }
        var parts = bytes.split(separator: FilePath.slash, omittingEmptySubsequences: false)
        // A directory's own slash, and what many programs begin every name with.
        if parts.last?.isEmpty == true { parts.removeLast() }
        if parts.first?.elementsEqual(Self.dot) == true { parts.removeFirst() }
        var components: [FilePath] = []
        components.reserveCapacity(parts.count)
        for part in parts {
            if part.elementsEqual(Self.dots) { throw .refused(.parentPath, path, "goes up by ..") }
            if part.isEmpty || part.elementsEqual(Self.dot) {
                throw .refused(.badName, path, "has a component that names nothing")
            }
            if part.count > Self.longestName { throw .refused(.longName, path, "has a name of \(part.count) bytes") }
            components.append(FilePath(part))
        }
        self.components = components
    }

    /// Refuses the target of a symbolic link here when it has to leave the image. An absolute one starts at the image's
    /// root, above which nothing is.
    func checkTarget(_ target: FilePath) throws(UnpackFailure) {
        let bytes = target.bytes
        if bytes.isEmpty { throw .refused(.linkLeaves, joined, "is a link to nothing") }
        if bytes.count > Self.longestPath { throw .refused(.longName, joined, "is a link to \(bytes.count) bytes") }
        if bytes.contains(0) { throw .refused(.badName, joined, "is a link with a zero in it") }
        if bytes[0] == FilePath.slash { return }
        var depth = components.count - 1
        for part in bytes.split(separator: FilePath.slash) where !part.elementsEqual(Self.dot) {
            depth += part.elementsEqual(Self.dots) ? -1 : 1
            if depth < 0 { throw .refused(.linkLeaves, joined, "is a link to \(target.shown), above the image's root") }
        }
    }
}

/// A path as the sets of a layer's names hold it: as good as the path itself to whoever cannot choose the seed, and
/// small, since there may be millions.
struct PathKey: Hashable {
    private let first: Int
    private let second: Int

    init(_ path: FilePath) {
        var first = Hasher()
        var second = Hasher()
        second.combine(true)
        path.bytes.withUnsafeBytes {
            first.combine(bytes: $0)
            second.combine(bytes: $0)
        }
        (self.first, self.second) = (first.finalize(), second.finalize())
    }
}
