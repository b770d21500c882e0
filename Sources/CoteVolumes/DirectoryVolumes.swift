public import CoteModel
import CoteSystem
import Glibc

/// Volumes that are plain directories of the host's file system. They hold no limit; a snapshot is a full copy, or
/// shares data where that file system can.
///
///     <home>/volumes/plain/{volumes,snapshots}/<name>/{upper,work}
public struct DirectoryVolumes: VolumeStore {
    private let tree: VolumeTree

    /// Always `directory`.
    public var kind: VolumeKind { .directory }

    /// - Parameter home: `$COTE_HOME`.
    public init(home: String) { self.init(home: home) { _ in } }

    package init(home: String, watch: @escaping @Sendable (VolumeStep) -> Void) {
        tree = VolumeTree(root: home + "/volumes/plain", watch: watch)
    }

    private var lockPath: String { tree.root + "/lock" }

    private func discard(_ path: String) throws(SystemError) { try Files.removeTree(path) }

    /// See `VolumeStore`. Refuses every limit.
    public func create(_ name: VolumeName, owner: UInt32, limit: ByteCount?) throws(CoteError) {
        if let limit {
            throw CoteError(
                .limitUnsupported, "a plain directory holds no disk limit of \(limit)",
                hint: "btrfs-progs or e2fsprogs on the host gives volumes with limits")
        }
        let lock = try VolumeLock(lockPath, .shared)
        try Room.check(tree.root)
        try tree.translate("create", name) { () throws(SystemError) in
            try tree.prepare()
            try tree.publish(name, as: .volumes, discard: discard) { new throws(SystemError) in
                try Files.makeDirectory(new)
                tree.watch(.begun)
                try Layer.make(in: new, owner: owner)
                tree.watch(.filled)
            }
        }
        extendLifetime(lock)
    }

    /// See `VolumeStore`.
    public func attach(_ name: VolumeName) throws(CoteError) -> VolumeAttachment {
        let place = tree.place(name)
        guard Files.exists(place) else { throw VolumeFailure.missing(name, tree.root) }
        return VolumeAttachment(source: .directory(place), hold: nil)
    }

    /// See `VolumeStore`.
    public func snapshot(of name: VolumeName, as snapshot: VolumeName) throws(CoteError) {
        try copy(name, .volumes, to: snapshot, .snapshots)
    }

    /// See `VolumeStore`.
    public func fork(of snapshot: VolumeName, as name: VolumeName) throws(CoteError) {
        try copy(snapshot, .snapshots, to: name, .volumes)
    }

    private func copy(
        _ name: VolumeName, _ folder: VolumeTree.Folder, to copy: VolumeName, _ target: VolumeTree.Folder
    ) throws(CoteError) {
        let lock = try VolumeLock(lockPath, .shared)
        let place = tree.place(name, folder)
        guard Files.exists(place) else { throw VolumeFailure.missing(name, tree.root) }
        try Room.check(tree.root)
        try tree.translate("make", copy) { () throws(SystemError) in
            try tree.publish(copy, as: target, discard: discard) { new throws(SystemError) in
                try Files.makeDirectory(new)
                tree.watch(.begun)
                // What overlayfs keeps in `work` is of no use to another mount.
                for part in ["upper", "work"] { try Files.makeDirectory("\(new)/\(part)", mode: 0o755) }
                try TreeCopy.copy(place + "/upper", to: new + "/upper", scratch: new + "/links")
                tree.watch(.filled)
            }
        }
        extendLifetime(lock)
    }

    /// See `VolumeStore`.
    public func remove(_ name: VolumeName) throws(CoteError) {
        let lock = try VolumeLock(lockPath, .shared)
        try tree.translate("remove", name) { () throws(SystemError) in try tree.withdraw(name, discard) }
        extendLifetime(lock)
    }

    /// See `VolumeStore`.
    public func usage(of name: VolumeName) throws(CoteError) -> VolumeUsage {
        guard let place = tree.find(name) else { throw VolumeFailure.missing(name, tree.root) }
        let used = try tree.translate("measure", name) { () throws(SystemError) in try TreeSize.blocks(place) }
        return VolumeUsage(used: ByteCount(used), limit: nil)
    }

    /// See `VolumeStore`.
    public func list() -> [VolumeEntry] { tree.list() }

    /// See `VolumeStore`.
    public func recover() throws(CoteError) {
        guard Files.exists(tree.root) else { return }
        let lock = try VolumeLock(lockPath, .exclusive)
        do { try tree.recover(discard) } catch {
            throw VolumeFailure.translated("cannot clear \(tree.root)", error)
        }
        extendLifetime(lock)
    }
}
