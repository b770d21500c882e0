import CLinux
public import Glibc

/// Changes to the mount tree of this process's own mount namespace.
public enum Mounts {
    /// What a mount forbids.
    public struct Restrictions: OptionSet, Sendable {
        /// Bits of this type alone; not the kernel's.
        public let rawValue: Int
        /// Bits of this type alone; not the kernel's.
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// Every change.
        public static let readOnly = Restrictions(rawValue: 1)
        /// Programs that gain privileges by being started.
        public static let noSetuid = Restrictions(rawValue: 2)
        /// Opening device files.
        public static let noDevices = Restrictions(rawValue: 4)
        /// Starting programs.
        public static let noExecution = Restrictions(rawValue: 8)

        /// As `mount` takes them.
        fileprivate var bits: UInt {
            let flags =
                (contains(.readOnly) ? MS_RDONLY : 0) | (contains(.noSetuid) ? MS_NOSUID : 0)
                | (contains(.noDevices) ? MS_NODEV : 0) | (contains(.noExecution) ? MS_NOEXEC : 0)
            return UInt(flags)
        }

        fileprivate var attributes: UInt64 {
            (contains(.readOnly) ? CL_MOUNT_ATTR_RDONLY : 0) | (contains(.noSetuid) ? CL_MOUNT_ATTR_NOSUID : 0)
                | (contains(.noDevices) ? CL_MOUNT_ATTR_NODEV : 0)
                | (contains(.noExecution) ? CL_MOUNT_ATTR_NOEXEC : 0)
        }
    }

    /// Nothing mounted here from now on is seen elsewhere, and nothing mounted elsewhere is seen here.
    public static func makePrivate() throws(SystemError) {
        try check("mount", "/") { Glibc.mount(nil, "/", nil, UInt(MS_REC | MS_PRIVATE), nil) }
    }

    /// Forbids every change by way of the mount at `path`.
    public static func makeReadOnly(_ path: String) throws(SystemError) {
        try check("mount_setattr", path) { cl_mount_setattr(AT_FDCWD, path, 0, CL_MOUNT_ATTR_RDONLY, -1) }
    }

    /// Mounts a file system of `type`.
    public static func mountNew(
        _ type: String, at target: String, options: String = "", flags: Restrictions = []
    ) throws(SystemError) {
        try check("mount", "\(type) on \(target)") { Glibc.mount(type, target, type, flags.bits, options) }
    }

    /// Mounts the block device `device`, or what `type` takes as one.
    public static func mount(
        device: String, type: String, at target: String, options: String = "", flags: Restrictions = []
    ) throws(SystemError) {
        try check("mount", "\(device) on \(target)") {
            Glibc.mount(device, target, type, flags.bits | UInt(MS_NOATIME), options)
        }
    }

    /// Shows the file or directory `source` at `target` too, with the mounts below it if `recursive`.
    /// - Parameter ids: a user namespace by which owners are seen there: `n` as what `n` is in it.
    public static func bind(
        _ source: String, at directory: CInt = AT_FDCWD, to target: String, recursive: Bool = false,
        _ restrictions: Restrictions = [], ids: CInt? = nil
    ) throws(SystemError) {
        let recursion = recursive ? CL_AT_RECURSIVE : 0
        let flags = CL_OPEN_TREE_CLONE | CL_OPEN_TREE_CLOEXEC | recursion | CL_AT_EMPTY_PATH
        let tree = Descriptor(owning: try check("open_tree", source) { cl_open_tree(directory, source, flags) })
        if !restrictions.isEmpty || ids != nil {
            let attributes = restrictions.attributes
            try check("mount_setattr", target) {
                cl_mount_setattr(tree.raw, "", recursion | CL_AT_EMPTY_PATH, attributes, ids ?? -1)
            }
        }
        try check("move_mount", target) { cl_move_mount(tree.raw, "", AT_FDCWD, target, CL_MOVE_MOUNT_F_EMPTY_PATH) }
    }

    /// Takes the mount out of the tree at once; what is open in it stays open.
    public static func unmount(_ target: String) throws(SystemError) {
        try check("umount2", target) { umount2(target, CInt(MNT_DETACH)) }
    }

    /// Makes `path`, a mount, the root of this namespace. The old root is gone.
    public static func changeRoot(to path: String) throws(SystemError) {
        try check("chdir", path) { chdir(path) }
        try check("pivot_root", path) { cl_pivot_root(".", ".") }
        try check("umount2", "the old root") { umount2(".", CInt(MNT_DETACH)) }
        try check("chdir", "/") { chdir("/") }
    }

    /// The kernel's number for the kind of file system that `path` is on.
    public static func fileSystemType(of path: String) throws(SystemError) -> UInt32 {
        UInt32(truncatingIfNeeded: try check("statfs", path) { cl_file_system_type(path) })
    }
}

/// Numbers of file systems, from `linux/magic.h`.
public enum FileSystemType {
    /// Files in memory.
    public static let tmpfs: UInt32 = 0x0102_1994
    /// The control groups of v2.
    public static let cgroup2: UInt32 = 0x6367_7270
    /// A pool of volumes.
    public static let btrfs: UInt32 = 0x9123_683e
}
