import CoteEngine
import CoteJournal
import CoteModel
import CoteSandbox
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

extension FaultTests {
    /// Commands that take all there is, of processes and of memory.
    @Suite struct GreedTests {
        private static let processes: UInt32 = 64

        @Test(arguments: ["f() { f | f & }; f; wait", "while :; do sh -c \"$0\" & done"])
        func `a fork bomb of one process group ends with it`(script: String) async throws {
            try await Scene.with { scene in
                let limits = Limits(memory: .mebibytes(512), processes: Self.processes)
                let sandbox = try await scene.engine.create(SandboxRequest(limits: limits))
                let bomb = try sandbox.start(Command(["sh", "-c", script, script]))
                try await Self.expectLimitHeld(scene, sandbox)
                try await Self.expectHostAnswers(scene)
                bomb.signal(SIGKILL)
                let output = try await scene.await("a command that can start") { () -> Sandbox.Output? in
                    bomb.signal(SIGKILL)
                    return try? await sandbox.run(Command(["echo", "calm"]))
                }
                #expect(output.text == "calm\n")
                #expect(try scene.engine.show(sandbox.id.text).state.phase == .ready)
                try await sandbox.remove()
            }
        }

        @Test func `a fork bomb that leaves its process group ends with the sandbox`() async throws {
            try await Scene.with { scene in
                let limits = Limits(memory: .mebibytes(512), processes: Self.processes)
                let sandbox = try await scene.engine.create(SandboxRequest(limits: limits))
                let script = """
                    import os
                    while True:
                        try:
                            if os.fork() == 0: os.setsid()
                        except OSError: pass
                    """
                _ = try sandbox.start(Command(["python3", "-c", script]))
                try await Self.expectLimitHeld(scene, sandbox)
                try await Self.expectHostAnswers(scene)
                // Either it finds room, or it is told that there is none; it is not left without an answer.
                let begin = SystemClock.monotonic()
                do throws(CoteError) { _ = try await sandbox.run(Command(["echo", "hello"])) } catch {
                    #expect(error.code == .limitReached, "\(error)")
                }
                #expect(SystemClock.monotonic() - begin < 10_000_000_000)
                let id = sandbox.id
                let stop = SystemClock.monotonic()
                try await sandbox.stop(grace: TimeSpan(milliseconds: 100))
                #expect(SystemClock.monotonic() - stop < 10_000_000_000)
                #expect(try scene.engine.show(id.text).state.phase == .stopped)
                try await scene.expectNothingAlive(id)
            }
        }

        /// Waits until the bomb has met its limit, and looks whether it was stopped there.
        private static func expectLimitHeld(_ scene: Scene, _ sandbox: Sandbox) async throws {
            let directory = Cgroup(sandbox.id).directory(of: "pids")
            let number = { (name: String) in
                UInt32(((try? Files.readText("\(directory)/\(name)")) ?? "").prefix { $0.isNumber }) ?? 0
            }
            #expect(number("pids.max") == processes + 2)
            _ = try await scene.await("the bomb at its limit") {
                let events = (try? Files.readText(directory + "/pids.events")) ?? ""
                return events.contains("max 0\n") || events.isEmpty ? nil : true
            }
            // The kernel counts a fork that it is about to refuse, and takes it back within the same call: a number
            // that is too high once has to be too high again.
            let most = (0..<100).compactMap { _ in (0..<4).map { _ in number("pids.current") }.min() }.max() ?? 0
            #expect(most <= processes + 2)
        }

        @Test func `a group counts who has ended until somebody collects it`() throws {
            let group = Cgroup(.random())
            try group.create()
            defer { group.remove() }
            var request = SpawnRequest("/bin/sleep", ["sleep", "600"])
            let child = try withExtendedLifetime(try group.admit(&request)) { try request.run() }
            #expect(group.population == 1)
            child.signal(SIGKILL)
            var entry = pollfd(fd: child.pidfd.raw, events: Int16(POLLIN), revents: 0)
            #expect(poll(&entry, 1, 60_000) == 1)
            // Limits would count it too: they must wait for more than its end.
            #expect(group.population == 1)
            let status = try child.wait()
            #expect(status == .signaled(SIGKILL))
            #expect(group.population == 0)
        }

        private static func expectHostAnswers(_ scene: Scene) async throws {
            let begin = SystemClock.monotonic()
            let result = try await scene.bench.cote(["list"])
            #expect(result.code == 0)
            #expect(SystemClock.monotonic() - begin < 10_000_000_000)
        }

        @Test func `a command that takes too much memory is told apart, and the sandbox lives`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest(limits: Limits(memory: .mebibytes(96))))
                let hog = Command(["python3", "-c", "x = b'x' * (1 << 30)"])
                let output = try await sandbox.run(hog)
                #expect(output.result.outOfMemory && output.result.shellCode == 137, "\(output.result)")
                #expect(try await sandbox.run(Command(["echo", "alive"])).text == "alive\n")
                let records = try scene.journal(sandbox.id)
                #expect(records.contains { $0.kind == "sandbox-oom" })
                #expect(records.first { $0.kind == "exec-exit" }?.flag("oom") == true)
                try await sandbox.remove()
            }
        }

        @Test func `a hog in the background ends alone, and the journal tells of it`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest(limits: Limits(memory: .mebibytes(96))))
                let script = "python3 -c \"x = b'x' * (1 << 30)\" & wait $!; echo hog: $?"
                let output = try await sandbox.run(Command(["sh", "-c", script]))
                #expect(output.text == "hog: 137\n")
                #expect(output.result.exitCode == 0 && !output.result.outOfMemory, "\(output.result)")
                _ = try await scene.await("the kernel's kill in the journal") {
                    try scene.journal(sandbox.id).contains { $0.kind == "sandbox-oom" } ? true : nil
                }
                #expect(try scene.engine.show(sandbox.id.text).state.phase == .ready)
                try await sandbox.remove()
            }
        }

        @Test func `files in memory come to an end before the memory does`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest(limits: Limits(memory: .mebibytes(96))))
                let script = "cat /dev/zero > /tmp/zeros; echo cat: $?; rm /tmp/zeros"
                let output = try await sandbox.run(Command(["sh", "-c", script]))
                #expect(output.text == "cat: 1\n")
                #expect(!output.result.outOfMemory)
                try await sandbox.remove()
            }
        }
    }
}
