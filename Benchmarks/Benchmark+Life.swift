import CoteEngine
import CoteModel
import CoteSystem

extension Benchmark {
    /// A command through an engine that is connected already, as a program that links the library has it.
    func execRow() async throws -> Row {
        let sandbox = try await engine.create(SandboxRequest())
        _ = try crun.start("exec", Self.sleep)
        let sides = [
            Side("cote, connection open") { try await Self.exec(sandbox) },
            Side("host spawn") { try Stopwatch.run(Self.command, environment: []) },
            Side("crun exec") { [crun] in try crun.exec("exec", Self.command) },
        ]
        // Ten milliseconds each, of which a tenth decides: a median of many.
        let samples = try await alternate(sides, runs: options.runs * 10)
        try await sandbox.remove()
        try crun.remove("exec")
        var row = Row(name: "exec", unit: "ms", cote: samples[0], peers: Array(samples[1...]))
        row.bar(.most(1.5), times: "host spawn")
        row.bar(.most(0.2), times: "crun exec")
        row.notes = [
            "\(Self.command.joined(separator: " ")) everywhere; host spawn is posix_spawn and waitpid of it"
        ]
        return row
    }

    @concurrent private static func exec(_ sandbox: Sandbox) async throws -> UInt64 {
        let begin = SystemClock.monotonic()
        let output = try await sandbox.run(Command(command))
        let time = SystemClock.monotonic() - begin
        guard output.result.shellCode == 0 else { throw Stopwatch.Failure(description: "\(output.result)") }
        return time
    }

    /// A command by a program of its own each time.
    func execProcessRow() async throws -> Row {
        let sandbox = try await engine.create(SandboxRequest())
        _ = try crun.start("exec", Self.sleep)
        _ = try podman.start("exec", Self.sleep)
        let words = ["exec", sandbox.id.text, "--"] + Self.command
        let samples = try await alternate([
            Side("cote exec") { [self] in try cote(words) },
            Side("crun exec") { [crun] in try crun.exec("exec", Self.command) },
            Side("podman exec") { [podman] in try podman.exec("exec", Self.command) },
        ])
        try await sandbox.remove()
        try crun.remove("exec")
        try podman.remove("exec")
        var row = Row(name: "exec-process", unit: "ms", cote: samples[0], peers: Array(samples[1...]))
        row.bar(.most(1.5), times: "crun exec")
        row.bar(.most(0.1), times: "podman exec")
        return row
    }

    /// A sandbox for one command; nothing of it is left when the program ends.
    func runProcessRow() async throws -> Row {
        let samples = try await alternate(
            [
                Side("cote run") { [self] in try cote(["run", "host", "--"] + Self.command) },
                Side("crun run") { [crun] in try crun.run(Self.command) },
                Side("podman run") { [podman] in try podman.run(Self.command) },
            ], rest: .milliseconds(50))
        var row = Row(name: "run-process", unit: "ms", cote: samples[0], peers: Array(samples[1...]))
        row.bar(.most(2.5), times: "crun run")
        row.bar(.most(0.2), times: "podman run")
        row.notes = [
            "crun has the same namespaces, users, system call list, limits and mounts on a root made beforehand; "
                + "it keeps no journal",
            "podman has the same root directory and limits, its own filter and no user namespace; its runtime is crun",
            "each begins after 50 ms of rest, in which the kernel takes apart what the one before has left",
        ]
        return row
    }
}
