public import CoteModel

/// Writable layers of sandboxes.
///
/// Here lives how a volume is kept on disk, limited, copied and removed. What a volume is for does not: who owns one,
/// when it goes and where it is mounted is the engine's and the keeper's business.
///
/// Every kind has the same life. A volume is made under a name that nobody looks at, and published by one rename; it is
/// taken away by one rename before it is removed. So whoever dies on the way leaves something half-made that has no
/// name, and `recover` removes it.
///
///     .<name>-<random> ──rename──→ <name> ──rename──→ .<name>-<random> ──→ nothing
///
/// All calls block for as long as the disk takes, so none belongs on the cooperative pool.
public protocol VolumeStore: Sendable {
    /// Which implementation this is.
    var kind: VolumeKind { get }

    /// Makes an empty volume: `upper/`, mode 0755, which belongs to `owner`, and `work/` beside it.
    /// - Parameter owner: user and group that own the layer.
    /// - Parameter limit: what may be written, from `VolumeLimit.smallest` on; no limit where absent.
    /// - Throws: `nameTaken`; `limitUnsupported` by a kind that holds none; `usage` for a limit below the smallest;
    ///   `diskFull`; `damagedVolumes` when a pool cannot be used, which is then set aside for the next try.
    func create(_ name: VolumeName, owner: UInt32, limit: ByteCount?) throws(CoteError)

    /// What a keeper mounts. One at a time may hold an image; the others do not mind.
    /// - Throws: `unknownVolume`; `wrongState` for an image that is in use; `damagedVolumes`.
    func attach(_ name: VolumeName) throws(CoteError) -> VolumeAttachment

    /// Makes a copy that never changes. Of a pool's volume even while it is written to, as after a power failure at
    /// that moment; the other kinds need one that is not in use.
    /// - Throws: `unknownVolume`, `nameTaken`, `diskFull`, `damagedVolumes`; `wrongState` for an image in use.
    func snapshot(of name: VolumeName, as snapshot: VolumeName) throws(CoteError)

    /// Makes a volume of a snapshot, with the owners and the limit that the first volume had.
    /// - Throws: as `snapshot(of:as:)`.
    func fork(of snapshot: VolumeName, as name: VolumeName) throws(CoteError)

    /// Removes a volume or a snapshot that nobody uses; a missing one is fine. Its space may come back later.
    func remove(_ name: VolumeName) throws(CoteError)

    /// What a volume or snapshot holds.
    /// - Throws: `unknownVolume`, `damagedVolumes`.
    func usage(of name: VolumeName) throws(CoteError) -> VolumeUsage

    /// All there are, sorted by name.
    func list() throws(CoteError) -> [VolumeEntry]

    /// Removes what others who died have left half-made or half-removed. Waits for those who are at work.
    func recover() throws(CoteError)
}

/// A volume or a snapshot that is there.
public struct VolumeEntry: Hashable, Sendable {
    /// What it was made as.
    public var name: VolumeName
    /// Whether it is a snapshot, which is forked but never attached.
    public var isSnapshot: Bool
}

/// What a volume holds.
public struct VolumeUsage: Hashable, Sendable {
    /// In a pool, everything that can be reached from the volume, shared with a snapshot or not; of an image or a
    /// directory, what it takes on the host's disk.
    public var used: ByteCount
    /// Absent where there is none.
    public var limit: ByteCount?
}

/// Limits that every kind with limits can hold.
public enum VolumeLimit {
    /// Below this a file system's own records would be most of it.
    public static let smallest = ByteCount.mebibytes(16)
    /// Above this an image of ext4 would not be one.
    public static let largest = ByteCount.mebibytes(8 << 20)

    static func check(_ limit: ByteCount) throws(CoteError) {
        guard (smallest...largest).contains(limit) else {
            throw CoteError(.usage, "a disk limit of \(limit) is not between \(smallest) and \(largest)")
        }
    }
}
