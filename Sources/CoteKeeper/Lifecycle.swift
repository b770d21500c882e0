import CoteModel
import CoteSystem

/// A sandbox's life as its keeper sees it. Pure: events in, effects out.
///
///     creating ──boot──→ booting ──agentReady──→ ready ──stopRequested──→ stopping ──firstProcessEnded──→ over
///                          │                       │                         ↑
///                          └── anything fatal ─────┴─────── with its cause ──┘
///
/// The cause nearest the truth wins: an agent whose channel closed may have been killed, or killed for memory, and its
/// exit says which, unless the keeper itself killed it.
struct Lifecycle: Equatable {
    /// What happened.
    enum Event: Equatable {
        case boot
        case runtimeStarted
        case runtimeFailed(String)
        case imageFailed(String)
        case agentReady
        case agentClosed
        case agentViolated(String)
        case firstProcessEnded(ExitStatus, outOfMemory: Bool)
        case bootTimedOut
        case lifetimeOver
        case diskFull
        case sealFailed(String)
        case stopRequested
        case commandsEnded
        case graceOver
    }

    /// What the keeper must do about it, in order.
    enum Effect: Equatable {
        case enter(SandboxPhase)
        case startRuntime
        case sealKeeper
        case terminateCommands
        case killFirstProcess
        /// Kills it too, a moment later, unless its end is reported before.
        case killFirstProcessSoon
        case finish(End)
    }

    /// How a life ended.
    enum End: Equatable {
        case stopped
        case died(DeathReason, String)
    }

    private enum Stage: Equatable {
        case creating
        case booting
        case ready
        case stopping(End, killed: Bool)
        case over
    }

    private var stage = Stage.creating
    private var hasProcess = false

    var isOver: Bool { stage == .over }
    var isReady: Bool { stage == .ready }

    mutating func handle(_ event: Event) -> [Effect] {
        switch event {
        case .boot where stage == .creating:
            stage = .booting
            return [.enter(.booting), .startRuntime]
        case .runtimeStarted:
            hasProcess = true
            if case .stopping = stage { return [.killFirstProcess] }
            return []
        case .runtimeFailed(let message): return finish(.died(.startFailed, message))
        case .imageFailed(let message): return finish(.died(.imageUnavailable, message))
        case .agentReady where stage == .booting:
            stage = .ready
            return [.enter(.ready), .sealKeeper]
        case .firstProcessEnded(let status, let outOfMemory): return firstProcessEnded(status, outOfMemory)
        case .commandsEnded, .graceOver: return killWhenStopping()
        case .stopRequested where stage == .ready:
            stage = .stopping(.stopped, killed: false)
            return [.enter(.stopping), .terminateCommands]
        case .stopRequested where stage == .booting: return kill(.stopped)
        default: return handleFatal(event)
        }
    }

    private mutating func handleFatal(_ event: Event) -> [Effect] {
        switch event {
        case .agentClosed where stage == .booting || stage == .ready:
            let reason: DeathReason = stage == .booting ? .bootFailed : .agentLost
            stage = .stopping(.died(reason, "the agent closed its channel"), killed: false)
            return [.killFirstProcessSoon]
        case .agentViolated(let what): return kill(.died(.protocolViolation, what))
        case .bootTimedOut where stage == .booting: return kill(.died(.bootTimeout, "not ready in time"))
        case .lifetimeOver: return kill(.died(.expired, "its lifetime is over"))
        case .sealFailed(let what): return kill(.died(.bootFailed, "the keeper cannot give up its privileges: \(what)"))
        case .diskFull: return kill(.died(.diskFull, "no space left for the journal"))
        default: return []
        }
    }

    /// Ends for `end`, unless an end has been decided already.
    private mutating func kill(_ end: End) -> [Effect] {
        switch stage {
        case .stopping(.stopped, _) where end != .stopped: break
        case .creating, .booting, .ready: break
        case .stopping, .over: return []
        }
        stage = .stopping(end, killed: true)
        return hasProcess ? [.enter(.stopping), .killFirstProcess] : finish(end)
    }

    private mutating func killWhenStopping() -> [Effect] {
        guard case .stopping(let end, killed: false) = stage else { return [] }
        stage = .stopping(end, killed: true)
        return [.killFirstProcess]
    }

    private mutating func firstProcessEnded(_ status: ExitStatus, _ outOfMemory: Bool) -> [Effect] {
        guard hasProcess, stage != .over else { return [] }
        if case .stopping(let end, killed: true) = stage { return finish(end) }
        if case .stopping(.stopped, _) = stage { return finish(.stopped) }
        switch status {
        case .signaled where outOfMemory: return finish(.died(.oom, "the kernel killed the agent for memory"))
        case .signaled(let signal): return finish(.died(.killed, "the agent was killed by signal \(signal)"))
        case .exited(let code):
            let reason: DeathReason = stage == .booting ? .bootFailed : .agentLost
            return finish(.died(reason, "the agent exited with \(code)"))
        }
    }

    private mutating func finish(_ end: End) -> [Effect] {
        guard stage != .over else { return [] }
        stage = .over
        return [.finish(end)]
    }
}
