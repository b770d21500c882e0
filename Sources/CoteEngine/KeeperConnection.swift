import CoteModel
import CoteSystem
import CoteWire
import Synchronization

/// A connection to one sandbox's keeper. Requests go out from any task; answers are taken on the engine's loop.
final class KeeperConnection: Sendable {
    private struct State {
        var report = StateReport(.creating)
        var isLost = false
        /// Why the keeper did not take this client in.
        var refusal: CoteError?
        var nextStream: UInt32 = 1
        /// Commands that have not ended; whether anybody still wants to know is their owners' business.
        var executions: [UInt32: WeakExecution] = [:]
        var waiters: [@Sendable (StateReport) -> Bool] = []
    }

    let id: SandboxID
    private let loop: EngineLoop
    private let state = Mutex(State())
    private let writer: ConnectionWriter
    /// The reading half. Touched on the loop's thread only.
    private let link = LoopConfined<FrameLink>()

    init(_ id: SandboxID, _ descriptor: consuming Descriptor, on loop: EngineLoop, boot: BootRequest? = nil) {
        self.id = id
        self.loop = loop
        let shared = SharedDescriptor(descriptor)
        try? shared.descriptor.setNonblocking()
        writer = ConnectionWriter(shared, on: loop)
        loop.run { [self] events in
            guard let descriptor = try? shared.descriptor.duplicate(),
                let link = try? FrameLink(descriptor, on: events, handler: { [weak self] in self?.receive($0) })
            else { return lose() }
            self.link.value = link
        }
        send(.hello, payload: Hello().payload)
        if let boot { send(.boot, payload: boot.payload) }
    }

    /// Whoever still waits for a command holds its execution, and that holds the connection.
    deinit { loop.run { [link] _ in link.value?.close() } }

    // MARK: Requests

    func open(_ request: OpenRequest) throws(CoteError) -> Execution {
        try request.check()
        let payload = request.payload
        guard payload.count <= Frame.limit(.open) else {
            throw CoteError(
                .requestTooLarge, "the command and its environment take \(payload.count) bytes",
                hint: "at most \(Frame.limit(.open)) fit; pass large input on stdin")
        }
        let execution = state.withLock { state in
            let execution = Execution(
                stream: state.nextStream, connection: self, isPrompt: state.report.phase == .ready)
            state.nextStream += 1
            if state.isLost {
                execution.fail(Self.lost(id, state))
            } else {
                state.executions[execution.stream] = WeakExecution(value: execution)
            }
            return execution
        }
        send(.open, stream: execution.stream, payload: payload)
        return execution
    }

    func send(_ kind: Frame.Kind, stream: UInt32 = 0, payload: [UInt8] = []) {
        writer.send(Frame(kind, stream: stream, payload: payload))
    }

    /// Why the keeper did not take this client in; known once the connection has been lost.
    var refusal: CoteError? { state.withLock { $0.refusal } }

    /// Waits until the sandbox's state satisfies `isReached`, or it has ended.
    func wait(until isReached: @escaping @Sendable (SandboxPhase) -> Bool) async -> StateReport {
        await withCheckedContinuation { continuation in
            let now: StateReport? = state.withLock { state in
                if isReached(state.report.phase) || !state.report.phase.isAlive || state.isLost {
                    return Self.settled(state)
                }
                state.waiters.append { report in
                    guard isReached(report.phase) || !report.phase.isAlive else { return false }
                    continuation.resume(returning: report)
                    return true
                }
                return nil
            }
            if let now { continuation.resume(returning: now) }
        }
    }

    // MARK: Answers

    private func receive(_ event: FrameLink.Event) {
        switch event {
        case .frame(let frame): do { try handle(frame) } catch { end() }
        case .data(let kind, let stream, let bytes): receive(kind, stream, Array(bytes))
        case .closed, .violation: end()
        }
    }

    private func end() {
        link.value?.close()
        link.value = nil
        lose()
    }

    private func receive(_ kind: Frame.Kind, _ stream: UInt32, _ bytes: [UInt8]) {
        guard kind != .input, !bytes.isEmpty else { return }
        let execution = state.withLock { $0.executions[stream] }
        if let value = execution?.value {
            value.receive(Execution.Chunk(isError: kind == .errorOutput, bytes: bytes))
        } else if execution != nil {
            // Nobody reads it any more; the journal has it, and the command goes on.
            send(.credit, stream: stream, payload: Credit.payload(bytes.count))
        }
    }

    private func handle(_ frame: Frame) throws(WireViolation) {
        switch frame.kind {
        case .hello:
            guard try Hello(payload: frame.payload).agreed(with: Hello()) != nil else { throw .unexpected("version") }
        case .state:
            let report = try StateReport(payload: frame.payload)
            let waiters = state.withLock { state in
                state.report = report
                defer { state.waiters = [] }
                return state.waiters
            }
            let left = waiters.filter { !$0(report) }
            state.withLock { $0.waiters += left }
        case .refused where frame.stream == 0:
            let refusal = try Refusal(payload: frame.payload)
            state.withLock { $0.refusal = CoteError(refusal.code, refusal.message) }
        default:
            let ends = frame.kind == .refused || frame.kind == .closed
            let execution = state.withLock { state in
                ends ? state.executions.removeValue(forKey: frame.stream) : state.executions[frame.stream]
            }
            try execution?.value?.handle(frame)
        }
    }

    /// The keeper is gone; whoever waits learns it.
    private func lose() {
        let last = state.withLock { state in
            state.isLost = true
            defer {
                state.waiters = []
                state.executions = [:]
            }
            return state
        }
        let report = Self.settled(last)
        for waiter in last.waiters { _ = waiter(report) }
        for execution in last.executions.values { execution.value?.fail(Self.lost(id, last)) }
    }

    private static func settled(_ state: State) -> StateReport {
        guard state.isLost, state.report.phase.isAlive else { return state.report }
        return StateReport(.died, reason: .keeperLost, detail: "its keeper is gone")
    }

    private static func lost(_ id: SandboxID, _ state: State) -> CoteError {
        if let refusal = state.refusal { return refusal }
        let report = settled(state)
        guard report.phase == .died else {
            return CoteError(.sandboxDied, "sandbox \(id) has stopped")
        }
        return CoteError.died(id, report)
    }
}

private struct WeakExecution {
    weak var value: Execution?
}

/// A value that only the engine's loop touches.
final class LoopConfined<Value>: @unchecked Sendable {
    // INVARIANT: read and written only in jobs and handlers of one EngineLoop, which is one thread.
    var value: Value?
}

extension CoteError {
    static func died(_ id: SandboxID, _ report: StateReport) -> CoteError {
        let detail = report.detail.isEmpty ? "" : ": \(report.detail)"
        return CoteError(
            .sandboxDied, "sandbox \(id) died (\(report.reason?.rawValue ?? "unknown"))\(detail)",
            hint: "cote logs \(id) shows what happened")
    }
}
