import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Testing

extension FaultTests {
    /// A fake agent in the place of the real one, everything else as it is.
    @Suite struct HostileAgentTests {
        /// What the fake does (`Misdeed` in its source), and what the sandbox must die of.
        static let violations = [
            "noise", "zeros", "endless-length", "other-magic", "later-version", "large-hello", "output-first",
            "hello-twice", "unknown-kind", "unknown-stream", "boot-request", "stop-request", "state-report",
            "noise-after-hello", "opened-twice", "opened-with-words", "exit-twice", "exit-beyond-codes", "exit-half",
            "closed-early", "output-beyond-credit", "large-output", "refused-late", "refused-without-reason",
            "credit-of-nothing", "credit-beyond-window", "output-of-another", "open-back", "hello-as-state",
            "closed-with-words", "output-before-opened", "exit-before-opened", "input-back",
        ]

        @Test(arguments: violations)
        func `an agent that breaks the protocol ends its sandbox`(misdeed: String) async throws {
            try await Self.with(misdeed) { scene in try await Self.expectDeath(scene, [.protocolViolation]) }
        }

        @Test func `an agent that leaves ends its sandbox`() async throws {
            // It may have been booting still, or ready for a moment already.
            try await Self.with("leaving") { scene in
                try await Self.expectDeath(scene, [.bootFailed, .agentLost, .startFailed])
            }
        }

        @Test func `an agent that hangs up ends its sandbox, though it stays`() async throws {
            try await Self.with("hang-up") { scene in try await Self.expectDeath(scene, [.agentLost]) }
        }

        @Test(.enabled(if: isSoaking, "takes the whole of the boot's time"))
        func `Soak: an agent that says nothing is given up`() async throws {
            try await Self.with("silence") { scene in try await Self.expectDeath(scene, [.bootTimeout]) }
        }

        @Test(arguments: ["silent-on-command", "half-frame"])
        func `an agent that does not answer cannot keep its sandbox from being stopped`(misdeed: String) async throws {
            try await Self.with(misdeed) { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                let execution = try sandbox.start(Command(["echo", "hello"]))
                let begin = SystemClock.monotonic()
                try await sandbox.stop(grace: TimeSpan(milliseconds: 300))
                #expect(SystemClock.monotonic() - begin < 10_000_000_000)
                let error = await scene.failure { () throws(CoteError) in _ = try await execution.wait() }
                #expect(error?.code == .sandboxDied, "\(error as Any)")
                #expect(try scene.engine.show(sandbox.id.text).state.phase == .stopped)
                try await scene.expectNothingAlive(sandbox.id)
                try scene.journal(sandbox.id)
            }
        }

        /// A sandbox that is there already, so that its journal and state outlive a boot that fails.
        private static func expectDeath(_ scene: Scene, _ reasons: [DeathReason]) async throws {
            var id: SandboxID?
            let error = await scene.failure { () throws(CoteError) in
                // So that an agent that gets away with it does not keep the test waiting.
                let sandbox = try await scene.engine.create(SandboxRequest(limits: Limits(lifetime: .seconds(15))))
                id = sandbox.id
                let execution = try sandbox.start(Command(["echo", "hello"]))
                // Nobody reads it before the end: who reads gives credit, and an agent that sends more than it has
                // credit for would be given more all the while.
                _ = try? await scene.await("its death") { try scene.engine.show(sandbox.id.text).state.reason }
                _ = try await execution.wait()
            }
            let said = "\(error as Any)"
            let isTrue = error?.code == .sandboxDied && reasons.contains { said.contains("(\($0.rawValue))") }
            // Once it was ready, the command may have had its answer already, or have come in its very last moment.
            #expect(isTrue || id != nil && (error == nil || said.contains("sandbox is stopping")), "\(said)")
            guard let id else { return #expect(scene.ids == []) }
            let reason = try await scene.await("its death") { try scene.engine.show(id.text).state.reason }
            #expect(reasons.contains(reason))
            try await scene.expectDeath(id, reason)
        }

        /// Programs of this build, but for the agent.
        private static func with(_ misdeed: String, _ body: (Scene) async throws -> Void) async throws {
            let directory = "/tmp/cote-hostile-\(SandboxID.random())"
            try Files.makeDirectory(directory, mode: 0o755)
            defer { try? Files.removeTree(directory) }
            let built = Workbench.builtPrograms
            let program = try Files.read(built + "/hostile-agent", limit: 1 << 30)
            try Files.create(directory + "/cote-agent", mode: 0o755, program + Array("\n\(misdeed)".utf8))
            try Files.create(
                directory + "/cote-keeper", mode: 0o755, try Files.read(built + "/cote-keeper", limit: 1 << 30))
            try await Scene.with(programs: directory, body)
        }
    }
}
