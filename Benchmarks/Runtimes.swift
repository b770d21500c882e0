import CoteModel
import CoteSystem

/// crun, run as Cote's driver runs it, without Cote.
struct Crun {
    let peers: Peers
    let bundle: PeerBundle
    private static let program = "/usr/bin/crun"

    private func crun(_ words: String...) -> [String] {
        [Self.program, "--root", bundle.directory + "/crun"] + words
    }

    /// A whole container: created, run, gone.
    func run(_ command: [String]) throws -> UInt64 {
        let id = "peer-run"
        let place = try bundle.bundle(id, command, cgroup: "cote-bench-run")
        return try peers.run(crun("run", "--bundle", place, id))
    }

    /// Starts a container that stays, and gives its first process.
    func start(_ id: String, _ command: [String]) throws -> Int32 {
        let place = try bundle.bundle(id, command, cgroup: "cote-bench-" + id)
        let file = place + "/pid"
        try peers.run(crun("run", "--detach", "--pid-file", file, "--bundle", place, id))
        return Int32(try Files.readText(file, limit: 32)) ?? 0
    }

    func exec(_ id: String, _ command: [String]) throws -> UInt64 { try peers.run(crun("exec", id) + command) }

    func remove(_ id: String) throws { try peers.run(crun("delete", "--force", id)) }

    /// What a failure left.
    func removeAll() {
        for id in (try? Files.list(bundle.directory + "/crun")) ?? [] { _ = try? remove(id) }
    }
}

/// podman with the same root directory and limits, and otherwise as it comes. crun is its runtime too.
struct Podman {
    let peers: Peers
    let bundle: PeerBundle
    private static let limits = ["--memory", "2g", "--pids-limit", "1024", "--network", "none"]
    /// Its own would be above the hard limits that hold on small machines.
    private static let ulimits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

    private func podman(_ words: [String]) -> [String] {
        let place = bundle.directory
        let own = [
            "--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime=/usr/bin/crun",
            "--root=\(place)/podman", "--runroot=\(place)/podman-run",
        ]
        return ["/usr/bin/podman"] + own + words
    }

    /// A directory instead of an image: nothing to unpack and no layers to mount, the least that podman can do.
    private var root: [String] { ["-v", "/usr:/usr:ro", "--rootfs", bundle.root] }

    func run(_ command: [String]) throws -> UInt64 {
        try peers.run(podman(["run", "--rm"] + Self.limits + Self.ulimits + root + command))
    }

    /// Starts a container that stays, and gives its monitor and its first process.
    func start(_ id: String, _ command: [String]) throws -> [Int32] {
        let files = ["conmon", "first"].map { "\(bundle.directory)/\(id).\($0)" }
        let detached = ["run", "--detach", "--name", id, "--conmon-pidfile", files[0], "--pidfile", files[1]]
        try peers.run(podman(detached + Self.limits + Self.ulimits + root + command))
        return files.compactMap { file in
            let text = (try? Files.readText(file, limit: 32)) ?? ""
            return Int32(text.prefix { $0.isNumber })
        }
    }

    func exec(_ id: String, _ command: [String]) throws -> UInt64 { try peers.run(podman(["exec", id] + command)) }

    func remove(_ id: String) throws { try peers.run(podman(["rm", "--force", "--time", "0", id])) }

    /// What a failure left.
    func removeAll() {
        guard Files.exists(bundle.directory + "/podman") else { return }
        _ = try? peers.run(podman(["rm", "--force", "--time", "0", "--all"]))
    }
}
