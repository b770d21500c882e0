public import CoteModel
import CoteSystem
import CoteWire
import Glibc
import Synchronization

/// A command that runs in a sandbox, from the caller's side.
///
/// Its output arrives as it is read: a caller that stops reading stops the command, and nothing else. When the task
/// that waits is cancelled, or lets go of this, the command goes on; call `signal` to end it.
public final class Execution: Sendable {
    /// Bytes from the command, in order.
    public struct Chunk: Hashable, Sendable {
        /// From stderr; false for stdout and for a terminal, which mixes both.
        public var isError: Bool
        /// Never empty, at most 64 KiB.
        public var bytes: [UInt8]
    }

    private struct State {
        var chunks: [Chunk] = []
        var isDiscarding = false
        /// Whether it is too late, or too early, to look out for the first answer.
        var isWaitedFor: Bool
        var isOpened = false
        var result: Result<CommandResult, CoteError>?
        var reader: CheckedContinuation<Void, Never>?
        var writer: CheckedContinuation<Void, Never>?
        var openers: [CheckedContinuation<Void, Never>] = []
        var waiters: [CheckedContinuation<Void, Never>] = []
        var credit = Credit()
        /// Bytes that came and were not given back as credit, and those of them that have been read.
        var owed = 0
        var read = 0

        var isOver: Bool { result != nil }

        /// Those who wait for what is there now. To wake anybody else would cost a thread's wake-up.
        mutating func takeAwake() -> [CheckedContinuation<Void, Never>] {
            var awake: [CheckedContinuation<Void, Never>] = []
            if isOver || isOpened { awake += openers.take() }
            if isOver { awake += waiters.take() }
            if isOver || !chunks.isEmpty, let reader = reader.take() { awake.append(reader) }
            if isOver || credit.available > 0, let writer = writer.take() { awake.append(writer) }
            return awake
        }

        /// What to give back now: credit travels far, so it goes in halves of the window.
        mutating func creditForRead(_ count: Int) -> Int {
            read += count
            return read >= Credit.window / 2 ? takeRead() : 0
        }

        mutating func takeRead() -> Int {
            defer {
                owed -= read
                read = 0
            }
            return read
        }

        mutating func takeOwed() -> Int {
            read = owed
            return takeRead()
        }
    }

    let stream: UInt32
    private let connection: KeeperConnection
    private let state: Mutex<State>

    /// - Parameter isPrompt: whether the command begins at once, in a sandbox that is up.
    init(stream: UInt32, connection: KeeperConnection, isPrompt: Bool) {
        self.stream = stream
        self.connection = connection
        state = Mutex(State(isWaitedFor: !isPrompt))
    }

    /// The command goes on, with an end to its stdin; what nobody has read, nobody will.
    deinit {
        let (owed, isOver) = state.withLock { ($0.takeOwed(), $0.result != nil) }
        giveBack(owed)
        if !isOver { connection.send(.inputEnd, stream: stream) }
    }

    // MARK: Output

    /// The next bytes of output, or `nil` once the command has exited. One task reads at a time.
    public func nextOutput() async -> Chunk? {
        while true {
            let (chunk, credit, isOver) = state.withLock { state in
                let chunk = state.chunks.isEmpty ? nil : state.chunks.removeFirst()
                return (chunk, state.creditForRead(chunk?.bytes.count ?? 0), state.result != nil)
            }
            giveBack(credit)
            if let chunk { return chunk }
            if isOver { return nil }
            await suspend {
                $0.reader = $1
            } unless: {
                !$0.chunks.isEmpty || $0.result != nil
            }
        }
    }

    /// Waits until the command runs.
    /// - Throws: why it could not be started.
    public func started() async throws(CoteError) {
        await suspend {
            $0.openers.append($1)
        } unless: {
            $0.isOpened || $0.result != nil
        }
        if case .failure(let error) = state.withLock({ $0.result }) { throw error }
    }

    /// Waits for the command's end. Output that nobody has read yet is thrown away; the journal has it.
    public func wait() async throws(CoteError) -> CommandResult {
        let owed = state.withLock { state in
            state.chunks = []
            state.isDiscarding = true
            return state.takeOwed()
        }
        giveBack(owed)
        await suspend {
            $0.waiters.append($1)
        } unless: {
            $0.result != nil
        }
        switch state.withLock({ $0.result }) {
        case .success(let result): return result
        case .failure(let error): throw error
        case nil: throw CoteError(.internal, "a command without a result")
        }
    }

