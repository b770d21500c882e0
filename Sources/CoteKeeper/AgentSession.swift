import CoteModel
import CoteSystem
import CoteWire
import Glibc

/// The channel to the agent, which is hostile by assumption: every frame is checked against what this side knows of its
/// stream, and a violation ends the sandbox.
final class AgentSession {
    private unowned let keeper: Keeper
    private var link: FrameLink?
    private(set) var isGreeted = false
    private var isReady = false
    private var streams: [UInt32: KeptStream] = [:]
    private var routes: [ClientSession.Route: UInt32] = [:]
    /// Requests that came before the sandbox was ready.
    private var early: [UInt32] = []
    /// Kills for memory that no command's end has shown yet.
    private var unexplainedKills: UInt64 = 0

    init(_ descriptor: consuming Descriptor, keeper: Keeper) throws(SystemError) {
        self.keeper = keeper
        link = try FrameLink(descriptor, on: keeper.loop) { [unowned self] event in receive(event) }
        link?.send(.hello, payload: Hello().payload)
    }

    var isIdle: Bool { streams.values.allSatisfy(\.hasExited) }
    var running: [UInt32] { streams.values.filter { !$0.hasExited }.map(\.number).sorted() }

    // MARK: From the keeper

    func ready() {
        isReady = true
        for number in early { if let stream = streams[number] { start(stream) } }
        early = []
    }

    func open(_ request: OpenRequest, _ payload: [UInt8], for client: ClientSession, _ clientStream: UInt32) {
        if keeper.chronicle.isFull {
            let refusal = Refusal(.outputLimit, "the journal has reached its limit")
            return client.send(.refused, stream: clientStream, payload: refusal.payload)
        }
        let number = keeper.chronicle.nextExecution()
        let stream = KeptStream(number, request, payload, client: client, clientStream: clientStream)
        streams[number] = stream
        routes[client.route(clientStream)] = number
        if isReady { start(stream) } else { early.append(number) }
    }

    private func start(_ stream: KeptStream) {
        link?.send(.open, stream: stream.number, payload: stream.takePayload())
        // The agent starts the command while this writes it down; nothing it answers is looked at before that is done.
        link?.flush()
        // The kernel may have put the agent behind this process on the same processor.
        sched_yield()
        keeper.chronicle.started(stream)
    }

    /// Passes on what a client says about its stream. What exceeds a credit is dropped with the client's stream.
    func forward(_ frame: Frame, to route: ClientSession.Route) {
        guard let number = routes[route], let stream = streams[number] else { return }
        switch frame.kind {
        case .credit:
            guard let count = try? Credit.count(payload: frame.payload), stream.giveOutput(count) else { return }
        case .input:
            guard stream.incoming.take(exactly: frame.payload.count) else { return }
        default: break
        }
        link?.send(frame.kind, stream: number, payload: frame.payload)
    }

    func signalAll(_ signal: CInt) {
        for stream in streams.values where !stream.hasExited { send(signal, to: stream) }
    }

    private func send(_ signal: CInt, to stream: KeptStream) {
        var writer = PayloadWriter()
        writer.put(UInt32(signal))
        link?.send(.signal, stream: stream.number, payload: writer.bytes)
    }

    /// The client has gone: its commands go on, their stdin ends, and the journal alone takes their output.
    func detach(_ client: ClientSession) {
        for stream in streams.values where stream.client === client {
            routes[client.route(stream.clientStream)] = nil
            stream.client = nil
            link?.send(.inputEnd, stream: stream.number)
            giveBack(stream)
        }
    }

    /// The sandbox is over. Clients that wait for a command learn that it has no result.
    func endAll() {
        for stream in streams.values where !stream.hasExited {
            keeper.chronicle.abandoned(stream)
        }
        link?.close()
        link = nil
    }

    // MARK: From the agent

    private func receive(_ event: FrameLink.Event) {
        switch event {
        case .frame(let frame): check { () throws(WireViolation) in try handle(frame) }
        case .data(let kind, let stream, let bytes):
            check { () throws(WireViolation) in
                // Before hello, no stream is open.
                guard kind != .input, let stream = streams[stream] else { throw .unexpected("data") }
                try output(kind, bytes, stream)
            }
        case .closed: keeper.handle(.agentClosed)
        case .violation(let violation): keeper.handle(.agentViolated(violation.summary))
        }
    }

    private func check(_ body: () throws(WireViolation) -> Void) {
        do { try body() } catch {
            link?.close()
            keeper.handle(.agentViolated(error.summary))
        }
    }

