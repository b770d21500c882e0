import CoteEngine
import CoteModel
import CoteSystem

/// What processes take of the machine's memory: each page shared by n of them counts 1/n.
enum Footprint {
    /// MiB; a process that is gone counts nothing.
    static func proportional(_ pids: [Int32]) -> Double {
        pids.reduce(0) { $0 + kibibytes("Pss:", "/proc/\($1)/smaps_rollup") } / 1024
    }

    /// The most that a process ever had resident, in MiB.
    static func peak(_ pid: Int32) -> Double { kibibytes("VmHWM:", "/proc/\(pid)/status") / 1024 }

    private static func kibibytes(_ field: String, _ path: String) -> Double {
        let line = ((try? Files.readText(path)) ?? "").split(separator: "\n").first { $0.hasPrefix(field) }
        return line?.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
    }

    /// Those that a process started and that still run.
    static func children(of pid: Int32) -> [Int32] {
        let text = (try? Files.readText("/proc/\(pid)/task/\(pid)/children")) ?? ""
        return text.split(separator: " ").compactMap { Int32($0) }
    }
}

extension Benchmark {
    /// The keeper of a sandbox and its agent.
    private func processes(of sandbox: Sandbox) throws -> [Int32] {
        guard let keeper = try engine.show(sandbox.id.text).state.keeper else {
            throw Stopwatch.Failure(description: "sandbox \(sandbox.id) has no keeper")
        }
        let agents = Footprint.children(of: keeper)
        guard agents.count == 1 else {
            throw Stopwatch.Failure(description: "keeper \(keeper) has \(agents.count) children")
        }
        return [keeper] + agents
    }

    /// Sandboxes side by side that have each run a command and do nothing; and one that is alone on the machine.
    func idleMemoryRow() async throws -> Row {
        var cote = Samples("keeper + agent, \(options.runs) side by side")
        var alone = Samples("keeper + agent, alone")
        var crunSide = Samples("crun's first process")
        var podmanSide = Samples("conmon + first process")
        var sandboxes: [Sandbox] = []
        for index in 0..<options.runs {
            let sandbox = try await engine.create(SandboxRequest())
            _ = try await sandbox.run(Command(Self.command))
            sandboxes.append(sandbox)
            if index == 0 {
                // What is idle gives memory back after a second.
                try await Task.sleep(for: .seconds(2))
                alone.add(Footprint.proportional(try processes(of: sandbox)))
            }
            crunSide.add(Footprint.proportional([try crun.start("idle", Self.sleep)]))
            try crun.remove("idle")
            podmanSide.add(Footprint.proportional(try podman.start("idle", Self.sleep)))
            try podman.remove("idle")
        }
        for sandbox in sandboxes { cote.add(Footprint.proportional(try processes(of: sandbox))) }
        for sandbox in sandboxes { try await sandbox.remove() }
        var row = Row(name: "idle-memory", unit: "MiB", cote: cote, peers: [alone, crunSide, podmanSide])
        row.bars = [Bar(cote.maximum, .most(3), "MiB, the largest")]
        row.notes = [
            "proportional set size: the programs' own pages are shared by all sandboxes, and one that is alone has "
                + "them to itself",
            "crun leaves nothing behind but the container's own process, a sleep",
        ]
        return row
    }

    /// A hundred sandboxes side by side: what they take together, and how long they took to come up one by one.
    func hundredRow() async throws -> Row {
        var memory = Samples("100 × (keeper + agent)")
        var time = Samples("cote, ms for each to come up")
        var peerMemory = Samples("100 × crun's first process")
        var peerTime = Samples("crun, ms for each to come up")
        for _ in 0..<options.runs {
            var sandboxes: [Sandbox] = []
            var begin = SystemClock.monotonic()
            for _ in 0..<100 { sandboxes.append(try await engine.create(SandboxRequest())) }
            time.add(Double(SystemClock.monotonic() - begin) / 100_000_000)
            for sandbox in sandboxes { _ = try await sandbox.run(Command(Self.command)) }
            memory.add(Footprint.proportional(try sandboxes.flatMap { try processes(of: $0) }))
            for sandbox in sandboxes { try await sandbox.remove() }
            var pids: [Int32] = []
            begin = SystemClock.monotonic()
            for index in 0..<100 { pids.append(try crun.start("hundred-\(index)", Self.sleep)) }
            peerTime.add(Double(SystemClock.monotonic() - begin) / 100_000_000)
            peerMemory.add(Footprint.proportional(pids))
            for index in 0..<100 { try crun.remove("hundred-\(index)") }
        }
        var row = Row(name: "hundred", unit: "MiB", cote: memory, peers: [peerMemory, time, peerTime])
        row.bars = [Bar(memory.maximum, .most(200), "MiB, the largest")]
        return row
    }
}
