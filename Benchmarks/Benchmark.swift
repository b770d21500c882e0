import CoteEngine
import CoteModel
import CoteSystem
import CoteVolumes
import Glibc

/// One run of the whole: a state directory of its own, the peers, and row after row.
final class Benchmark {
    static let rows = [
        "exec", "exec-process", "run-process", "run-image", "import", "verify", "volume-btrfs", "volume-ext4",
        "volume-directory", "snapshot", "fork", "idle-memory", "hundred", "output",
    ]

    let options: Options
    let directory: String
    let engine: Engine
    let peers: Peers
    let crun: Crun
    let podman: Podman

    init(_ options: Options) throws {
        self.options = options
        directory = "/var/tmp/cote-bench-\(SandboxID.random())"
        try Files.makeDirectory(directory, mode: 0o711)
        engine = try Engine(
            EngineConfiguration(
                home: directory + "/home", runtime: directory + "/run", programs: options.programs))
        peers = try Peers()
        let bundle = try PeerBundle(directory + "/peer")
        crun = Crun(peers: peers, bundle: bundle)
        podman = Podman(peers: peers, bundle: bundle)
    }

    func run() async throws -> Report {
        let outcome: Result<Report, any Error>
        do { outcome = .success(try await measureAll()) } catch { outcome = .failure(error) }
        // After a failure sandboxes and containers may still be there.
        for summary in engine.list() { try? await engine.remove(summary.spec.id.text, force: true) }
        crun.removeAll()
        podman.removeAll()
        // Its mount keeps the file below it, and the device.
        try VolumeStores(home: directory + "/home", runtime: directory + "/run").pool.unmountPool()
        try? Files.removeTree(directory)
        return try outcome.get()
    }

    private func measureAll() async throws -> Report {
        let machine = Report.machine()
        var rows: [Row] = []
        for name in Self.rows where options.wants(name) {
            say("measuring \(name)")
            rows.append(try await measure(name))
        }
        return Report(rows: rows, machine: machine, runs: options.runs)
    }

    private func measure(_ name: String) async throws -> Row {
        switch name {
        case "exec": try await execRow()
        case "exec-process": try await execProcessRow()
        case "run-process": try await runProcessRow()
        case "run-image": try await runImageRow()
        case "import": try await importRow()
        case "verify": try await verifyRow()
        case "volume-btrfs": try await poolVolumeRow()
        case "volume-ext4": try await imageVolumeRow()
        case "volume-directory": try await directoryVolumeRow()
        case "snapshot": try await snapshotRow()
        case "fork": try await forkRow()
        case "idle-memory": try await idleMemoryRow()
        case "hundred": try await hundredRow()
        default: try await outputRow()
        }
    }

    // MARK: Sides

    /// What every side runs: static, so that its own start costs next to nothing.
    static let command = ["/usr/bin/busybox", "true"]
    /// What keeps a peer's container alive.
    static let sleep = ["/usr/bin/busybox", "sleep", "1000000"]

    /// The `cote` program with this benchmark's state, or another one's.
    func cote(_ arguments: [String], home: String? = nil) throws -> UInt64 {
        try Stopwatch.run(
            [options.cote] + arguments, environment: environment(home: home ?? directory + "/home"))
    }

    /// What `cote` goes by.
    func environment(home: String) -> [String] {
        [
            "PATH=/usr/sbin:/usr/bin", "COTE_HOME=\(home)", "COTE_RUNTIME=\(directory)/run",
            "COTE_LIBEXEC=\(options.programs)",
        ]
    }

    /// One way of doing what a row is about.
    struct Side {
        let name: String
        /// Nanoseconds.
        let run: () async throws -> UInt64

        init(_ name: String, _ run: @escaping () async throws -> UInt64) {
            self.name = name
            self.run = run
        }
    }

    /// Runs all sides in turn and gives milliseconds. Each round begins with another one, and half of the rounds go the
    /// other way: what ran just before leaves the processor's caches its own way, so each side follows each other
    /// equally often.
    /// - Parameters:
    ///   - warmUps: runs of each side that do not count.
    ///   - rest: what each side waits for before it begins. Of a container that has ended, the kernel takes much apart
    ///     later, its network namespace above all, which would be counted against the side after it.
    func alternate(
        _ sides: [Side], runs: Int? = nil, warmUps: Int = 2, rest: Duration = .zero
    ) async throws -> [Samples] {
        var samples = sides.map { Samples($0.name) }
        for side in sides { for _ in 0..<warmUps { _ = try await side.run() } }
        for round in 0..<(runs ?? options.runs) {
            let isBackwards = (round / sides.count).isMultiple(of: 2)
            for step in sides.indices {
                let place = (round + step) % sides.count
                let index = isBackwards ? sides.count - 1 - place : place
                if rest > .zero { try await Task.sleep(for: rest) }
                samples[index].add(Double(try await sides[index].run()) / 1_000_000)
            }
        }
        return samples
    }
}
