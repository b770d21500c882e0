public import CoteModel
public import CoteSystem
import Glibc

/// A volume that is ready to be mounted. Whoever mounts it needs `hold` open until then: the device would go without,
/// and its path would soon be another's.
public struct VolumeAttachment: Sendable {
    /// Where the volume is.
    public let source: VolumeSource
    /// Keeps the device alive; absent where there is none.
    public let hold: SharedDescriptor?
}

extension VolumeSource {
    /// Mounts the volume at `target`, an empty directory, in this process's mount namespace, and makes `upper/` and
    /// `work/` where the volume has never been mounted before.
    /// - Parameter owner: who gets an `upper/` that is made now.
    public func mount(at target: String, owner: UInt32) throws(SystemError) {
        switch self {
        case .directory(let path): try Mounts.bind(path, to: target, [.noSetuid, .noDevices])
        case .device(let path, let type, let options):
            try Mounts.mount(
                device: path, type: type, at: target, options: options, flags: [.noSetuid, .noDevices])
            do { try Layer.make(in: target, owner: owner) } catch {
                try? Mounts.unmount(target)
                throw error
            }
        }
    }
}

/// What is in every volume.
enum Layer {
    /// Makes what is missing. `upper/` has its owner from the first: whoever dies between the two steps leaves none.
    static func make(in place: String, owner: UInt32) throws(SystemError) {
        if !Files.exists(place + "/work") { try makeOpen(place + "/work") }
        guard !Files.exists(place + "/upper") else { return }
        let new = place + "/upper.new"
        try Files.removeTree(new)
        try makeOpen(new)
        try Files.setOwner(new, owner)
        try Files.rename(new, to: place + "/upper")
    }

    /// With mode 0755 whatever the umask is.
    private static func makeOpen(_ path: String) throws(SystemError) {
        try Files.makeDirectory(path, mode: 0o755)
        if chmod(path, 0o755) < 0 { throw SystemError("chmod", subject: path) }
    }
}
