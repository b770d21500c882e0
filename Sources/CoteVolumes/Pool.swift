import CBtrfs
import CoteModel
import CoteSystem
import Glibc

/// One btrfs file system for all volumes of a state directory: a sparse file, made when it is first needed, on one loop
/// device, mounted once in the host's own mount namespace and kept there.
///
///          no file ──make──→ file ──mount──→ mounted, with folders ──use──→ …
///                             ↑ ╰─does not mount──→ set aside: no file
///                             ╰── unmount, or reboot
///
/// Changes of this state hold `lock` exclusively, users share it.
struct Pool: Sendable {
    let file: PoolFile
    /// A directory below `$COTE_RUNTIME`.
    let mountPoint: String
    let watch: StepWatch

    private var lockPath: String { file.path + ".lock" }
    private static let options = ["discard=async,commit=15", ""]

    /// A pool that is mounted, and stays so as long as this is held.
    struct Hold: ~Copyable {
        let lock: VolumeLock
        let root: Descriptor
    }

    // MARK: States

    /// The pool, mounted.
    /// - Parameter making: makes the file where there is none. Otherwise there is no hold then.
    func hold(_ mode: VolumeLock.Mode = .shared, making: Bool) throws(CoteError) -> Hold? {
        // Another may unmount it between the two locks.
        for _ in 0..<8 {
            do {
                let lock = try VolumeLock(lockPath, mode)
                if let root = try mountedRoot() { return Hold(lock: lock, root: root) }
            }
            let lock = try VolumeLock(lockPath, .exclusive)
            let isThere = try prepare(making: making)
            extendLifetime(lock)
            guard isThere else { return nil }
        }
        throw CoteError(.wrongState, "the pool \(file.path) is unmounted again and again", hint: "try again")
    }

    /// The root of what is mounted now, if that is this very file, has its folders and can be written to.
    private func mountedRoot() throws(CoteError) -> Descriptor? {
        guard let image = try? Descriptor.open(file.path, O_RDONLY), let root = openMountPoint() else { return nil }
        guard isMount(root, of: image), !isReadOnly(root), VolumeTree.isPrepared(root) else { return nil }
        return root
    }

    private func openMountPoint() -> Descriptor? { try? Descriptor.open(mountPoint, O_RDONLY | O_DIRECTORY) }

    private func isMount(_ root: borrowing Descriptor, of image: borrowing Descriptor) -> Bool {
        guard let device = try? device(root), LoopDevice.open(device.path, ifBacking: image) != nil else {
            return false
        }
        return true
    }

    private func isReadOnly(_ root: borrowing Descriptor) -> Bool {
        var status = statvfs()
        return fstatvfs(root.raw, &status) == 0 && status.f_flag & UInt(ST_RDONLY) != 0
    }

    /// The device under the pool: its path, and bytes.
    private func device(
        _ root: borrowing Descriptor
    ) throws(SystemError) -> (path: String, size: UInt64, allocated: UInt64) {
        var path = [CChar](repeating: 0, count: Int(CB_PATH_SIZE))
        var (size, allocated): (UInt64, UInt64) = (0, 0)
        let raw = root.raw
        try Subvolume.call("BTRFS_IOC_DEV_INFO", mountPoint) { cb_device(raw, &path, &size, &allocated) }
        let text = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (text, size, allocated)
    }

    /// Mounts the pool. Whoever calls is alone.
    /// - Returns: false where there is no file and none is to be made.
    private func prepare(making: Bool) throws(CoteError) -> Bool {
        if try mountedRoot() != nil { return true }
        try clearMountPoint()
        if !Files.exists(file.path) {
            guard making else { return false }
            try file.make()
        }
        try mount()
        watch(.poolMounted)
        do throws(SystemError) {
            try Quota.enable(try Descriptor.open(mountPoint, O_RDONLY | O_DIRECTORY))
            try VolumeTree(root: mountPoint, watch: watch).prepare()
        } catch {
            try? Mounts.unmount(mountPoint)
            throw VolumeFailure.translated("cannot prepare the pool \(file.path)", error)
        }
        watch(.poolReady)
        return true
    }

    /// Takes away what is mounted where the pool should be: a file that has been replaced, removed or cut off by an
    /// error, or one that somebody who died was about to make.
    private func clearMountPoint() throws(CoteError) {
        do throws(SystemError) {
            try Files.makeDirectories(mountPoint)
            while try isMountPoint() { try Mounts.unmount(mountPoint) }
        } catch { throw VolumeFailure.translated("cannot clear \(mountPoint)", error) }
    }

    private func isMountPoint() throws(SystemError) -> Bool {
        let above = try Files.status(mountPoint + "/..")
        return try Files.status(mountPoint).st_dev != above.st_dev
    }

    private func mount() throws(CoteError) {
        var isUsedElsewhere = false
        do throws(SystemError) {
            let image = try Descriptor.open(file.path, O_RDWR)
            // Two devices of one file would be two file systems that know nothing of each other.
            if let loop = LoopDevice.find(backing: image) {
                isUsedElsewhere = true
                try mount(loop.path)
            } else {
                let loop = try LoopDevice.attach(image, readOnly: false, blockSize: 4096)
                try mount(loop.path)
            }
            // A mount of what is mounted elsewhere comes as it is there.
            guard let root = openMountPoint(), !isReadOnly(root) else {
                try? Mounts.unmount(mountPoint)
                throw SystemError("mount", code: EROFS, subject: file.path)
            }
        } catch { throw try failure(error, isUsedElsewhere) }
    }

