public import CoteModel

/// Why a request was refused.
public struct Refusal: Equatable, Sendable {
    public var code: ErrorCode
    public var message: String

    public init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    public var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.put(code.rawValue)
        writer.put(String(message.prefix(1024)))
        return writer.bytes
    }

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
    public var result: CommandResult

    public init(_ result: CommandResult) { self.result = result }

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
    public var phase: SandboxPhase
    public var reason: DeathReason?
    public var detail: String

    public init(_ phase: SandboxPhase, reason: DeathReason? = nil, detail: String = "") {
        self.phase = phase
        self.reason = reason
        self.detail = detail
    }

    public var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.put(phase.rawValue)
        writer.put(reason?.rawValue) { $0.put($1) }
        writer.put(String(detail.prefix(1024)))
        return writer.bytes
    }

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
