import CoteModel
import CoteTestSupport
import Testing

/// One way in which hostile code might get out of its sandbox, or get at the agent or at another command.
struct Attempt: Sendable, CustomTestStringConvertible {
    /// What shows whether it succeeded.
    enum Evidence: Sendable {
        /// The script says so: it calls `broke()`. Where it does not, or the kernel refuses a call, it has not.
        case word
        /// The same, but being ended by a signal is also a failure to break out.
        case wordOrSignal
        /// The sandbox dies of it.
        case death
        /// What it left on the host, looked at when the script has ended.
        case trace(@Sendable (Bait) throws -> Bool)
    }

    /// What hostile code does, as the rest of a sentence: "a command …".
    let name: String
    /// The guard that stops it.
    let guarded: Guard
    /// Guards that would stop it too. Only without all of them it succeeds.
    let alsoHeldBy: [Guard]
    /// Python, with `Arena.preamble` before it.
    let script: String
    var user: String?
    var timeout: TimeSpan?
    var onTerminal = false
    /// Run before it, in the same sandbox.
    var preparation: [Command] = []
    var evidence = Evidence.word
    /// Whether this host's kernel could be broken in this way at all; otherwise only the failure is shown.
    var isPossible: @Sendable () -> Bool = { true }

    init(
        _ name: String, _ guarded: Guard, also alsoHeldBy: [Guard] = [], _ script: String,
        _ change: (inout Attempt) -> Void = { _ in }
    ) {
        self.name = name
        self.guarded = guarded
        self.alsoHeldBy = alsoHeldBy
        self.script = script
        change(&self)
    }

    var testDescription: String { name }

    /// Every attempt of the suite.
    static let all = files + kernel + devices + neighbours + limits + capabilities + calls + sockets + agent

    /// Those whose guard is there to be tried: without root no sandbox has limits, which is refused and not tried.
    static let tried = all.filter {
        Requirement.limits.isWanted || ($0.guarded != .memoryLimit && $0.guarded != .processLimit)
    }
}