    private func handle(_ frame: Frame) throws(WireViolation) {
        guard isGreeted else {
            guard frame.kind == .hello, try Hello(payload: frame.payload).agreed(with: Hello()) != nil else {
                throw .unexpected("first frame")
            }
            isGreeted = true
            return keeper.agentGreeted()
        }
        guard let stream = streams[frame.stream] else { throw .unexpected("stream") }
        switch frame.kind {
        case .opened:
            guard !stream.isOpen, frame.payload.isEmpty else { throw .unexpected("opened") }
            stream.isOpen = true
            stream.pass(frame)
        case .credit:
            guard stream.incoming.give(try Credit.count(payload: frame.payload)) else { throw .unexpected("credit") }
            stream.pass(frame)
        case .refused:
            guard !stream.isOpen else { throw .unexpected("refused") }
            let refusal = try Refusal(payload: frame.payload)
            keeper.chronicle.refused(stream, refusal)
            stream.pass(frame)
            forget(stream)
        case .exit: try exited(stream, try Exit(payload: frame.payload).result)
        case .closed:
            guard stream.hasExited, frame.payload.isEmpty else { throw .unexpected("closed") }
            stream.pass(frame)
            forget(stream)
        default: throw .unexpected("\(frame.kind)")
        }
    }

    private func output(
        _ kind: Frame.Kind, _ bytes: UnsafeRawBufferPointer, _ stream: KeptStream
    ) throws(WireViolation) {
        guard stream.isOpen else { throw .unexpected("output before it is opened") }
        guard stream.takeOutput(bytes.count) else { throw .unexpected("output beyond its credit") }
        switch keeper.chronicle.output(stream, isError: kind == .errorOutput, bytes) {
        case .written: stream.client?.send(kind, stream: stream.clientStream, bytes: bytes)
        case .dropped: break
        case .limitReached:
            stream.hitOutputLimit = true
            send(SIGKILL, to: stream)
        case .diskFull: return keeper.handle(.diskFull)
        }
        if stream.client == nil || stream.hitOutputLimit { giveBack(stream) }
    }

    /// Nobody else will: lets the agent send as much again.
    private func giveBack(_ stream: KeptStream) {
        let count = stream.owed
        guard count > 0, stream.giveOutput(count) else { return }
        link?.send(.credit, stream: stream.number, payload: Credit.payload(count))
    }

    private func exited(_ stream: KeptStream, _ reported: CommandResult) throws(WireViolation) {
        guard stream.isOpen, !stream.hasExited else { throw .unexpected("exit") }
        var result = reported
        let wasKilled = result.signal == SIGKILL || result.exitCode == 128 + SIGKILL
        // The kernel's own notice may come later; reading the count takes longer than all the rest here.
        if wasKilled { keeper.noteKills() }
        stream.hasExited = true
        result.outputLimit = stream.hitOutputLimit
        if wasKilled, stream.sawKill, unexplainedKills > 0 {
            unexplainedKills -= 1
            result.outOfMemory = true
        }
        keeper.chronicle.exited(stream, result)
        stream.pass(Frame(.exit, payload: Exit(result).payload))
        if isIdle { keeper.commandsEnded() }
    }

    private func forget(_ stream: KeptStream) {
        streams[stream.number] = nil
        if let client = stream.client { routes[client.route(stream.clientStream)] = nil }
        if !stream.hasExited, isIdle { keeper.commandsEnded() }
    }

    /// The kernel has killed for memory: as many commands that run now and end by KILL, that was why.
    func noteKills(_ count: UInt64) {
        unexplainedKills = isIdle ? 0 : unexplainedKills + count
        for stream in streams.values where !stream.hasExited { stream.sawKill = true }
    }
}

/// One command as the keeper knows it.
final class KeptStream {
    /// `n` in the journal, and the stream's number on the channel.
    let number: UInt32
    let request: OpenRequest
    /// The request as the client sent it, until it has gone on to the agent.
    private var payload: [UInt8]
    var client: ClientSession?
    let clientStream: UInt32
    var incoming = Credit()
    var isOpen = false
    var hasExited = false
    var hitOutputLimit = false
    var sawKill = false
    /// Bytes of a transfer that went in or out.
    var transferred: UInt64 = 0
    private var outgoing = Credit()

    init(
        _ number: UInt32, _ request: OpenRequest, _ payload: [UInt8], client: ClientSession, clientStream: UInt32
    ) {
        self.number = number
        self.request = request
        self.payload = payload
        self.client = client
        self.clientStream = clientStream
    }

    func takePayload() -> [UInt8] {
        defer { payload = [] }
        return payload
    }

    /// Output that the agent has sent and not been given credit for again.
    var owed: Int { Credit.window - outgoing.available }
    func takeOutput(_ count: Int) -> Bool { outgoing.take(exactly: count) }
    func giveOutput(_ count: Int) -> Bool { outgoing.give(count) }
    func pass(_ frame: Frame) { client?.send(frame, stream: clientStream) }
}
