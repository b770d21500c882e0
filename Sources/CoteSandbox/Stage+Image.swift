public import CoteModel
public import CoteSystem
import Glibc

extension Stage {
    /// Assembles the root of a sandbox of an image at `box`: what every sandbox has below the image, and the volume on
    /// top. Only the writable places are mounts that allow writing.
    ///
    /// The image's files are whoever's made it; nothing here goes through a link of its.
    public static func assembleImage(
        _ root: RootSource, _ spec: SandboxSpec, _ guards: GuardSet
    ) throws(SystemError) {
        let volumes = spec.image?.volumes ?? []
        try Skeleton(userBase: spec.userBase).write(to: skeleton, volumes: volumes)
        try mountLower(root, userBase: spec.userBase)
        try mountOverlay("\(lower):\(skeleton)", spec, guards)
        let inside = try Descriptor.directory(box)
        for path in Skeleton.writable + volumes where kind(path, inside) == S_IFDIR {
            try Mounts.bind(box + path, to: box + path)
        }
        for path in Skeleton.own where kind(path, inside) == S_IFREG {
            try Mounts.bind(skeleton + path, to: box + path, [.readOnly])
        }
        // The runtime reads these, and would wait for whoever writes to a fifo.
        for path in ["/etc/passwd", "/etc/group"] {
            if let kind = kind(path, inside), kind != S_IFREG, kind != S_IFLNK {
                throw SystemError("open", code: EINVAL, subject: "\(path) of the image")
            }
        }
        guard kind(Skeleton.agent, inside) == S_IFREG else {
            throw SystemError("open", code: EINVAL, subject: "\(Skeleton.agent) of the image")
        }
        try Mounts.bind(agent, to: box + Skeleton.agent)
    }

    private static func mountLower(_ root: RootSource, userBase: UInt32) throws(SystemError) {
        let flags: Mounts.Restrictions = [.readOnly, .noSetuid, .noDevices]
        switch root {
        case .host: throw SystemError("mount", code: EINVAL, subject: "no image")
        case .device(let path):
            try Mounts.mount(device: path, type: "erofs", at: image, flags: flags)
            try showLower(first: 0, userBase, flags)
        case .directory(_, let owner):
            if owner == userBase { return try Mounts.bind(image, to: lower, flags) }
            try showLower(first: owner, userBase, flags)
        }
    }

    /// Shows the image with its owner `first` as the sandbox's root, and so on.
    private static func showLower(
        first: UInt32, _ userBase: UInt32, _ flags: Mounts.Restrictions
    ) throws(SystemError) {
        let ids = try UserNamespace.make(first: first, base: userBase, count: SandboxSpec.userCount)
        try Mounts.bind(image, to: lower, flags, ids: ids.raw)
    }

    /// What is at a path inside; `nil` where there is nothing, or a link on the way.
    private static func kind(_ path: String, _ inside: borrowing Descriptor) -> mode_t? {
        guard let place = try? Descriptor.below(inside, String(path.dropFirst())) else { return nil }
        var status = stat()
        return fstat(place.raw, &status) == 0 ? status.st_mode & S_IFMT : nil
    }
}
