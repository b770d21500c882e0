public import CoteSystem
import FoundationEssentials
import Glibc

/// Why a worker did not do its work, beside what it said itself.
public enum WorkerFailure: Error, Equatable {
    case spawn(SystemError)
    /// It ended without a last word.
    case ended(ExitStatus, log: String)
    /// It said what no worker says.
    case nonsense
}

/// `cote`'s side: starts a worker, hands it its request and descriptors, and reads what it says.
public struct WorkerProcess: Sendable {
    /// The worker's program.
    public var program: String
    /// Whom it runs as; this process's own user where absent.
    public var credentials: Credentials?
    /// All of its environment, `KEY=VALUE`.
    public var environment: [String]

    /// A worker that is not started yet.
    public init(_ program: String, credentials: Credentials? = nil, environment: [String] = []) {
        self.program = program
        self.credentials = credentials
        self.environment = environment
    }

    /// Runs the worker to its end; blocks. A worker that is still running when `body` throws is killed.
    /// - Parameters:
    ///   - descriptors: what it has as 3 and on.
    ///   - body: called with each event, in order.
    public func run<Event: Decodable>(
        _ request: some Encodable, _ descriptors: [CInt], _ body: (Event) throws -> Void
    ) throws {
        let text = Array(try JSONEncoder().encode(request))
        let worker = try start(text, descriptors)
        var isOver = false
        defer { if !isOver { worker.kill() } }
        try worker.listen(body)
        let status = try worker.child.wait()
        isOver = true
        guard status == .exited(0) else { throw WorkerFailure.ended(status, log: worker.lastWords()) }
    }

    private func start(_ text: [UInt8], _ descriptors: [CInt]) throws -> RunningWorker {
        var input = try Descriptor.pipe()
        var output = try Descriptor.pipe()
        var log = try Descriptor.pipe()
        let reader = input.takeFirst()
        let answers = output.takeSecond()
        let complaints = log.takeSecond()
        var spawn = SpawnRequest(program, [program.split(separator: "/").last.map(String.init) ?? program])
        spawn.environment = environment
        spawn.directory = "/"
        spawn.credentials = credentials
        spawn.parentDeathSignal = SIGKILL
        spawn.newSession = true
        spawn.descriptors = [reader.raw, answers.raw, complaints.raw] + descriptors
        let child: ChildProcess
        do { child = try spawn.run() } catch {
            throw WorkerFailure.spawn(SystemError("exec", code: error.code, subject: program))
        }
        close(reader.release())
        close(answers.release())
        close(complaints.release())
        // The worker reads to the end before it says anything; one that is gone says so by its status.
        let writer = input.takeSecond()
        try? writer.write(all: text)
        return RunningWorker(child, output: output.takeFirst(), log: log.takeFirst())
    }
}

/// A worker that has been started, and this side's ends of its pipes.
private struct RunningWorker: ~Copyable {
    let child: ChildProcess
    private let output: Descriptor
    private let log: Descriptor

    /// Nobody says longer things.
    private static let longestLine = 1 << 20

    init(_ child: consuming ChildProcess, output: consuming Descriptor, log: consuming Descriptor) {
        self.child = child
        self.output = output
        self.log = log
    }

    func kill() {
        child.signal(SIGKILL)
        _ = try? child.wait()
    }

    /// Reads all that the worker says.
    func listen<Event: Decodable>(_ body: (Event) throws -> Void) throws {
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let outcome = try buffer.withUnsafeMutableBytes { try output.read(into: $0) }
            guard case .bytes(let count) = outcome else { if outcome == .wouldBlock { continue } else { return } }
            pending += buffer[..<count]
            while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                guard let event = try? JSONDecoder().decode(Event.self, from: Data(pending[..<end])) else {
                    throw WorkerFailure.nonsense
                }
                pending.removeSubrange(...end)
                try body(event)
            }
            if pending.count > Self.longestLine { throw WorkerFailure.nonsense }
        }
    }

    func lastWords() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        try? log.setNonblocking()
        guard case .bytes(let count) = try? buffer.withUnsafeMutableBytes({ try log.read(into: $0) }) else { return "" }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
