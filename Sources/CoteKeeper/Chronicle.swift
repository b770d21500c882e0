import CoteJournal
import CoteModel
import CoteSandbox
import CoteSystem
import CoteWire
import Glibc

/// All that is written down about one sandbox: its journal, and `state.json`.
final class Chronicle {
    /// What became of a chunk of output.
    enum Outcome {
        case written
        /// Past the limit; counted, and told at the command's exit.
        case dropped
        /// The first that was dropped; the command has to end.
        case limitReached
        case diskFull
    }

    /// Room for the last words when the disk is full.
    private static let reserve = "reserve"
    private static let reserveSize = 64 << 10
    private static let heldCharacterTime: UInt64 = 50_000_000

    private let journal: JournalWriter
    private let identity: KeeperIdentity
    private let loop: EventLoop
    private let counter: Descriptor
    private var executions: UInt32
    private var heldTimer: EventLoop.Timer?
    private var dropped: [UInt32: UInt64] = [:]
    private var lastMark = SystemClock.monotonic()
    private let begin = SystemClock.monotonic()

    init(_ spec: SandboxSpec, _ identity: KeeperIdentity, on loop: EventLoop) throws(SystemError) {
        self.identity = identity
        self.loop = loop
        let place = try Descriptor.directory(Stage.journal)
        try Self.makeReserve(place)
        journal = try JournalWriter("log.jsonl", at: place.raw, limit: spec.limits.journal)
        counter = try Descriptor.open(Stage.sandbox + "/executions", O_RDWR | O_CREAT, mode: 0o600)
        let text = try Files.readText(Stage.sandbox + "/executions", limit: 32)
        executions = UInt32(text.prefix { $0.isNumber }) ?? 0
        try journal.event("sandbox-creating") {
            $0.field("id", spec.id.text)
            $0.field("environment", spec.environment)
            $0.field("class", spec.sandboxClass.rawValue)
        }
        writeState(StateReport(.creating))
    }

    private static func makeReserve(_ place: borrowing Descriptor) throws(SystemError) {
        let file = try Descriptor.open(reserve, O_WRONLY | O_CREAT, mode: 0o600, at: place.raw)
        let code = posix_fallocate(file.raw, 0, off_t(reserveSize))
        if code != 0 { throw SystemError("fallocate", code: code, subject: reserve) }
    }

    var isFull: Bool { journal.limitReached }

    /// The next command's number, kept across restarts of the sandbox.
    func nextExecution() -> UInt32 {
        executions += 1
        return executions
    }

    private func keepCount() {
        let text = Array("\(executions)\n".utf8)
        _ = text.withUnsafeBytes { pwrite(counter.raw, $0.baseAddress, $0.count, 0) }
    }

    // MARK: The sandbox

    func entered(_ report: StateReport) {
        if !report.phase.isAlive { try? Files.remove(Stage.journal + "/" + Self.reserve) }
        record("sandbox-\(report.phase.rawValue)") {
            $0.field("reason", report.reason?.rawValue)
            if !report.detail.isEmpty { $0.field("detail", report.detail) }
        }
        if !report.phase.isAlive { force() }
        writeState(report)
    }

    /// Waits until the disk has all that was written so far.
    func force() { try? journal.synchronize() }

    func bootstrapStarted() {
        lastMark = SystemClock.monotonic()
        record("bootstrap-started") { _ in }
    }

    func phaseCompleted(_ name: String) {
        let now = SystemClock.monotonic()
        record("bootstrap-phase-completed") {
            $0.field("phase", name)
            $0.field("duration_us", (now - lastMark) / 1000)
        }
        lastMark = now
    }

    func bootstrapCompleted() {
        let total = SystemClock.monotonic() - begin
        record("bootstrap-completed") { $0.field("duration_us", total / 1000) }
    }

    func outOfMemory(_ kills: UInt64, running: [UInt32]) {
        record("sandbox-oom") {
            $0.field("kills", kills)
            $0.key("running")
            $0.array { for number in running { $0.value(number) } }
        }
    }

    // MARK: Commands

    func started(_ stream: KeptStream) {
        keepCount()
        switch stream.request {
        case .command(let command):
            record("exec-start") {
                $0.field("n", stream.number)
                $0.key("cmd")
                $0.array { for argument in command.arguments { $0.value(argument) } }
                $0.field("cwd", command.directory)
                $0.field("user", command.user)
                if command.terminal != nil { $0.field("tty", true) }
            }
        case .transfer(let transfer):
            record("file-\(transfer.verb.name)-start") {
                $0.field("n", stream.number)
                $0.field("path", transfer.path)
            }
        }
    }

