public import CoteSystem
import Glibc

/// A byte stream on an event loop, seen as frames. What is sent during one round of the loop leaves in one write.
///
/// Holds at most one partial frame of input; output is bounded by the credits of its streams.
public final class FrameLink {
    /// What the other side did.
    public enum Event {
        case frame(Frame)
        /// Bytes of a stream (`input`, `output`, `errorOutput`), to be used before the handler returns.
        case data(Frame.Kind, stream: UInt32, UnsafeRawBufferPointer)
        /// It closed the stream, or reading failed. Nothing more comes.
        case closed
        /// It broke the protocol. Nothing more comes.
        case violation(WireViolation)
    }

    private let descriptor: Descriptor
    private let loop: EventLoop
    private var decoder = FrameDecoder()
    private var outgoing: [UInt8] = []
    private var sent = 0
    private var interest = EventLoop.Interest.read
    private var isOpen = true
    private var handler: (Event) -> Void
    private var drained: () -> Void = {}

    /// Starts reading at once; `handler` is called from the loop only.
    public init(
        _ descriptor: consuming Descriptor, on loop: EventLoop, handler: @escaping (Event) -> Void
    ) throws(SystemError) {
        self.descriptor = descriptor
        self.loop = loop
        self.handler = handler
        try self.descriptor.setNonblocking()
        try loop.add(self.descriptor, .read) { [weak self] interest in self?.ready(interest) }
        loop.beforeWait[ObjectIdentifier(self)] = { [weak self] in self?.flush() }
    }

    /// Bytes that the other side has not taken yet.
    public var backlog: Int { outgoing.count - sent }

    /// Above this backlog nothing is read: a peer that asks and does not listen waits, and costs no more memory.
    public var mostBacklog = Int.max

    /// Called when a backlog has been taken whole.
    public func onDrained(_ action: @escaping () -> Void) { drained = action }

    /// Queues a frame for the end of this round of the loop; nothing after `close`.
    public func send(_ kind: Frame.Kind, stream: UInt32 = 0, payload: [UInt8] = []) {
        guard isOpen else { return }
        Frame(kind, stream: stream, payload: payload).encode(into: &outgoing)
    }

    /// Sends bytes as one frame; at most the kind's limit.
    public func send(_ kind: Frame.Kind, stream: UInt32, bytes: UnsafeRawBufferPointer) {
        guard isOpen else { return }
        flush()
        let header = Frame.header(kind, stream: stream, length: bytes.count)
        // Where nothing waits, the bytes go straight from the caller's buffer; only what does not fit is kept.
        var count = 0
        if backlog == 0 { count = (try? descriptor.write(some: header, bytes)) ?? 0 }
        guard count < header.count + bytes.count else { return }
        outgoing.append(contentsOf: header.dropFirst(count))
        outgoing.append(contentsOf: bytes.dropFirst(max(0, count - header.count)))
        settle()
    }

    /// Writes what can be written without waiting.
    public func flush() {
        guard isOpen, backlog > 0 else { return }
        do {
            while backlog > 0 {
                let count = try outgoing.withUnsafeBytes { bytes in
                    try descriptor.write(some: UnsafeRawBufferPointer(rebasing: bytes[sent...]))
                }
                if count == 0 { break }
                sent += count
            }
        } catch {
            // The reader will see the end of the stream; until then nobody takes what is sent.
            outgoing.removeAll()
            sent = 0
        }
        settle()
    }

    /// Writes everything, waiting for the other side to take it; gives up at `deadline`, by the monotonic clock.
    public func drain(until deadline: UInt64) {
        flush()
        while isOpen, backlog > 0 {
            let now = SystemClock.monotonic()
            guard now < deadline else { return }
            var entry = pollfd(fd: descriptor.raw, events: Int16(POLLOUT), revents: 0)
            poll(&entry, 1, CInt((deadline - now) / 1_000_000 + 1))
            flush()
        }
    }

    /// Ends the link and forgets its handlers. Safe to call twice, and from a handler.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        loop.remove(descriptor)
        loop.beforeWait[ObjectIdentifier(self)] = nil
        shutdown(descriptor.raw, CInt(SHUT_RDWR))
        handler = { _ in }
        drained = {}
    }

    private func settle() {
        let waits = backlog > 0
        if !waits {
            outgoing.removeAll(keepingCapacity: outgoing.capacity <= 512 << 10)
            sent = 0
        } else if sent > 256 << 10 {
            outgoing.removeFirst(sent)
            sent = 0
        }
        let wasWaiting = interest.contains(.write)
        let wanted: EventLoop.Interest = !waits ? .read : backlog > mostBacklog ? .write : [.read, .write]
        if wanted != interest {
            interest = wanted
            loop.change(descriptor, wanted)
        }
        if wasWaiting, !waits { drained() }
    }

    private func ready(_ interest: EventLoop.Interest) {
        if interest.contains(.write) { flush() }
        guard isOpen, interest.contains(.read) || !interest.isDisjoint(with: .hangUp) else { return }
        var outcome = ReadOutcome.end
        decoder.fill { room in
            outcome = (try? descriptor.read(into: room)) ?? .end
            if case .bytes(let count) = outcome { return count }
            return 0
        }
        switch outcome {
        case .wouldBlock: return
        case .end: finish(.closed)
        case .bytes: receive()
        }
    }

    private func receive() {
        do {
            while isOpen, let position = try decoder.nextPosition() { deliver(position) }
        } catch {
            finish(.violation(error))
        }
    }

    private func deliver(_ position: FrameDecoder.Position) {
        let (kind, stream) = (position.kind, position.stream)
        decoder.withPayload(position) { payload in
            switch kind {
            case .input, .output, .errorOutput: handler(.data(kind, stream: stream, payload))
            default: handler(.frame(Frame(kind, stream: stream, payload: Array(payload))))
            }
        }
    }

    private func finish(_ event: Event) {
        let handler = handler
        close()
        handler(event)
    }
}
