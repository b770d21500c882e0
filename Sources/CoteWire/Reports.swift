public import CoteModel

/// Why a request was refused.
public struct Refusal: Equatable, Sendable {
    /// For programs.
    public var code: ErrorCode
    /// For people; what is over 1,024 bytes is not sent.
    public var message: String

    /// Refuses with one line of text.
    public init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The `refused` frame's payload.
    public var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.put(code.rawValue)
        writer.put(message, limit: Self.longestText)
        return writer.bytes
    }

    static let longestText = 1024

    /// Reads a peer's refusal; an error code that this build does not know is a violation.
    public init(payload: [UInt8]) throws(WireViolation) {
        var reader = PayloadReader(payload, "refusal")
        let text: String = try reader.get()
        guard let code = ErrorCode(rawValue: text) else { throw reader.violation }
        self.code = code
        message = try reader.get()
        try reader.finish()
    }
}

/// How a stream's command ended.
public struct Exit: Equatable, Sendable {
    /// As `cote exec` reports it.
    public var result: CommandResult

    /// Carries `result`.
    public init(_ result: CommandResult) { self.result = result }

    /// The `exit` frame's payload.
    public var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.put(result.exitCode)
        writer.put(result.signal) { $0.put($1) }
        writer.put(result.timedOut)
        writer.put(result.outOfMemory)
        writer.put(result.outputLimit)
        writer.put(result.duration.milliseconds)
        return writer.bytes
    }

    /// Reads an agent's word; a code or signal that no process ends with is a violation.
    public init(payload: [UInt8]) throws(WireViolation) {
        var reader = PayloadReader(payload, "exit")
        result = CommandResult(exitCode: try reader.get())
        result.signal = try reader.getOptional { reader throws(WireViolation) in try reader.get() }
        guard (0...255).contains(result.exitCode), (1...64).contains(result.signal ?? 1) else {
            throw reader.violation
        }
        result.timedOut = try reader.get()
        result.outOfMemory = try reader.get()
        result.outputLimit = try reader.get()
        result.duration = TimeSpan(milliseconds: try reader.get())
        try reader.finish()
    }
}

/// A sandbox's phase, as its keeper reports it to every client.
public struct StateReport: Equatable, Sendable {
    /// Where the sandbox is in its life.
    public var phase: SandboxPhase
    /// Why it died, in that phase.
    public var reason: DeathReason?
    /// One line about `reason`; what is over 1,024 bytes is not sent.
    public var detail: String

    /// A report of now.
    public init(_ phase: SandboxPhase, reason: DeathReason? = nil, detail: String = "") {
        self.phase = phase
        self.reason = reason
        self.detail = detail
    }

    /// The `state` frame's payload.
    public var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.put(phase.rawValue)
        writer.put(reason?.rawValue) { $0.put($1) }
        writer.put(detail, limit: Refusal.longestText)
        return writer.bytes
    }

    /// Reads a keeper's report.
    public init(payload: [UInt8]) throws(WireViolation) {
        var reader = PayloadReader(payload, "state report")
        guard let phase = SandboxPhase(rawValue: try reader.get()) else { throw reader.violation }
        self.phase = phase
        if let text = try reader.getOptional({ reader throws(WireViolation) in try reader.get() as String }) {
            guard let reason = DeathReason(rawValue: text) else { throw reader.violation }
            self.reason = reason
        }
        detail = try reader.get()
        try reader.finish()
    }
}