    private func mount(_ device: String) throws(SystemError) {
        var last = SystemError("mount", code: EINVAL, subject: file.path)
        // Older kernels do not know all of the options, and refuse them as they refuse what is no file system.
        for options in Self.options {
            do throws(SystemError) {
                return try Mounts.mount(
                    device: device, type: "btrfs", at: mountPoint, options: options, flags: [.noSetuid, .noDevices])
            } catch { last = error }
            if last.code != EINVAL { break }
        }
        throw last
    }

    /// Tells a pool that cannot be mounted from a host that cannot mount it. The first is set aside.
    private func failure(_ error: SystemError, _ isUsedElsewhere: Bool) throws(CoteError) -> CoteError {
        let doing = "cannot mount the pool \(file.path)"
        switch error.code {
        case ENODEV:
            return CoteError(.limitUnsupported, "\(doing): this kernel has no btrfs", hint: "cote doctor says more")
        case EEXIST: return CoteError(.wrongState, "\(doing): a copy of it is mounted elsewhere")
        case EINVAL, EIO, EUCLEAN, EROFS, ENOENT, ESTALE, ENOTBLK, E2BIG: break
        default: return VolumeFailure.translated(doing, error)
        }
        if let free = try? Room.free(at: file.path), free < Room.reserve.bytes {
            return VolumeFailure.translated(doing, SystemError("mount", code: ENOSPC, subject: file.path))
        }
        // Others have it mounted, so it is a pool: one that the kernel has stopped after an error.
        if isUsedElsewhere || error.code == EROFS {
            return CoteError(
                .damagedVolumes, "the pool \(file.path) takes no more writes after an error of its disk",
                hint: "stop the sandboxes that use it: once nobody does, the next try mounts it anew")
        }
        let flaw = file.flaw() ?? "its content is damaged (\(error.reason))"
        let aside = try file.setAside()
        return CoteError(
            .damagedVolumes, "the pool \(file.path) cannot be used: \(flaw); it is \(aside) now",
            hint: "try again: a new pool is made, without the volumes of the old one")
    }

    // MARK: Growth

    /// Lets the pool grow where little of it is left and its disk could hold more. A sparse file costs what is in it,
    /// so its size is what it could become; that changes when others free what they have on the disk.
    ///
    /// The pool, mounted, for whoever will need room in it; as `hold(_:making:)`.
    func roomyHold(making: Bool) throws(CoteError) -> Hold? {
        do {
            guard let hold = try hold(making: making) else { return nil }
            guard try isScarce(hold.root) else { return hold }
        }
        do {
            guard let alone = try hold(.exclusive, making: making) else { return nil }
            do throws(SystemError) { try grow(alone.root) } catch {
                throw VolumeFailure.translated("cannot grow the pool \(file.path)", error)
            }
        }
        return try hold(making: making)
    }

    private func isScarce(_ root: borrowing Descriptor) throws(CoteError) -> Bool {
        do throws(SystemError) {
            var status = statvfs()
            guard fstatvfs(root.raw, &status) == 0 else { throw SystemError("statvfs", subject: mountPoint) }
            // Space that btrfs has given to data is of no use to its own records, however much of it is free.
            let device = try device(root)
            let isUnallocated = device.size - min(device.allocated, device.size) > device.size / 8
            guard status.f_bavail < status.f_blocks / 4 || !isUnallocated else { return false }
            return try file.possibleSize() > device.size / 8 * 9
        } catch { throw VolumeFailure.translated("cannot measure the pool \(file.path)", error) }
    }

    /// Each step can be repeated, so one who dies between two leaves nothing to repair.
    private func grow(_ root: borrowing Descriptor) throws(SystemError) {
        let image = try Descriptor.open(file.path, O_RDWR)
        let size = max(try file.possibleSize(), try image.fileSize())
        try image.truncate(to: size)
        watch(.fileGrown)
        guard let loop = LoopDevice.open(try device(root).path, ifBacking: image) else {
            throw SystemError("LOOP_SET_CAPACITY", code: ENXIO, subject: file.path)
        }
        try loop.updateSize()
        let raw = root.raw
        try Subvolume.call("BTRFS_IOC_RESIZE", file.path) { cb_grow(raw) }
        watch(.poolGrown)
    }

    // MARK: The whole

    /// Unmounts the pool here. Sandboxes that run keep it until they end.
    func unmount() throws(CoteError) {
        guard Files.exists(mountPoint) else { return }
        let lock = try VolumeLock(lockPath, .exclusive)
        try clearMountPoint()
        extendLifetime(lock)
    }

    /// What there is now. Mounts and makes nothing.
    func status() throws(CoteError) -> PoolStatus? {
        let status: stat
        do { status = try Files.status(file.path) } catch {
            if error.code == ENOENT { return nil }
            throw VolumeFailure.translated("cannot look at the pool", error)
        }
        let onDisk = ByteCount(UInt64(max(status.st_blocks, 0)) * 512)
        var result = PoolStatus(
            path: file.path, size: ByteCount(UInt64(max(status.st_size, 0))), onDisk: onDisk, mounted: nil,
            setAside: file.asides())
        let lock = try VolumeLock(lockPath, .shared)
        guard let root = try mountedRoot() else { return result }
        var space = statvfs()
        if fstatvfs(root.raw, &space) == 0 {
            let unit = UInt64(space.f_frsize)
            let entries = VolumeTree(root: mountPoint, watch: watch).list()
            result.mounted = PoolStatus.Mounted(
                used: ByteCount((UInt64(space.f_blocks) - UInt64(space.f_bfree)) * unit),
                free: ByteCount(UInt64(space.f_bavail) * unit),
                volumes: entries.count { !$0.isSnapshot }, snapshots: entries.count { $0.isSnapshot })
        }
        extendLifetime(lock)
        return result
    }
}