    func refused(_ stream: KeptStream, _ refusal: Refusal) {
        record("exec-refused") {
            $0.field("n", stream.number)
            $0.field("code", refusal.code.rawValue)
            $0.field("message", refusal.message)
        }
    }

    /// Keeps a command's bytes. Those of a transfer are a file's content, not a command's output: only counted.
    func output(_ stream: KeptStream, isError: Bool, _ bytes: UnsafeRawBufferPointer) -> Outcome {
        if case .transfer = stream.request, !isError {
            stream.transferred += UInt64(bytes.count)
            return .written
        }
        if stream.hitOutputLimit {
            dropped[stream.number, default: 0] += UInt64(bytes.count)
            return .dropped
        }
        let isWritten: Bool
        do {
            isWritten = try journal.output(n: stream.number, isError: isError, bytes)
        } catch {
            return .diskFull
        }
        flushHeldSoon()
        if isWritten { return .written }
        dropped[stream.number] = UInt64(bytes.count)
        record("output-limit") { $0.field("n", stream.number) }
        return .limitReached
    }

    /// A character that was cut in two waits for its rest, but not for ever.
    private func flushHeldSoon() {
        guard heldTimer == nil, let since = journal.heldSince else { return }
        let due = since + Self.heldCharacterTime
        let now = SystemClock.monotonic()
        heldTimer = loop.schedule(after: due > now ? due - now : 0) { [unowned self] in
            heldTimer = nil
            try? journal.flushHeld(since: SystemClock.monotonic() - Self.heldCharacterTime)
            flushHeldSoon()
        }
    }

    func exited(_ stream: KeptStream, _ result: CommandResult) {
        try? journal.finish(stream.number)
        switch stream.request {
        case .command: record("exec-exit") { put(stream, result, &$0) }
        case .transfer(let transfer):
            record("file-\(transfer.verb.name)") {
                $0.field("path", transfer.path)
                $0.field("bytes", stream.transferred)
                put(stream, result, &$0)
            }
        }
    }

    private func put(_ stream: KeptStream, _ result: CommandResult, _ writer: inout JSONWriter) {
        writer.field("n", stream.number)
        writer.field("exit", result.signal.map { 128 + $0 } ?? result.exitCode)
        writer.field("signal", result.signal)
        if result.outOfMemory { writer.field("oom", true) }
        if result.timedOut { writer.field("timed_out", true) }
        if result.outputLimit { writer.field("reason", "output-limit") }
        writer.field("dropped_bytes", dropped.removeValue(forKey: stream.number))
        writer.field("duration_ms", result.duration.milliseconds)
    }

    /// The sandbox ended before the command did.
    func abandoned(_ stream: KeptStream) {
        try? journal.finish(stream.number)
        record("exec-lost") { $0.field("n", stream.number) }
    }

    // MARK: Writing

    private func record(_ kind: String, _ fields: (inout JSONWriter) -> Void) {
        // A disk that is full shows itself at the next output or state; the event that did not fit is lost with it.
        try? journal.event(kind, fields)
    }

    private func writeState(_ report: StateReport) {
        var writer = JSONWriter()
        writer.object {
            $0.field("phase", report.phase.rawValue)
            $0.field("reason", report.reason?.rawValue)
            $0.field("detail", report.detail.isEmpty ? nil : report.detail)
            if report.phase.isAlive {
                $0.field("keeper", identity.pid)
                $0.field("keeperStart", identity.startTime)
            }
            $0.field("changedAt", SystemClock.wall())
        }
        // Not forced to the disk: after a power cut the sandbox is gone, whatever this file says.
        try? Files.replace(Stage.sandbox + "/state.json", durable: false, writer.bytes)
    }
}

/// This process as the host sees it.
struct KeeperIdentity {
    let pid: Int32
    /// In clock ticks since boot; tells a reused pid apart.
    let startTime: UInt64

    /// Must be read before the host's `/proc` is left.
    static func current() throws(SystemError) -> KeeperIdentity {
        let pid = Int32(try Files.linkTarget("/proc/self")) ?? 0
        return KeeperIdentity(pid: pid, startTime: Processes.startTime(of: "self") ?? 0)
    }
}
