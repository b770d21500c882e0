public import CoteModel
import CoteSystem
import Glibc

/// Volumes that are file systems of their own, each in a sparse file. The size of the file system is the limit.
///
///     <home>/volumes/images/{volumes,snapshots}/<name>   blank/<limit in bytes>
///
/// An image is in use as long as somebody holds its lock: the loop device keeps the open file that it was made of, and
/// with it the lock.
public struct ImageVolumes: VolumeStore {
    private let tree: VolumeTree

    /// Always `ext4`.
    public var kind: VolumeKind { .ext4 }

    /// - Parameter home: `$COTE_HOME`.
    public init(home: String) { self.init(home: home) { _ in } }

    package init(home: String, watch: @escaping @Sendable (VolumeStep) -> Void) {
        tree = VolumeTree(root: home + "/volumes/images", watch: watch)
    }

    private var lockPath: String { tree.root + "/lock" }
    private var blanks: String { tree.root + "/blank" }

    /// For volumes without a limit: as large as the host's disk could hold now.
    private func wholeDisk() throws(CoteError) -> ByteCount {
        let free: UInt64
        do { free = try Room.free(at: tree.root) } catch {
            throw VolumeFailure.translated("cannot look at \(tree.root)", error)
        }
        // A power of two, so that there are few different ones.
        let largest = UInt64(1) << UInt64(63 - max(free, 1).leadingZeroBitCount)
        return ByteCount(min(max(largest, VolumeLimit.smallest.bytes), VolumeLimit.largest.bytes))
    }

    private func discard(_ path: String) throws(SystemError) { try Files.remove(path) }

    /// See `VolumeStore`. The keeper gives `upper/` its owner when it mounts the volume for the first time.
    public func create(_ name: VolumeName, owner: UInt32, limit: ByteCount?) throws(CoteError) {
        if let limit { try VolumeLimit.check(limit) }
        // Every size is a limit in whole mebibytes, so that it can be read back.
        let limit = limit.map { ByteCount.mebibytes(($0.bytes + (1 << 20) - 1) >> 20) }
        let lock = try VolumeLock(lockPath, .shared)
        try Room.check(tree.root)
        try tree.translate("create", name) { () throws(SystemError) in
            try tree.prepare()
            try Files.makeDirectories(blanks)
        }
        let size: ByteCount
        if let limit { size = limit } else { size = try wholeDisk() }
        let blank = try self.blank(size)
        try copy(blank, name, .volumes, mode: 0o600)
        extendLifetime(lock)
    }

    /// An empty image, made once for every limit: a copy takes a tenth of the time.
    private func blank(_ limit: ByteCount) throws(CoteError) -> String {
        let path = "\(blanks)/\(limit.bytes)"
        if Files.exists(path) { return path }
        let new = "\(path)-\(SandboxID.random())"
        do throws(SystemError) {
            let file = try Descriptor.open(new, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
            try file.truncate(to: ImageFile.size(for: limit))
        } catch { throw VolumeFailure.translated("cannot make the image \(path)", error) }
        do throws(CoteError) { try ImageFile.format(new, limit) } catch {
            try? Files.remove(new)
            throw error
        }
        do { try Files.rename(new, to: path) } catch {
            throw VolumeFailure.translated("cannot make the image \(path)", error)
        }
        return path
    }

    private func copy(
        _ source: String, _ name: VolumeName, _ folder: VolumeTree.Folder, mode: UInt32
    ) throws(CoteError) {
        try tree.translate("make", name) { () throws(SystemError) in
            try tree.publish(name, as: folder, discard: discard) { new throws(SystemError) in
                let from = try Descriptor.open(source, O_RDONLY)
                let to = try Descriptor.open(new, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
                tree.watch(.begun)
                try from.copyContent(to: to)
                tree.watch(.filled)
            }
        }
    }

    /// See `VolumeStore`.
    public func attach(_ name: VolumeName) throws(CoteError) -> VolumeAttachment {
        let place = tree.place(name)
        let file = try hold(name, place)
        let device: LoopDevice
        do { device = try LoopDevice.attach(file, readOnly: false, blockSize: 4096) } catch {
            throw VolumeFailure.translated("cannot make a device of \(place)", error)
        }
        let source = VolumeSource.device(path: device.path, type: "ext4", options: ImageFile.options)
        return VolumeAttachment(source: source, hold: SharedDescriptor(device.takeDescriptor()))
    }

    /// Opens an image that nobody uses, and makes it this one's. A keeper that has just ended has it for a moment more.
    private func hold(_ name: VolumeName, _ place: String) throws(CoteError) -> Descriptor {
        let file: Descriptor
        do { file = try Descriptor.open(place, O_RDWR) } catch {
            if error.code == ENOENT { throw VolumeFailure.missing(name, tree.root) }
            throw VolumeFailure.translated("cannot open volume '\(name)'", error)
        }
        for attempt in 0..<2000 {
            if flock(file.raw, LOCK_EX | LOCK_NB) == 0 { return file }
            if errno != EWOULDBLOCK || attempt > Self.patience { break }
            usleep(1000)
        }
        throw VolumeFailure.inUse(name, place)
    }

    /// In milliseconds. A namespace is taken apart in the background.
    private static let patience = 500

    /// See `VolumeStore`.
    public func snapshot(of name: VolumeName, as snapshot: VolumeName) throws(CoteError) {
        let lock = try VolumeLock(lockPath, .shared)
        let place = tree.place(name)
        let hold = try hold(name, place)
        try Room.check(tree.root)
        try copy(place, snapshot, .snapshots, mode: 0o400)
        flock(hold.raw, LOCK_UN)
        extendLifetime(lock)
    }

    /// See `VolumeStore`.
    public func fork(of snapshot: VolumeName, as name: VolumeName) throws(CoteError) {
        let lock = try VolumeLock(lockPath, .shared)
        let place = tree.place(snapshot, .snapshots)
        guard Files.exists(place) else { throw VolumeFailure.missing(snapshot, tree.root) }
        try Room.check(tree.root)
        try copy(place, name, .volumes, mode: 0o600)
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
        let status = try tree.translate("measure", name) { () throws(SystemError) in try Files.status(place) }
        let limit = ImageFile.limit(ofSize: UInt64(max(status.st_size, 0)))
        return VolumeUsage(used: ByteCount(UInt64(max(status.st_blocks, 0)) * 512), limit: limit)
    }

    /// See `VolumeStore`.
    public func list() -> [VolumeEntry] { tree.list() }

    /// See `VolumeStore`. Empty images go too: they are made again when one is needed.
    public func recover() throws(CoteError) {
        guard Files.exists(tree.root) else { return }
        let lock = try VolumeLock(lockPath, .exclusive)
        do throws(SystemError) {
            try tree.recover(discard)
            try Files.removeTree(blanks)
        } catch { throw VolumeFailure.translated("cannot clear \(tree.root)", error) }
        extendLifetime(lock)
    }
}
