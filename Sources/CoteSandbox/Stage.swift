public import CoteModel
public import CoteSystem
import CoteVolumes
import Glibc

/// The keeper's own root: a memory file system in a private mount namespace that shows the sandbox's directories, what
/// the runtime needs of the host (read-only), and nothing else. It and every mount in it are gone with the keeper.
///
///     /sandbox      $COTE_HOME/sandboxes/<id>        /journal   $COTE_HOME/journals/<id>
///     /run/keeper   $COTE_RUNTIME/<id>               /box       the sandbox's root, assembled
///     /groups       the control groups, for the keeper until the sandbox is up
///     /usr /etc /dev /sys …   the host's, for the runtime, gone once the sandbox is up
public struct Stage {
    /// Where things are on the host.
    public struct Paths: Hashable, Sendable {
        /// `$COTE_HOME/sandboxes/<id>`.
        public var sandbox: String
        /// `$COTE_HOME/journals/<id>`.
        public var journal: String
        /// `$COTE_RUNTIME/<id>`.
        public var runtime: String
        /// The agent's program.
        public var agent: String
        /// An image's root that is a directory; `nil` for any other.
        public var root: String?
        /// The layer on top, and to whom it belongs.
        public var volume: VolumeSource
        /// The sandbox's root.
        public var owner: UInt32

        /// Absolute paths, all of which exist.
        public init(
            sandbox: String, journal: String, runtime: String, agent: String, root: String? = nil,
            volume: (VolumeSource, owner: UInt32)
        ) {
            self.sandbox = sandbox
            self.journal = journal
            self.runtime = runtime
            self.agent = agent
            self.root = root
            (self.volume, owner) = volume
        }
    }

    /// State of the sandbox.
    public static let sandbox = "/sandbox"
    /// The only place where the journal is written.
    public static let journal = "/journal"
    /// The socket for clients.
    public static let runtime = "/run/keeper"
    /// For the runtime's own files, in memory.
    public static let scratch = "/scratch"
    /// The sandbox's root, once assembled.
    public static let box = "/box"
    /// Where the keeper has the control groups; `/sys/fs/cgroup` is the runtime's, which may only look.
    public static let controlGroups = "/groups"
    /// The agent's program as the sandbox sees it.
    public static let agentInBox = Skeleton.agent
    private static let volume = "/volume"
    static let agent = "/agent"
    static let skeleton = "/skeleton"
    /// An image as it is stored.
    static let image = "/image"
    /// The same with the sandbox's own owners.
    static let lower = "/lower"
    private static let sealed = "/sealed"

    /// Moves this process, PID 1 of its own PID and mount namespace, into a root of its own.
    public static func enter(_ paths: Paths, _ guards: GuardSet) throws(SystemError) {
        try Mounts.makePrivate()
        let runtime = try Descriptor.directory(paths.runtime)
        let new = paths.runtime
        try Mounts.mountNew("tmpfs", at: new, options: "mode=0755,size=16m", flags: [.noSetuid, .noDevices])
        for path in [
            "/proc", "/sys", "/dev", "/run", sandbox, journal, self.runtime, scratch, box, skeleton, image, lower,
            volume,
            controlGroups,
        ] {
            try Files.makeDirectory(new + path, mode: 0o755)
        }
        try Files.create(new + agent, mode: 0o755, [])
        try Mounts.mountNew("proc", at: new + "/proc", flags: [.noSetuid, .noDevices, .noExecution])
        try Mounts.bind("/sys", to: new + "/sys", recursive: true)
        // Read-only does not keep anybody from using a device, but from owning it: the runtime gives what it has on its
        // standard streams to the sandbox's root, and the sandbox has the host's own `/dev/null` in its `/dev`.
        try Mounts.bind("/dev", to: new + "/dev", recursive: true, [.readOnly, .noSetuid])
        try mountControlGroups(new)
        for name in try hostDirectories() {
            try Files.makeDirectory("\(new)/\(name)", mode: 0o755)
            try Mounts.bind("/\(name)", to: "\(new)/\(name)", recursive: true, [.readOnly, .noSetuid, .noDevices])
        }
        for (name, target) in try hostLinks() { symlink(target, "\(new)/\(name)") }
        try Mounts.bind(paths.sandbox, to: new + sandbox, [.noSetuid, .noDevices])
        try Mounts.bind(paths.journal, to: new + journal, [.noSetuid, .noDevices, .noExecution])
        try Mounts.bind("", at: runtime.raw, to: new + self.runtime, [.noSetuid, .noDevices, .noExecution])
        try Mounts.bind(paths.agent, to: new + agent, [.readOnly, .noSetuid, .noDevices])
        try paths.volume.mount(at: new + volume, owner: paths.owner)
        if let root = paths.root {
            try Mounts.bind(root, to: new + image, [.readOnly, .noSetuid, .noDevices])
        }
        if !guards.holds(.privateTemporary) {
            try Files.makeDirectory(new + "/tmp", mode: 0o755)
            try Mounts.bind("/tmp", to: new + "/tmp", recursive: true, [.readOnly, .noSetuid, .noDevices])
        }
        try Mounts.changeRoot(to: new)
    }

