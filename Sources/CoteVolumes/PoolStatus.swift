public import CoteModel

/// What there is of a pool of volumes.
public struct PoolStatus: Hashable, Sendable {
    /// The file.
    public var path: String
    /// What the file appears to be: what the pool may become.
    public var size: ByteCount
    /// What the file takes on its disk.
    public var onDisk: ByteCount
    /// Absent where the pool is not mounted: nobody has used it since the machine started.
    public var mounted: Mounted?
    /// Files that were the pool and could not be used any more.
    public var setAside: [String]

    /// What only a mounted pool tells.
    public struct Mounted: Hashable, Sendable {
        /// Taken by volumes, snapshots and the pool's own records.
        public var used: ByteCount
        /// What is left within `size`; the disk below may have less.
        public var free: ByteCount
        /// How many volumes there are.
        public var volumes: Int
        /// How many snapshots there are.
        public var snapshots: Int
    }
}
