import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

@testable import CoteKeeper

/// Events in any order, also those that no honest world sends.
enum RandomLife {
    static let events: [Lifecycle.Event] = [
        .boot, .runtimeStarted, .runtimeFailed("no"), .agentReady, .agentClosed, .agentViolated("noise"),
        .firstProcessEnded(.exited(0), outOfMemory: false), .firstProcessEnded(.exited(1), outOfMemory: true),
        .firstProcessEnded(.signaled(SIGKILL), outOfMemory: false),
        .firstProcessEnded(.signaled(SIGKILL), outOfMemory: true), .bootTimedOut, .lifetimeOver, .diskFull,
        .sealFailed("no"), .stopRequested, .commandsEnded, .graceOver,
    ]

    /// What ends every life that began, whatever came before.
    static let ending: [Lifecycle.Event] = [
        .boot, .runtimeStarted, .stopRequested, .graceOver, .firstProcessEnded(.signaled(SIGKILL), outOfMemory: false),
    ]

    /// What must have happened before a life may end so.
    static func isExplained(_ end: Lifecycle.End, by events: [Lifecycle.Event]) -> Bool {
        guard case .died(let reason, _) = end else { return events.contains(.stopRequested) }
        return events.contains { event in
            switch (reason, event) {
            case (.oom, .firstProcessEnded(.signaled, outOfMemory: true)), (.killed, .firstProcessEnded(.signaled, _)),
                (.agentLost, .agentClosed), (.bootFailed, .agentClosed), (.agentLost, .firstProcessEnded(.exited, _)),
                (.bootFailed, .firstProcessEnded(.exited, _)), (.startFailed, .runtimeFailed),
                (.protocolViolation, .agentViolated), (.bootTimeout, .bootTimedOut), (.expired, .lifetimeOver),
                (.diskFull, .diskFull), (.bootFailed, .sealFailed):
                true
            default: false
            }
        }
    }
}

@Suite struct RandomLifeTests {
    @Test func `any sequence of events ends once, for a reason that was among them`() {
        var random = SeededRandom(seed: Fuzzing.seed)
        for round in 0..<Fuzzing.count(20_000) {
            var life = Lifecycle()
            var seen: [Lifecycle.Event] = []
            var effects: [Lifecycle.Effect] = []
            let length = random.below(24)
            let middle = (0..<length).map { _ in random.pick(RandomLife.events) }
            for event in (random.flag() ? [.boot] : []) + middle + RandomLife.ending {
                seen.append(event)
                let more = life.handle(event)
                #expect(more.isEmpty || !effects.contains(where: Self.isEnd), "round \(round): \(seen) → \(more)")
                effects += more
            }
            let ends = effects.compactMap { effect in if case .finish(let end) = effect { end } else { nil } }
            #expect(ends.count == 1 && life.isOver, "COTE_FUZZ_SEED=\(Fuzzing.seed), round \(round): \(seen)")
            if let end = ends.first {
                #expect(RandomLife.isExplained(end, by: seen), "round \(round): \(seen) → \(end)")
            }
            #expect(effects.count { $0 == .enter(.ready) } <= 1 && effects.count { $0 == .startRuntime } <= 1)
        }
    }

    private static func isEnd(_ effect: Lifecycle.Effect) -> Bool {
        if case .finish = effect { true } else { false }
    }
}