    private static func mountControlGroups(_ new: String) throws(SystemError) {
        let arrangement = Cgroup.arrangement(at: Cgroup.mountPoint)
        guard arrangement != .absent else { return }
        try Mounts.bind(Cgroup.mountPoint, to: new + Cgroup.mountPoint, recursive: true, [.readOnly])
        if Cgroup.layout().isUsable { try Mounts.bind(Cgroup.mountPoint, to: new + controlGroups, recursive: true) }
        // crun does not start where a second, v2 tree of control groups has controllers of its own.
        if arrangement == .hybrid { try Mounts.mountNew("tmpfs", at: new + Cgroup.secondTree, options: "size=4k") }
    }

    /// Takes away what only the sandbox's start needed: nothing but the sandbox's own directories can be named then.
    /// `/proc` and `/sys` go too: their files answer to user 0, with or without a capability.
    ///
    /// Moves into a second root and lets go of the first whole; the box lives on in the mount namespace of the sandbox.
    public static func seal() throws(SystemError) {
        try Files.makeDirectory(sealed, mode: 0o755)
        try Mounts.mountNew("tmpfs", at: sealed, options: "mode=0755,size=16k", flags: [.noSetuid, .noDevices])
        try Files.makeDirectory(sealed + "/run", mode: 0o755)
        for path in [sandbox, journal, runtime] {
            try Files.makeDirectory(sealed + path, mode: 0o755)
            // With the restrictions that it has here.
            try Mounts.bind(path, to: sealed + path)
        }
        // Each unmount waits for every processor; this is one, however many mounts were below.
        try Mounts.changeRoot(to: sealed)
    }

    private static let systemNames = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt"]

    private static func hostDirectories() throws(SystemError) -> [String] {
        systemNames.filter { (try? Files.status("/" + $0))?.isDirectory == true }
    }

    /// `/bin` and its like, where they are links into `/usr`.
    private static func hostLinks() throws(SystemError) -> [(name: String, target: String)] {
        systemNames.compactMap { name in (try? Files.linkTarget("/" + name)).map { (name, $0) } }
    }

    /// Assembles the root of a sandbox of the `host` environment at `box`: the machine's `/usr`, read-only, over a
    /// generated skeleton, with the volume on top. Only the writable places are mounts that allow writing.
    public static func assembleHost(_ spec: SandboxSpec, _ guards: GuardSet) throws(SystemError) {
        try Skeleton(userBase: spec.userBase).write(to: skeleton, links: try hostLinks())
        try mountOverlay(skeleton, spec, guards)
        for path in Skeleton.writable { try Mounts.bind(box + path, to: box + path) }
        let system = try hostDirectories().filter { $0 != "etc" && ($0 != "opt" || spec.showsOpt) }
        for name in system {
            try Mounts.bind("/" + name, to: "\(box)/\(name)", recursive: true)
        }
        for path in Skeleton.shared where Files.exists(path) { try Mounts.bind(path, to: box + path) }
        try Mounts.bind(agent, to: box + Skeleton.agent)
    }

    /// Puts the sandbox's own layer on top of others, at `box`.
    static func mountOverlay(_ lowers: String, _ spec: SandboxSpec, _ guards: GuardSet) throws(SystemError) {
        var layers = "lowerdir=\(lowers),upperdir=\(volume)/upper,workdir=\(volume)/work"
        // Nobody sees these files again. Otherwise the unmount at the end forces the host's whole file system to disk.
        if spec.isOneShot { layers += ",volatile" }
        // The attributes that it marks files with are the machine's root's, unless it is told to use others.
        if !UserNamespace.isInitial { layers += ",userxattr" }
        let flags: Mounts.Restrictions = guards.holds(.noSetuidFiles) ? [.noSetuid, .noDevices] : [.noDevices]
        try Mounts.mountNew("overlay", at: box, options: layers, flags: flags)
    }
}
