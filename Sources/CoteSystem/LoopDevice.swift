import CLinux
import Glibc

/// A block device that is a file. It lasts as long as a descriptor or a mount holds it; then the kernel frees it.
public struct LoopDevice: ~Copyable, Sendable {
    /// `/dev/loop…`, good as long as the device lasts.
    public let path: String
    /// Keeps the device alive until something has mounted it.
    public let descriptor: Descriptor

    private init(path: String, descriptor: consuming Descriptor) {
        self.path = path
        self.descriptor = descriptor
    }

    /// For a caller that mounts by the path and hands the hold to somebody else.
    public consuming func takeDescriptor() -> Descriptor { descriptor }

    /// Another process may be given the same free number, and one that is being freed may still look taken.
    private static let attempts = 128

    /// Makes a device of an open file. The device keeps the open file itself, with the locks that belong to it.
    /// - Parameter blockSize: in bytes, a power of two from 512 to the page size; the kernel's choice, 512, if absent.
    /// - Throws: `EBUSY` when every free device was taken by others first; `ENOENT` or `EPERM` where there are none.
    public static func attach(
        _ file: borrowing Descriptor, readOnly: Bool, blockSize: UInt32? = nil
    ) throws(SystemError) -> LoopDevice {
        let control = try Descriptor.open("/dev/loop-control", O_RDWR)
        for attempt in 1...attempts {
            let number = try check("LOOP_CTL_GET_FREE") { cl_loop_free(control.raw) }
            let path = "/dev/loop\(number)"
            do throws(SystemError) {
                let device = try Descriptor.open(path, readOnly ? O_RDONLY : O_RDWR)
                try check("LOOP_CONFIGURE", path) {
                    cl_loop_configure(device.raw, file.raw, readOnly ? 1 : 0, blockSize ?? 0)
                }
                return LoopDevice(path: path, descriptor: device)
            } catch {
                guard [EBUSY, ENXIO].contains(error.code), attempt < attempts else { throw error }
                if attempt > 8 { usleep(500) }
            }
        }
        throw SystemError("LOOP_CONFIGURE", code: EBUSY)
    }

    /// The device at `path` if it is one, and a device of this very file; by the file, not its name.
    public static func open(_ path: String, ifBacking file: borrowing Descriptor) -> LoopDevice? {
        var status = stat()
        guard fstat(file.raw, &status) == 0 else { return nil }
        return open(path) { $0 == UInt64(status.st_dev) && $1 == UInt64(status.st_ino) }
    }

    /// The device of this very file, if there is one, whoever made it.
    public static func find(backing file: borrowing Descriptor) -> LoopDevice? {
        var status = stat()
        guard fstat(file.raw, &status) == 0 else { return nil }
        let (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
        for name in (try? Files.list("/sys/block")) ?? [] where name.hasPrefix("loop") {
            // Only while something is attached; opening a device has a price.
            guard Files.exists("/sys/block/\(name)/loop") else { continue }
            if let found = open("/dev/" + name, where: { $0 == device && $1 == inode }) { return found }
        }
        return nil
    }

    private static func open(_ path: String, where matches: (UInt64, UInt64) -> Bool) -> LoopDevice? {
        guard let descriptor = try? Descriptor.open(path, O_RDONLY) else { return nil }
        var (device, inode): (UInt64, UInt64) = (0, 0)
        guard cl_loop_backing(descriptor.raw, &device, &inode) == 0, matches(device, inode) else { return nil }
        return LoopDevice(path: path, descriptor: descriptor)
    }

    /// Takes over what the size of the file has become.
    public func updateSize() throws(SystemError) {
        try check("LOOP_SET_CAPACITY", path) { cl_loop_update_size(descriptor.raw) }
    }
}
