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
    let pid: Int32
    private unowned let agent: Agent
    private let started = SystemClock.monotonic()

    private var launch: Launch?
    private var outputs: [CommandOutput] = []
    private var sink: CommandInput?
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

    init(_ stream: UInt32, _ request: OpenRequest, agent: Agent) throws(CoteError) {
        self.stream = stream
        self.agent = agent
        let launch = try Launch(request, agent: agent)
        pid = launch.pid
        terminal = launch.terminal
        self.launch = launch
        do throws(SystemError) {
            try connect(launch)
        } catch {
            Processes.signalGroup(pid, SIGKILL)
            throw CoteError(.limitReached, "\(error)")
        }
        if let timeout = launch.timeout { schedule(timeout.nanoseconds) { $0.expire() } }
    }

    private func connect(_ launch: Launch) throws(SystemError) {
        for (kind, descriptor) in launch.takeOutputs() {
            outputs.append(
                try CommandOutput(kind, descriptor, on: agent.loop) { [weak self] output in
                    // Held until both are done: the first may find that the command has failed, and let it go.
                    guard let self else { return }
                    readSome(output)
                    settle()
                })
        }
        if let descriptor = launch.takeInput() {
            sink = try CommandInput(descriptor, isTerminal: terminal != nil, on: agent.loop) { [unowned self] count in
                giveCredit(count)
            }
        }
        try launch.watch(on: agent.loop) { [unowned self] in launched() }
        announceLater()
    }

    // MARK: What the keeper says

    func input(_ bytes: [UInt8]) throws(WireViolation) {
        guard incoming.take(exactly: bytes.count) else { throw .unexpected("input beyond its credit") }
        if let sink { sink.write(bytes) } else { giveCredit(bytes.count) }
    }

    func endInput() { sink?.end() }

    func credit(_ count: Int) throws(WireViolation) {
        guard outgoing.give(count) else { throw .unexpected("credit beyond the window") }
        resumeReading()
    }

    func signal(_ number: CInt) {
        guard status == nil, (1...64).contains(number) else { return }
        Processes.signalGroup(pid, number)
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
        announce()
        settle()
    }

    /// The child has become its program, or never will.
    private func launched() {
        guard let launch, !isRunning else { return }
        switch launch.outcome() {
        case .pending: return
        case .running:
            isRunning = true
        case .failed(let error):
            agent.send(.refused, stream, Refusal(error.code, error.message).payload)
            finish()
        }
        launch.unwatch(on: agent.loop)
    }

    /// Tells that the command runs: with its first output or its exit, if they come soon, for a word of its own would
    /// wake the keeper and the client for nothing.
    private func announce() {
        launched()
        guard launch != nil, isRunning else { return }
        launch = nil
        if let announcement { agent.loop.cancel(announcement) }
        agent.send(.opened, stream)
        resumeReading()
    }

    private func announceLater() {
        announcement = agent.loop.schedule(after: 2_000_000) { [weak self] in
            self?.announce()
            if self?.launch != nil { self?.announceLater() }
        }
    }

    private func readSome(_ output: CommandOutput) {
        announce()
        // A terminal echoes what is typed before there is a program: that waits until there is one.
        guard launch == nil, !isFinished, !agent.isCongested else { return output.pause() }
        let most = min(outgoing.available, Frame.limit(output.kind))
        guard most > 0 else { return output.pause() }
        let count = output.read(into: &agent.buffer, limit: most)
        guard count > 0, outgoing.take(exactly: count) else { return }
        agent.buffer.first(count) { agent.send(output.kind, stream, bytes: $0) }
    }

    /// After the command's exit: sends what it had written, then the exit, then the end.
    private func settle() {
        guard let status, launch == nil, !isFinished else { return }
        if !reportedExit {
            for output in outputs {
                while !output.isEmpty, !output.isPaused { readSome(output) }
            }
            guard outputs.allSatisfy(\.isEmpty) else { return }
            reportExit(status)
        }
        if outputs.allSatisfy(\.isAtEnd) {
            agent.send(.closed, stream)
            // Before what is left to clear away: a client waits for it.
            agent.flush()
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
        Processes.signalGroup(pid, SIGTERM)
        schedule(2_000_000_000) { Processes.signalGroup($0.pid, SIGKILL) }
    }

    private var isFinished = false

    private func finish() {
        isFinished = true
        launch?.unwatch(on: agent.loop)
        launch = nil
        if let announcement { agent.loop.cancel(announcement) }
        outputs.forEach { $0.close() }
        sink?.close()
        agent.forget(self)
    }
}
