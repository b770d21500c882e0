import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import CoteTestSupport
import Testing

extension FaultTests {
    /// Nothing that a command leaves behind in keeper or agent may add up.
    @Suite struct ManyCommandsTests {
        private static let count = 10_000
        private static let before = 500

        /// What two processes hold.
        private struct Holdings {
            let keeper: Int
            let agent: Int
            let descriptors: [Int]

            init(_ keeper: Victim, _ agent: Victim) {
                self.keeper = ProcessTable.resident(keeper.pid)
                self.agent = ProcessTable.resident(agent.pid)
                descriptors = [ProcessTable.descriptors(keeper.pid), ProcessTable.descriptors(agent.pid)]
            }
        }

        @Test func `ten thousand short commands on one connection leave nothing behind`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                guard let keeper = Victim.keeper(of: sandbox.id, scene.engine),
                    let agent = Victim.child("agent", of: sandbox.id, scene.engine)
                else { throw Unmet(description: "no keeper or no agent") }
                let idle = Holdings(keeper, agent).descriptors
                try await Self.run(Self.before, in: sandbox)
                let first = Holdings(keeper, agent)
                let begin = SystemClock.monotonic()
                try await Self.run(Self.count - Self.before, in: sandbox)
                let seconds = Double(SystemClock.monotonic() - begin) / 1e9
                let last = Holdings(keeper, agent)
                print("\(Int(Double(Self.count - Self.before) / seconds)) commands a second; \(first) → \(last)")
                // The agent clears away after it has told of the end.
                _ = try await scene.await("no more descriptors than before the first command") {
                    zip(Holdings(keeper, agent).descriptors, idle).allSatisfy { $0 <= $1 } ? true : nil
                }
                #expect(last.keeper - first.keeper < 1024, "KiB of the keeper: \(first.keeper) → \(last.keeper)")
                #expect(last.agent - first.agent < 1024, "KiB of the agent: \(first.agent) → \(last.agent)")
                let records = try scene.journal(sandbox.id)
                #expect(records.count { $0.kind == "exec-exit" } == Self.count)
                #expect(records.count { $0.kind == "exec-start" } == Self.count)
                #expect(Set(records.compactMap(\.n)) == Set(1...UInt32(Self.count)))
                try await sandbox.remove()
            }
        }

        private static func run(_ count: Int, in sandbox: Sandbox) async throws {
            for _ in 0..<count {
                let result = try await sandbox.start(Command(["/usr/bin/busybox", "true"])).wait()
                #expect(result.shellCode == 0)
            }
        }
    }
}
