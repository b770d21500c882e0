/// How writable layers of sandboxes are kept.
public enum VolumeKind: String, Sendable, Codable, CaseIterable {
    /// A subvolume of one pool for all volumes, which is a file.
    case btrfs
    /// A file system for each volume, which is a file.
    case ext4
    /// A directory. Holds no limit.
    case directory
}

/// Where a volume is, in a form that can be told to another process on the same machine.
public enum VolumeSource: Hashable, Sendable {
    /// An absolute path in the host's own mount namespace.
    case directory(String)
    /// A block device, with the type and the options of the file system on it.
    case device(path: String, type: String, options: String)
}
