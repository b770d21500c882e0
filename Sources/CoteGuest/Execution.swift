import CoteModel
import CoteSystem
import CoteWire
import Glibc

/// One command in the sandbox and the stream it is seen through.
///
/// The stream stays open after the command's exit while something it left behind still holds its output: every byte
/// goes out, `exit` as soon as what was there at the exit has gone out, `closed` at the very end.
final class Execution {
    let stream: UInt32
    private unowned let agent: Agent
    private let started = SystemClock.monotonic()

    private let launch: Launch
    private var outputs: [CommandOutput] = []
    private var sink: CommandInput?
    /// What came for the command's stdin before there was a command.
    private var earlyInput: [[UInt8]] = []
    private var endsInput = false
    private var earlySignals: [CInt] = []
    private let terminal: Terminal?
    /// What the keeper still lets this stream send.
    private var outgoing = Credit()
    /// What the keeper may still send this stream.
    private var incoming = Credit()
    private var status: ExitStatus?
    private var reportedExit = false
    private var timedOut = false
    private var timer: EventLoop.Timer?
    private var announcement: EventLoop.Timer?
    private var isRunning = false
    private var isAnnounced = false

    /// Begins to start the command.
    init(_ stream: UInt32, _ request: OpenRequest, agent: Agent) throws(CoteError) {
        self.stream = stream
        self.agent = agent
        launch = try Launch(request, agent: agent)
        terminal = launch.terminal
        if let timeout = launch.timeout { schedule(timeout.nanoseconds) { $0.expire() } }
        // Both hold the execution: whatever becomes of it meanwhile, this ends there.
        agent.loop.perform { [launch] in
            launch.run()
        } then: { [self] error in
            launched(error)
        }
    }

    /// The command's pid until its end has been seen, after which the number may be another's.
    var livePid: Int32? { status == nil && launch.pid != 0 ? launch.pid : nil }

    /// The child has become its program, or never will.
    private func launched(_ error: SystemError?) {
        launch.finish()
        if let error { return refuse(CoteError(.limitReached, "cannot start a command: \(error)")) }
        if let failure = launch.failure { return refuse(failure) }
        isRunning = true
        earlySignals.forEach(signal)
        connect()
        // What has ended already need not be watched.
        agent.collectChildren()
        if !isFinished { watch() }
    }

    private func refuse(_ error: CoteError) {
        agent.send(.refused, stream, Refusal(error.code, error.message).payload)
        finish()
    }

    private func connect() {
        let streams = launch.takeStreams()
        outputs = streams.outputs.map { CommandOutput($0.0, $0.1, on: agent.loop) }
        if let descriptor = streams.input {
            let sink = CommandInput(descriptor, isTerminal: terminal != nil, on: agent.loop) { [unowned self] count in
                giveCredit(count)
            }
            self.sink = sink
            for bytes in earlyInput { sink.write(bytes) }
            if endsInput { sink.end() }
        } else {
            giveCredit(earlyInput.reduce(0) { $0 + $1.count })
        }
        earlyInput = []
        // A start that took long may have been seen to end.
        settle()
    }

    private func watch() {
        announceSoon()
        for output in outputs where !output.isAtEnd {
            let isWatched = output.watch { [weak self] output in
                guard let self else { return }
                readSome(output)
                settle()
            }
            if !isWatched { signal(SIGKILL) }
        }
        settle()
    }

    // MARK: What the keeper says

    func input(_ bytes: [UInt8]) throws(WireViolation) {
        guard incoming.take(exactly: bytes.count) else { throw .unexpected("input beyond its credit") }
        if !isRunning {
            earlyInput.append(bytes)
        } else if let sink {
            sink.write(bytes)
        } else {
            giveCredit(bytes.count)
        }
    }

    func endInput() {
        endsInput = true
        sink?.end()
    }

    func credit(_ count: Int) throws(WireViolation) {
        guard outgoing.give(count) else { throw .unexpected("credit beyond the window") }
        resumeReading()
    }

    func signal(_ number: CInt) {
        guard status == nil, (1...64).contains(number) else { return }
        guard launch.pid != 0 else {
            if earlySignals.count < 64 { earlySignals.append(number) }
            return
        }
        // Before the child has made a group of its own there is nobody else to reach. It keeps its signals until it is
        // ready for them.
        if !Processes.signalGroup(launch.pid, number), agent.guards.holds(.ownSession) { kill(launch.pid, number) }
    }

    func resize(_ size: TerminalSize) { terminal?.resize(size) }

    func resumeReading() {
        guard !agent.isCongested else { return }
        for output in outputs where output.isPaused && outgoing.available > 0 { output.resume() }
    }

    // MARK: What the command does

    func ended(_ status: ExitStatus) {
        self.status = status
        if let timer { agent.loop.cancel(timer) }
        settle()
    }

    /// Tells that the command runs: with its first output or its exit, if they come soon, for a word of its own would
    /// wake the keeper and the client for nothing.
    private func announceSoon() {
        announcement = agent.loop.schedule(after: 2_000_000) { [weak self] in self?.announce() }
    }

    private func announce() {
        guard !isAnnounced else { return }
        isAnnounced = true
        if let announcement { agent.loop.cancel(announcement) }
        agent.send(.opened, stream)
    }

    private func readSome(_ output: CommandOutput) {
        guard !isFinished, !agent.isCongested else { return output.pause() }
        let most = min(outgoing.available, Frame.limit(output.kind))
        guard most > 0 else { return output.pause() }
        let count = output.read(into: &agent.buffer, limit: most)
        guard count > 0, outgoing.take(exactly: count) else { return }
        announce()
        agent.buffer.first(count) { agent.send(output.kind, stream, bytes: $0) }
    }

    /// After the command's exit: sends what it had written, then the exit, then the end.
    private func settle() {
        guard let status, isRunning, !isFinished else { return }
        if !reportedExit {
            announce()
            for output in outputs {
                while !output.isEmpty, !output.isPaused { readSome(output) }
            }
            guard outputs.allSatisfy(\.isEmpty) else { return }
            reportExit(status)
        }
        if outputs.allSatisfy(\.isAtEnd) {
            agent.send(.closed, stream)
            // Before what is left to clear away: a client waits for it, and the kernel may have put the keeper behind
            // this process on the same processor.
            agent.flush()
            sched_yield()
            finish()
        }
    }

    private func reportExit(_ status: ExitStatus) {
        reportedExit = true
        var result = CommandResult(exitCode: 0, timedOut: timedOut)
        switch status {
        case .exited(let code): result.exitCode = code
        case .signaled(let number): result.signal = number
        }
        result.duration = TimeSpan(milliseconds: (SystemClock.monotonic() - started) / 1_000_000)
        agent.send(.exit, stream, Exit(result).payload)
        sink?.close()
    }

    private func giveCredit(_ count: Int) {
        guard count > 0, incoming.give(count) else { return }
        agent.send(.credit, stream, Credit.payload(count))
    }

    // MARK: Its end

    private func schedule(_ nanoseconds: UInt64, _ action: @escaping (Execution) -> Void) {
        timer = agent.loop.schedule(after: nanoseconds) { [weak self] in self.map(action) }
    }

    /// Time is over: TERM, and KILL for what is left two seconds later.
    private func expire() {
        timedOut = true
        signal(SIGTERM)
        schedule(2_000_000_000) { $0.signal(SIGKILL) }
    }

    private var isFinished = false

    private func finish() {
        isFinished = true
        if let announcement { agent.loop.cancel(announcement) }
        outputs.forEach { $0.close() }
        sink?.close()
        agent.pipes.refill()
        agent.forget(self)
    }
}
