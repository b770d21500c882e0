import CoteEngine
import CoteModel
import CoteSystem
import Glibc

/// One run of the whole: a state directory of its own, the peers, and row after row.
final class Benchmark {
    static let rows = ["exec", "exec-process", "run-process", "idle-memory", "hundred", "output"]

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

    /// The `cote` program with this benchmark's state.
    func cote(_ arguments: [String]) throws -> UInt64 {
        let environment = [
            "PATH=/usr/sbin:/usr/bin", "COTE_HOME=\(directory)/home", "COTE_RUNTIME=\(directory)/run",
            "COTE_LIBEXEC=\(options.programs)",
        ]
        return try Stopwatch.run([options.cote] + arguments, environment: environment)
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
    /// - Parameter rest: what each side waits for before it begins. Of a container that has ended, the kernel takes
    ///   much apart later, its network namespace above all, which would be counted against the side after it.
    func alternate(_ sides: [Side], runs: Int? = nil, rest: Duration = .zero) async throws -> [Samples] {
        var samples = sides.map { Samples($0.name) }
        for side in sides { for _ in 0..<2 { _ = try await side.run() } }
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