    // MARK: Input

    /// Sends bytes to the command's stdin, waiting while it does not read. Bytes for a command that has exited are
    /// dropped.
    public func write(_ bytes: some Sequence<UInt8>) async {
        var rest = ArraySlice(Array(bytes))
        while !rest.isEmpty {
            let most = min(rest.count, Frame.limit(.input))
            let (count, isOver) = state.withLock { ($0.credit.take(upTo: most), $0.result != nil) }
            if isOver { return }
            if count == 0 {
                await suspend {
                    $0.writer = $1
                } unless: {
                    $0.credit.available > 0 || $0.result != nil
                }
                continue
            }
            connection.send(.input, stream: stream, payload: Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
    }

    /// The command reads end of file after what has been written.
    public func closeInput() { connection.send(.inputEnd, stream: stream) }

    /// Sends a signal to the command's process group.
    public func signal(_ number: Int32) {
        var writer = PayloadWriter()
        writer.put(UInt32(bitPattern: number))
        connection.send(.signal, stream: stream, payload: writer.bytes)
    }

    /// Tells the command's terminal its new size.
    public func resize(_ size: TerminalSize) {
        var writer = PayloadWriter()
        writer.put(size.rows)
        writer.put(size.columns)
        connection.send(.resize, stream: stream, payload: writer.bytes)
    }

    // MARK: From the connection

    func handle(_ frame: Frame) throws(WireViolation) {
        switch frame.kind {
        case .opened: change { $0.isOpened = true }
        case .credit:
            let count = try Credit.count(payload: frame.payload)
            change { _ = $0.credit.give(count) }
        case .exit: settle(.success(try Exit(payload: frame.payload).result))
        case .refused:
            let refusal = try Refusal(payload: frame.payload)
            settle(.failure(CoteError(refusal.code, refusal.message)))
        default: break
        }
    }

    func fail(_ error: CoteError) { settle(.failure(error)) }

    func receive(_ chunk: Chunk) {
        let isDropped = state.withLock { state in
            if state.isDiscarding || state.result != nil { return true }
            state.chunks.append(chunk)
            state.owed += chunk.bytes.count
            return false
        }
        if isDropped { giveBack(chunk.bytes.count) } else { change { _ in } }
    }

    private func giveBack(_ count: Int) {
        if count > 0 { connection.send(.credit, stream: stream, payload: Credit.payload(count)) }
    }

    private func settle(_ result: Result<CommandResult, CoteError>) {
        change { if $0.result == nil { $0.result = result } }
    }

    // MARK: Waiting

    /// Changes the state and wakes those for whom there is something; each looks again for itself.
    private func change(_ body: (inout State) -> Void) {
        let awake = state.withLock { state in
            body(&state)
            return state.takeAwake()
        }
        for continuation in awake { continuation.resume() }
    }

    /// Whether a thread of this program looks out; a second would take the processor from what both wait for.
    private static let isLookingOut = Atomic(false)

    /// Begins the first wait for a command of a sandbox that is up: looks again and again, for a millisecond at most,
    /// and gives way to whoever else can run. A processor that nobody uses meanwhile falls asleep, and a command passes
    /// so many processes that to wake it each time takes a tenth of the whole.
    private func lookOut(for isDone: (State) -> Bool) -> Bool {
        let isFirst = state.withLock { state in
            defer { state.isWaitedFor = true }
            return !state.isWaitedFor
        }
        guard isFirst, Self.isLookingOut.exchange(true, ordering: .relaxed) == false else { return false }
        defer { Self.isLookingOut.store(false, ordering: .relaxed) }
        let end = SystemClock.monotonic() + 1_000_000
        repeat {
            if state.withLock({ isDone($0) }) { return true }
            for _ in 0..<8 { sched_yield() }
        } while SystemClock.monotonic() < end
        return false
    }

    private func suspend(
        _ place: @escaping @Sendable (inout State, CheckedContinuation<Void, Never>) -> Void,
        unless isDone: @escaping @Sendable (State) -> Bool
    ) async {
        if lookOut(for: isDone) { return }
        await withCheckedContinuation { continuation in
            let done = state.withLock { state in
                if isDone(state) { return true }
                place(&state, continuation)
                return false
            }
            if done { continuation.resume() }
        }
    }
}

extension Array {
    fileprivate mutating func take() -> Self {
        defer { self = [] }
        return self
    }
}
