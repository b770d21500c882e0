import CoteArchive
import CoteWorker

/// What a member's name says beyond itself: OCI image specification, `layer.md`, "Whiteouts".
enum Whiteout: Equatable {
    case none
    /// Hides this name of earlier layers in its directory.
    case hidden(FilePath)
    /// Hides all of earlier layers in its directory.
    case opaque
    /// What the storage driver of the program that made the layer kept for itself.
    case ignored

    private static let prefix = Array(".wh.".utf8)
    private static let own = Array(".wh..wh.".utf8)
    private static let opaqueName = Array(".wh..wh..opq".utf8)

    init(_ path: LayerPath, _ name: FilePath, _ entry: ArchiveEntry) throws(UnpackFailure) {
        for above in path.components.dropLast() where above.bytes.starts(with: Self.prefix) {
            guard above.bytes.starts(with: Self.own) else {
                throw .refused(.badWhiteout, entry.path, "is below a whiteout")
            }
            self = .ignored
            return
        }
        guard name.bytes.starts(with: Self.prefix) else {
            self = .none
            return
        }
        let hidden = FilePath(name.bytes.dropFirst(Self.prefix.count))
        let isOpaque = name.bytes == Self.opaqueName
        if name.bytes.starts(with: Self.own), !isOpaque {
            self = .ignored
            return
        }
        if hidden.bytes.isEmpty || hidden.bytes == LayerPath.dot || hidden.bytes == LayerPath.dots {
            throw .refused(.badWhiteout, entry.path, "hides nothing that has a name")
        }
        if entry.kind != .regular || entry.size != 0 {
            throw .refused(.badWhiteout, entry.path, "is a whiteout and not an empty file")
        }
        self = isOpaque ? .opaque : .hidden(hidden)
    }
}
