import CoteModel
import CoteTestSupport
import Testing

/// Hostile code in a sandbox. Each attempt fails; and each succeeds, in the same harness, once its guard is left out,
/// which shows that it is that guard which stops it and that the attempt is a real one.
@Suite(.requires(.root, .crun)) struct EscapeTests {
    @Test(arguments: Attempt.tried) func `an attempt fails, and succeeds without its guard`(attempt: Attempt)
        async throws
    {
        let whole = try await Arena.outcome(of: attempt)
        #expect(whole.isHeld, "\(whole)")
        if !attempt.alsoHeldBy.isEmpty {
            let alone = try await Arena.outcome(of: attempt, without: attempt.alsoHeldBy)
            #expect(alone.isHeld, "\(alone)")
        }
        guard attempt.isPossible() else { return }
        let open = try await Arena.outcome(of: attempt, without: attempt.alsoHeldBy + [attempt.guarded])
        #expect(open == .broke)
    }
}
