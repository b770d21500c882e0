public import CoteModel
import CoteSystem
import CoteWire

/// A sandbox that is alive, and a connection to it. Letting go of it
/// stops neither it nor the commands it was asked for.
public final class Sandbox: Sendable {
    /// What the sandbox was created as; it does not change.
    public let spec: SandboxSpec
    let connection: KeeperConnection
    let process: KeeperProcess?
    private let engine: Engine

    init(_ spec: SandboxSpec, engine: Engine, connection: KeeperConnection, process: KeeperProcess?) {
        self.spec = spec
        self.engine = engine
        self.connection = connection
        self.process = process
    }

    /// Short for `spec.id`.
    public var id: SandboxID { spec.id }

    /// What a finished command left behind.
    public struct Output: Hashable, Sendable {
        /// How it ended.
        public var result: CommandResult
        /// At most `limit` bytes of stdout.
        public var standardOutput: [UInt8]
        /// At most `limit` bytes of stderr; empty for a command on a terminal.
        public var standardError: [UInt8]

        /// stdout as text; bytes that are not UTF-8 become replacement characters.
        public var text: String { String(decoding: standardOutput, as: UTF8.self) }
    }

    /// Starts a command. Its output and its end are read from the result.
    /// - Throws: `requestTooLarge`, and `usage` for what cannot be a command. Other reasons not to start it come out of
    ///   the execution.
    ///
    /// What the sandbox's image says of commands holds where the command says nothing itself; without arguments it is
    /// the image's own command.
    public func start(_ command: Command) throws(CoteError) -> Execution {
        try connection.open(.command(spec.image?.completing(command) ?? command))
    }

    /// Runs a command to its end and collects what it wrote.
    /// - Parameters:
    ///   - input: what it reads on stdin.
    ///   - limit: bytes to keep of each stream; the rest is in the journal only.
    public func run(
        _ command: Command, input: [UInt8]? = nil, limit: Int = 16 << 20
    ) async throws(CoteError) -> Output {
        var command = command
        command.takesInput = input != nil
        return try await collect(try start(command), input: input, limit: limit)
    }

    func collect(_ execution: Execution, input: [UInt8]?, limit: Int) async throws(CoteError) -> Output {
        guard let input else { return try await gather(execution, limit: limit) }
        async let feeding: Void = Self.feed(execution, input)
        let output = try await gather(execution, limit: limit)
        await feeding
        return output
    }

    private func gather(_ execution: Execution, limit: Int) async throws(CoteError) -> Output {
        var output = Output(result: CommandResult(exitCode: 0), standardOutput: [], standardError: [])
        while let chunk = await execution.nextOutput() {
            let kept = chunk.isError ? output.standardError.count : output.standardOutput.count
            let bytes = chunk.bytes.prefix(max(0, limit - kept))
            if chunk.isError { output.standardError += bytes } else { output.standardOutput += bytes }
        }
        output.result = try await execution.wait()
        return output
    }

    private static func feed(_ execution: Execution, _ input: [UInt8]) async {
        await execution.write(input)
        execution.closeInput()
    }

    /// Waits until commands can run.
    func ready() async throws(CoteError) {
        var report = await connection.wait { $0 == .ready || $0 == .stopping }
        // Why it does not come up is known at its end.
        if report.phase == .stopping { report = await connection.wait { !$0.isAlive } }
        if report.phase == .died { throw CoteError.died(id, report) }
        if report.phase != .ready { throw CoteError(.wrongState, "sandbox \(id) is \(report.phase.rawValue)") }
    }

    /// Stops the sandbox: TERM to its commands, and an end to everything after `grace`. Its files stay.
    public func stop(grace: TimeSpan = .seconds(2)) async throws(CoteError) {
        connection.send(.stop, payload: Engine.milliseconds(UInt32(clamping: grace.milliseconds)))
        _ = await connection.wait { !$0.isAlive }
        if let refusal = connection.refusal { throw refusal }
        await process?.ended(on: engine.loop)
        _ = try? engine.store.reconcile(id)
    }

    /// Stops the sandbox at once and removes it; its journal stays.
    public func remove() async throws(CoteError) {
        try await stop(grace: TimeSpan(milliseconds: 0))
        try await engine.remove(id.text)
    }
}
