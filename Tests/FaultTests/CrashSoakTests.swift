import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

extension FaultTests {
    /// SIGKILL for each of the four processes that a sandbox is made of, at random moments.
    @Suite struct CrashSoakTests {
        private static let rounds = isSoaking ? 1000 : 100

        @Test func `whoever is killed, whenever, nothing is left and the reason is true`() async throws {
            try await Scene.with { scene in
                var tally: [String: Int] = [:]
                for round in 0..<Self.rounds {
                    let target = Target.allCases[round % Target.allCases.count]
                    // Each round from a seed of its own, so that it is the same whatever those before it did.
                    var crash = Crash(scene: scene, random: SeededRandom(seed: Fuzzing.seed &+ UInt64(round)))
                    do { tally[try await crash.run(target), default: 0] += 1 } catch {
                        Issue.record("COTE_FUZZ_SEED=\(Fuzzing.seed), round \(round), \(target): \(error)")
                    }
                    let left = scene.ids + (Self.journals(scene))
                    if !left.isEmpty {
                        Issue.record(
                            "COTE_FUZZ_SEED=\(Fuzzing.seed), round \(round), \(target): left \(left)"
                        )
                        for id in left { try? await scene.engine.remove(id.text, force: true) }
                        _ = scene.engine.prune()
                    }
                }
                print("killed:", tally.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })
                for target in Target.allCases {
                    #expect(tally.contains { $0.key.hasPrefix(target.rawValue) }, "no \(target) was killed")
                }
            }
        }

        private static func journals(_ scene: Scene) -> [SandboxID] {
            ((try? Files.list(scene.bench.home + "/journals")) ?? []).compactMap { SandboxID($0) }
        }
    }

    /// Who is killed.
    enum Target: String, CaseIterable, Sendable { case client, keeper, crun, agent }
}
