import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

extension SandboxClass {
    /// What the class needs of the host.
    private var requirement: Requirement {
        switch self {
        case .container: .crun
        }
    }

    /// The classes that this host can run, each of which has to pass every test here.
    static let tried: [SandboxClass] = allCases.filter { Requirement.root.isWanted && $0.requirement.isWanted }
}

extension Trait where Self == ConditionTrait {
    /// Skips a suite of which no class can be tried here.
    static var triesClasses: ConditionTrait {
        .enabled(if: !SandboxClass.tried.isEmpty, "no sandbox class works here: needs root and crun")
    }
}

/// A sandbox of the class under test, and what a test asks of it.
struct Trial: Sendable {
    let bench: Workbench
    let engine: Engine
    let sandbox: Sandbox

    static func with(
        _ sandboxClass: SandboxClass, _ limits: Limits = Limits(), name: String? = nil,
        _ body: (Trial) async throws -> Void
    ) async throws {
        try await Workbench.with { bench in
            let engine = try Engine(bench.configuration)
            let request = SandboxRequest(
                environment: Workbench.environment, name: name, sandboxClass: sandboxClass.rawValue, limits: limits)
            try await body(Trial(bench: bench, engine: engine, sandbox: try await engine.create(request)))
        }
    }

    /// Runs a script of `sh` to its end.
    func shell(
        _ script: String, input: [UInt8]? = nil, _ adjust: (inout Command) -> Void = { _ in }
    ) async throws -> Sandbox.Output {
        var command = Command(["/bin/sh", "-c", script])
        adjust(&command)
        return try await sandbox.run(command, input: input)
    }

    /// Starts a script whose stdin stays open.
    func start(_ script: String, _ adjust: (inout Command) -> Void = { _ in }) throws -> Execution {
        var command = Command(["/bin/sh", "-c", script], takesInput: true)
        adjust(&command)
        return try sandbox.start(command)
    }

    /// Starts a command that must be refused; the reason.
    func refusal(_ command: Command) async throws -> CoteError? {
        do { _ = try await sandbox.run(command) } catch { return error }
        return nil
    }

    /// Everything the sandbox's journal has now.
    func journal() throws -> [JournalRecord] { try engine.records(of: sandbox.id.text) }

    /// What the state file says about the keeper.
    var keeper: Int32? { get throws { try engine.show(sandbox.id.text).state.keeper } }
}

extension Engine {
    func records(of reference: String) throws -> [JournalRecord] {
        let reader = try journal(of: reference)
        var records: [JournalRecord] = []
        while let record = try reader.next() { records.append(record) }
        #expect(reader.damaged == 0)
        return records
    }

    /// Waits until the journal has a record that fits; `nil` where it has not come in time or the sandbox has ended.
    func awaitRecord(
        of id: SandboxID, within wait: TimeSpan = .seconds(120),
        _ fits: @escaping @Sendable (JournalRecord) -> Bool
    ) async throws -> JournalRecord? {
        try await onThread {
            let follower = try self.followJournal(of: id.text)
            let deadline = SystemClock.monotonic() + wait.nanoseconds
            while SystemClock.monotonic() < deadline {
                if let record = try follower.next(wait: TimeSpan(milliseconds: 500)), fits(record) { return record }
                if follower.hasEnded { return nil }
            }
            return nil
        }
    }

    /// Waits until a sandbox has ended by what its state says. Its journal says so before, and the disk comes between
    /// the two.
    func awaitEnd(of id: SandboxID, within wait: TimeSpan = .seconds(120)) async throws -> SandboxState {
        try await onThread {
            let deadline = SystemClock.monotonic() + wait.nanoseconds
            while true {
                let state = try self.show(id.text).state
                if !state.phase.isAlive || SystemClock.monotonic() >= deadline { return state }
                usleep(1000)
            }
        }
    }
}

extension Execution {
    /// Reads until what came, on both streams together, ends in `text`; what came.
    func read(until text: String) async -> String {
        var bytes: [UInt8] = []
        while !bytes.ends(with: Array(text.utf8)), let chunk = await nextOutput() { bytes += chunk.bytes }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Everything that comes until the command has exited.
    func rest() async -> [Chunk] {
        var chunks: [Chunk] = []
        while let chunk = await nextOutput() { chunks.append(chunk) }
        return chunks
    }
}

extension [UInt8] {
    func ends(with tail: [UInt8]) -> Bool { count >= tail.count && self[(count - tail.count)...].elementsEqual(tail) }

    /// The texts between NUL bytes, each of which ends one.
    var texts: [String] {
        split(separator: 0, omittingEmptySubsequences: false).dropLast().map { String(decoding: $0, as: UTF8.self) }
    }
}

extension [Execution.Chunk] {
    /// What came on stdout.
    var text: String { String(decoding: lazy.filter { !$0.isError }.flatMap(\.bytes), as: UTF8.self) }
    var errorText: String { String(decoding: lazy.filter(\.isError).flatMap(\.bytes), as: UTF8.self) }
}

/// Runs what blocks on a thread of its own.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let thread = Thread { continuation.resume(with: Result(catching: body)) }
        do { try thread.start() } catch { continuation.resume(throwing: error) }
    }
}
