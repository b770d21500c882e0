import CoteContent
public import CoteModel
public import CoteSystem
import Glibc

/// An environment's root as a keeper can use it.
public struct AttachedRoot: Sendable {
    /// For the keeper.
    public let source: RootSource
    /// Keeps a block device until the keeper has mounted it; `nil` where there is none.
    public let device: SharedDescriptor?

    /// The machine's own `/usr`, which needs nothing.
    public static let host = AttachedRoot(source: .host, device: nil)
}

extension EnvironmentStore {
    /// Makes a root ready to be mounted. All sandboxes of an environment share one block device, and with it the pages
    /// that the kernel keeps of it; it goes with the last of them.
    public func attach(_ root: EnvironmentRoot) throws(CoteError) -> AttachedRoot {
        switch root.form {
        case .directory(let path, let userBase):
            return AttachedRoot(source: .directory(path, userBase: userBase), device: nil)
        case .image(let path):
            // Gone with every reboot.
            let hints = configuration.runtime + "/loops"
            try CoteError.hosting("cannot write to \(hints)") { () throws(SystemError) in
                if !Files.exists(hints) { try Files.makeDirectories(hints) }
            }
            return try attach(path, hint: "\(hints)/\(root.use.digest.hex)")
        }
    }

    /// - Parameter hint: a file that says which device it was the last time.
    private func attach(_ path: String, hint: String) throws(CoteError) -> AttachedRoot {
        let lock = try FileLock.exclusive(hint + ".lock")
        return try withExtendedLifetime(lock) { () throws(CoteError) in
            try CoteError.hosting("cannot make a block device of \(path)") { () throws(SystemError) in
                let file = try Descriptor.open(path, O_RDONLY | O_NOFOLLOW)
                if let known = try? Files.readText(hint, limit: 64), known.hasPrefix("/dev/loop"),
                    let device = LoopDevice.open(known, ifBacking: file)
                {
                    return AttachedRoot(device)
                }
                let root = try AttachedRoot(backedBy: file)
                if case .device(let name) = root.source { try Files.replace(hint, durable: false, Array(name.utf8)) }
                return root
            }
        }
    }
}

extension AttachedRoot {
    fileprivate init(_ device: consuming LoopDevice) {
        source = .device(device.path)
        self.device = SharedDescriptor(device.takeDescriptor())
    }

    /// By the device of the file that there is, or a new one.
    fileprivate init(backedBy file: borrowing Descriptor) throws(SystemError) {
        if let device = LoopDevice.find(backing: file) {
            self.init(device)
        } else {
            self.init(try LoopDevice.attach(file, readOnly: true))
        }
    }
}
