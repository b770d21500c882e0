public import CoteModel
import CoteSystem
import CoteWire
import Glibc

/// PID 1 of a sandbox: takes requests from the keeper over one channel, runs them, and reaps whatever is orphaned.
/// One event loop, on one thread at a time. When the channel ends, it exits, and the kernel ends everything else.
///
///     keeper ⇄ channel ⇄ Agent ─┬─ Execution (one per stream) ── command
///                               └─ Execution …
public final class Agent {
    /// The channel, unless the runtime can pass only standard streams.
    public static let channelDescriptor: CInt = 3

    /// Commands at once; more are refused.
    static let mostExecutions = 512
    /// Of each of them: stdin, stdout and stderr, and both sides of them while it starts.
    private static let mostDescriptors = UInt64(mostExecutions) * 6 + 64
    /// When this much waits for the keeper, no more is read from commands.
    static let mostBacklog = 1 << 20

    let loop: EventLoop
    let guards: GuardSet
    let nothing: Descriptor
    /// A `/proc` that can be written to, where the sandbox has one for the agent.
    let processes = try? SharedDescriptor(.directory("/.cote/private/proc"))
    /// The limit of descriptors that commands have, unless they ask for another; the agent's own is higher.
    let inheritedDescriptors = Processes.limit(of: .nofile)
    private let reaper: ChildReaper
    private var executions: [UInt32: Execution] = [:]
    let pipes = PipeStock()
    private var link: FrameLink?
    private var greeted = false
    /// For all reads from commands.
    var buffer = ReadBuffer(size: 64 << 10)

    private init(_ guards: GuardSet) throws(SystemError) {
        self.guards = guards
        Processes.raiseDescriptorLimit(to: Self.mostDescriptors)
        loop = try EventLoop()
        reaper = try ChildReaper(on: loop)
        nothing = try Descriptor.open("/dev/null", O_RDWR)
        try loop.standInForCalls()
        reaper.unexpected = { [unowned self] pid, status in
            executions.values.first { $0.livePid == pid }?.ended(status)
        }
    }

    /// Runs until the channel ends; the program's exit code.
    public static func main(_ arguments: [String], guards: GuardSet) -> Int32 {
        if arguments.count > 1, arguments[1] == "files" { return FileVerbs.run(Array(arguments.dropFirst(2))) }
        do {
            try protect(guards)
            let agent = try Agent(guards)
            try agent.serve()
            return 0
        } catch {
            let message = Array("cote-agent: \(error)\n".utf8)
            _ = message.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            return 125
        }
    }

    /// From here on no command of any user can trace the agent, read its memory or take its descriptors. What holds for
    /// the agent and commands alike, commands inherit.
    private static func protect(_ guards: GuardSet) throws(SystemError) {
        Processes.resetSignals()
        ignoreBrokenPipes()
        umask(0o022)
        setgroups(0, nil)
        if guards.holds(.undumpable) { try Processes.setUndumpable() }
        if guards.holds(.commandCapabilities) { Processes.dropBoundingSet() }
        if guards.holds(.noNewPrivileges) { try Processes.setNoNewPrivileges() }
        if guards.holds(.systemCallFilter) { try SystemCallPolicy.filter.install() }
    }

    private func serve() throws(SystemError) {
        let channel = Descriptor(owning: Self.channelDescriptor)
        if guards.holds(.closedDescriptors) { try channel.setCloseOnExec() }
        let link = try FrameLink(channel, on: loop) { [self] event in receive(event) }
        self.link = link
        link.onDrained { [self] in
            for execution in Array(executions.values) { execution.resumeReading() }
        }
        link.send(.hello, payload: Hello(build: AgentBuild.version, capabilities: ["exec", "files"]).payload)
        pipes.refill()
        loop.restsWhenIdle = true
        try loop.run()
    }

    private func receive(_ event: FrameLink.Event) {
        switch event {
        case .frame(let frame):
            do { try handle(frame) } catch { end() }
        case .data(let kind, let stream, let bytes):
            guard greeted, kind == .input else { return end() }
            do { try executions[stream]?.input(Array(bytes)) } catch { end() }
        case .closed, .violation: end()
        }
    }

    private func end() {
        if guards.holds(.endsWithChannel) { exit(0) }
    }

    private func handle(_ frame: Frame) throws(WireViolation) {
        guard greeted else {
            guard frame.kind == .hello, try Hello(payload: frame.payload).agreed(with: Hello()) != nil else {
                throw .unexpected("first frame")
            }
            greeted = true
            return
        }
        if frame.kind == .open {
            open(frame.stream, try OpenRequest(payload: frame.payload))
            return
        }
        // A stream that has ended may still be spoken to: the keeper did not know yet.
        guard let execution = executions[frame.stream] else { return }
        switch frame.kind {
        case .inputEnd: execution.endInput()
        case .credit: try execution.credit(try Credit.count(payload: frame.payload))
        case .signal:
            var reader = PayloadReader(frame.payload, "signal")
            execution.signal(CInt(truncatingIfNeeded: try reader.get(UInt32.self)))
        case .resize:
            var reader = PayloadReader(frame.payload, "resize")
            execution.resize(TerminalSize(rows: try reader.get(), columns: try reader.get()))
        default: throw .unexpected("\(frame.kind)")
        }
    }

    private func open(_ stream: UInt32, _ request: OpenRequest) {
        do throws(CoteError) {
            guard executions[stream] == nil else {
                throw CoteError(.protocolViolation, "stream \(stream) is open already")
            }
            guard executions.count < Self.mostExecutions else {
                throw CoteError(.limitReached, "more than \(Self.mostExecutions) commands at once")
            }
            executions[stream] = try Execution(stream, request, agent: self)
        } catch {
            send(.refused, stream, Refusal(error.code, error.message).payload)
        }
    }
}

extension Agent {
    func send(_ kind: Frame.Kind, _ stream: UInt32, _ payload: [UInt8] = []) {
        link?.send(kind, stream: stream, payload: payload)
    }

    func send(_ kind: Frame.Kind, _ stream: UInt32, bytes: UnsafeRawBufferPointer) {
        link?.send(kind, stream: stream, bytes: bytes)
    }

    func flush() { link?.flush() }
    func collectChildren() { reaper.collect() }

    /// Whether commands must wait because the keeper has not taken what it was sent.
    var isCongested: Bool { (link?.backlog ?? 0) > Self.mostBacklog }

    func forget(_ execution: Execution) { executions[execution.stream] = nil }
}

/// What this agent calls itself.
public enum AgentBuild {
    /// Sent in the agent's hello.
    public static let version = "cote-agent/0.1.0"
}
