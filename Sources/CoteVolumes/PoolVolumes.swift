public import CoteModel
import CBtrfs
import CoteSystem
import Glibc

/// Volumes that are subvolumes of one pool. A snapshot takes milliseconds whatever the volume holds, and shares it all.
///
///     <home>/volumes/pool.btrfs   <runtime>/pool/{volumes,snapshots}/<name>/{upper,work}
public struct PoolVolumes: VolumeStore {
    private let tree: VolumeTree
    private let pool: Pool

    /// Always `btrfs`.
    public var kind: VolumeKind { .btrfs }

    /// - Parameter home: `$COTE_HOME`.
    /// - Parameter runtime: `$COTE_RUNTIME`.
    public init(home: String, runtime: String) { self.init(home: home, runtime: runtime, firstSize: nil) { _ in } }

    package init(
        home: String, runtime: String, firstSize: ByteCount?, watch: @escaping @Sendable (VolumeStep) -> Void
    ) {
        tree = VolumeTree(root: runtime + "/pool", watch: watch)
        let file = PoolFile(path: home + "/volumes/pool.btrfs", firstSize: firstSize, watch: watch)
        pool = Pool(file: file, mountPoint: tree.root, watch: watch)
    }

    private func discard(_ path: String) throws(SystemError) { try Subvolume.delete(path) }

    /// The pool for volumes that are there already.
    private func hold(_ name: VolumeName) throws(CoteError) -> Pool.Hold {
        guard let hold = try pool.hold(making: false) else { throw lost(name) }
        return hold
    }

    private func lost(_ name: VolumeName) -> CoteError {
        CoteError(.damagedVolumes, "the pool \(pool.file.path), which held volume '\(name)', is missing", hint: aside)
    }

    private func missing(_ name: VolumeName) -> CoteError {
        VolumeFailure.missing(name, "the pool \(pool.file.path)", hint: aside)
    }

    private var aside: String? {
        pool.file.asides().last.map { "it may be in \($0), which was set aside when it could not be used" }
    }

    private func translate<Value>(
        _ doing: String, _ name: VolumeName, _ body: () throws(SystemError) -> Value
    ) throws(CoteError) -> Value {
        do { return try body() } catch {
            if error.code == EEXIST { throw VolumeFailure.taken(name) }
            let isFull = ((try? Room.free(at: pool.file.path)) ?? .max) < Room.reserve.bytes
            // A write that the disk under the pool has no room for is an input error to the pool.
            let cause = isFull ? SystemError(error.call, code: ENOSPC, subject: error.subject) : error
            throw VolumeFailure.translated("cannot \(doing) volume '\(name)' in the pool \(pool.file.path)", cause)
        }
    }

    /// See `VolumeStore`.
    public func create(_ name: VolumeName, owner: UInt32, limit: ByteCount?) throws(CoteError) {
        if let limit { try VolumeLimit.check(limit) }
        guard let hold = try pool.roomyHold(making: true) else { throw missing(name) }
        try Room.check(pool.file.path)
        try translate("create", name) { () throws(SystemError) in
            try tree.publish(name, as: .volumes, discard: discard) { new throws(SystemError) in
                try Subvolume.create(new)
                tree.watch(.begun)
                if let limit { try Quota.limit(try Subvolume.id(new), to: limit.bytes, hold.root) }
                tree.watch(.limited)
                try Layer.make(in: new, owner: owner)
                tree.watch(.filled)
            }
        }
        extendLifetime(hold.lock)
    }

    /// See `VolumeStore`.
    public func attach(_ name: VolumeName) throws(CoteError) -> VolumeAttachment {
        let hold = try hold(name)
        guard Files.exists(tree.place(name)) else { throw missing(name) }
        extendLifetime(hold.lock)
        return VolumeAttachment(source: .directory(tree.place(name)), hold: nil)
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
        guard let hold = try pool.roomyHold(making: false) else { throw lost(name) }
        let place = tree.place(name, folder)
        guard Files.exists(place) else { throw missing(name) }
        try Room.check(pool.file.path)
        try translate("make", copy) { () throws(SystemError) in
            try tree.publish(copy, as: target, discard: discard) { new throws(SystemError) in
                // The kernel gives the copy the limit of what it is of.
                try Subvolume.snapshot(place, as: new, readOnly: target == .snapshots)
                tree.watch(.begun)
            }
        }
        extendLifetime(hold.lock)
    }

    /// See `VolumeStore`.
    public func remove(_ name: VolumeName) throws(CoteError) {
        guard let hold = try pool.hold(making: false) else { return }
        try translate("remove", name) { () throws(SystemError) in try tree.withdraw(name, discard) }
        extendLifetime(hold.lock)
    }

    /// See `VolumeStore`. Waits until all that was written to the pool is on disk: only then is it counted.
    public func usage(of name: VolumeName) throws(CoteError) -> VolumeUsage {
        let hold = try hold(name)
        guard let place = tree.find(name) else { throw missing(name) }
        let quota = try translate("measure", name) { () throws(SystemError) in
            let raw = hold.root.raw
            try Subvolume.call("BTRFS_IOC_SYNC", place) { cb_sync(raw) }
            return try Quota.read(try Subvolume.id(place), hold.root)
        }
        extendLifetime(hold.lock)
        return VolumeUsage(used: ByteCount(quota.used), limit: quota.limit == .max ? nil : ByteCount(quota.limit))
    }

    /// See `VolumeStore`.
    public func list() throws(CoteError) -> [VolumeEntry] {
        guard let hold = try pool.hold(making: false) else { return [] }
        defer { extendLifetime(hold.lock) }
        return tree.list()
    }

    /// See `VolumeStore`.
    public func recover() throws(CoteError) {
        guard let hold = try pool.hold(.exclusive, making: false) else { return }
        pool.file.discardUnfinished()
        do throws(SystemError) {
            try tree.recover(discard)
            try Quota.tidy(hold.root)
        } catch { throw VolumeFailure.translated("cannot clear the pool \(pool.file.path)", error) }
        extendLifetime(hold.lock)
    }

    /// The pool as it is, for people; `nil` where there is none. Mounts and makes nothing.
    public func status() throws(CoteError) -> PoolStatus? { try pool.status() }

    /// Unmounts the pool; the next use mounts it again. Sandboxes that run are not disturbed.
    public func unmountPool() throws(CoteError) { try pool.unmount() }
}
