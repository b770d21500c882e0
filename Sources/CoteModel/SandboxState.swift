/// Where a sandbox is in its life.
///
///     creating → booting → ready → stopping → stopped
///         └─────────┴────────┴────────┴────→ died(reason)
public enum SandboxPhase: String, Sendable, Codable, CaseIterable {
    case creating, booting, ready, stopping, stopped, died

    /// Whether a keeper owns the sandbox in this phase.
    public var isAlive: Bool { self != .stopped && self != .died }
}

/// Why a sandbox died. A closed set.
public enum DeathReason: String, Sendable, Codable, CaseIterable {
    /// The kernel killed the agent for memory.
    case oom
    /// Somebody killed the sandbox's first process from outside.
    case killed
    /// The runtime failed after the sandbox had started.
    case runtimeExited = "runtime-exited"
    /// The agent closed its channel or ended by itself.
    case agentLost = "agent-lost"
    /// The agent sent what it must not.
    case protocolViolation = "protocol-violation"
    case bootTimeout = "boot-timeout"
    case bootFailed = "boot-failed"
    /// The runtime could not start the sandbox.
    case startFailed = "start-failed"
    case imageUnavailable = "image-unavailable"
    case diskFull = "disk-full"
    case timeout
    /// Its lifetime is over.
    case expired
    /// The keeper is gone; nothing else can have recorded why.
    case keeperLost = "keeper-lost"
}

/// What is known about a sandbox now; written by its keeper alone, replaced whole.
public struct SandboxState: Hashable, Sendable, Codable {
    /// Where it is in its life.
    public var phase: SandboxPhase
    /// Set exactly when `phase` is `died`.
    public var reason: DeathReason?
    /// One line for people about `reason`.
    public var detail: String?
    /// The keeper's pid on the host while one lives.
    public var keeper: Int32?
    /// When the keeper started, in clock ticks since boot, so that a reused pid is not taken for it.
    public var keeperStart: UInt64?
    /// Nanoseconds since 1970 of the last change.
    public var changedAt: UInt64

    /// Every field as it is to be stored; nothing is checked.
    public init(
        phase: SandboxPhase, reason: DeathReason? = nil, detail: String? = nil, keeper: Int32? = nil,
        keeperStart: UInt64? = nil, changedAt: UInt64
    ) {
        self.phase = phase
        self.reason = reason
        self.detail = detail
        self.keeper = keeper
        self.keeperStart = keeperStart
        self.changedAt = changedAt
    }
}
