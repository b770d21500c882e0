import CBtrfs
import CoteSystem
import Glibc

/// The ioctls of btrfs as calls that throw.
enum Subvolume {
    static func create(_ path: String) throws(SystemError) {
        let (parent, name) = try split(path)
        try call("BTRFS_IOC_SUBVOL_CREATE", path) { cb_subvolume_create(parent.raw, name) }
    }

    static func snapshot(_ source: String, as path: String, readOnly: Bool) throws(SystemError) {
        let (parent, name) = try split(path)
        let root = try Descriptor.open(source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try call("BTRFS_IOC_SNAP_CREATE", path) {
            cb_subvolume_snapshot(parent.raw, name, root.raw, readOnly ? 1 : 0)
        }
    }

    /// Removes a subvolume, or whatever else is there.
    static func delete(_ path: String) throws(SystemError) {
        let (parent, name) = try split(path)
        if cb_subvolume_delete(parent.raw, name) == 0 || errno == ENOENT { return }
        guard [EINVAL, ENOTDIR].contains(errno) else { throw SystemError("BTRFS_IOC_SNAP_DESTROY", subject: path) }
        try Files.removeTree(path)
    }

    static func id(_ path: String) throws(SystemError) -> UInt64 {
        let root = try Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var id: UInt64 = 0
        try call("BTRFS_IOC_INO_LOOKUP", path) { cb_subvolume_id(root.raw, &id) }
        return id
    }

    static func call(_ name: String, _ subject: String, _ body: () -> CInt) throws(SystemError) {
        while body() < 0 {
            if errno != EINTR { throw SystemError(name, subject: subject) }
        }
    }

    private static func split(_ path: String) throws(SystemError) -> (parent: SharedParent, name: String) {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let parent = try Descriptor.open(String(path[..<slash]), O_RDONLY | O_DIRECTORY)
        return (SharedParent(parent), String(path[path.index(after: slash)...]))
    }

    /// A descriptor in a tuple.
    private final class SharedParent {
        private let descriptor: Descriptor
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
        var raw: CInt { descriptor.raw }
    }
}

/// What the subvolumes of a pool hold and may hold.
///
/// The kernel's full accounting: a subvolume's number is everything that can be reached from it, shared or not, so a
/// fork counts what it was forked from and stops counting what it deletes. Simple quotas count for ever against the
/// subvolume that wrote first, so a fork could hold twice its limit, and deleting would give a first writer nothing
/// back (docs/adr/0011).
enum Quota {
    /// Starts counting; fine where that is so already.
    static func enable(_ root: borrowing Descriptor) throws(SystemError) {
        let raw = root.raw
        try Subvolume.call("BTRFS_IOC_QUOTA_CTL", "") {
            let result = cb_quota_enable(raw, 0)
            return result < 0 && errno == EEXIST ? 0 : result
        }
    }

    static func limit(_ id: UInt64, to bytes: UInt64, _ root: borrowing Descriptor) throws(SystemError) {
        let raw = root.raw
        try Subvolume.call("BTRFS_IOC_QGROUP_LIMIT", "") { cb_quota_limit(raw, id, bytes) }
    }

    static func read(_ id: UInt64, _ root: borrowing Descriptor) throws(SystemError) -> cb_quota {
        var quota = cb_quota()
        let raw = root.raw
        try Subvolume.call("BTRFS_IOC_TREE_SEARCH", "") { cb_quota_read(raw, id, &quota) }
        return quota
    }

    /// Forgets the groups of subvolumes that are gone: older kernels leave that to us. Counts anew where the kernel has
    /// lost count, as it does on purpose when a large tree with shared parts is removed.
    static func tidy(_ root: borrowing Descriptor) throws(SystemError) {
        let raw = root.raw
        var id: UInt64 = 255
        while cb_quota_next(raw, &id) == 0 {
            var exists: CInt = 1
            try Subvolume.call("BTRFS_IOC_TREE_SEARCH", "") { cb_subvolume_exists(raw, id, &exists) }
            // EBUSY: what it held is not freed yet.
            if exists == 0 { _ = cb_quota_forget(raw, id) }
        }
        // EINPROGRESS where one is under way.
        if try read(5, root).is_consistent == 0 { _ = cb_quota_rescan(raw) }
    }
}
