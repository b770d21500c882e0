import CoteModel
import CoteSystem
import CoteWire

/// One client's connection. What a client does wrong ends its own connection and nothing else.
final class ClientSession {
    /// Streams one client may have open at once.
    private static let mostStreams = 1024
    /// Bytes that it may leave unread before its requests wait.
    private static let mostBacklog = 1 << 20

    private var link: FrameLink?
    private var greeted = false
    private var known: Set<UInt32> = []

    /// Taken once, and of the client that starts the keeper alone.
    var onBoot: ((BootRequest) -> Void)?
    /// Gets a stream's number and what it is opened for, read and as it came.
    var onOpen: (UInt32, OpenRequest, [UInt8]) -> Void = { _, _, _ in }
    /// A frame for a stream that is open.
    var onFrame: (Route, Frame) -> Void = { _, _ in }
    var onStop: (UInt32) -> Void = { _ in }
    var onEnd: () -> Void = {}

    /// A stream as one client numbers it.
    struct Route: Hashable {
        let client: ObjectIdentifier
        let stream: UInt32
    }

    init(_ descriptor: consuming Descriptor, on loop: EventLoop) throws(SystemError) {
        link = try FrameLink(descriptor, on: loop) { [unowned self] event in receive(event) }
        link?.mostBacklog = Self.mostBacklog
        send(.hello, payload: Hello().payload)
    }

    func route(_ stream: UInt32) -> Route { Route(client: ObjectIdentifier(self), stream: stream) }

    func send(_ kind: Frame.Kind, stream: UInt32 = 0, payload: [UInt8] = []) {
        link?.send(kind, stream: stream, payload: payload)
        if kind == .closed || kind == .refused { known.remove(stream) }
    }

    func send(_ frame: Frame, stream: UInt32) { send(frame.kind, stream: stream, payload: frame.payload) }

    func send(_ kind: Frame.Kind, stream: UInt32, bytes: UnsafeRawBufferPointer) {
        link?.send(kind, stream: stream, bytes: bytes)
    }

    func flush() { link?.flush() }
    func drain(until deadline: UInt64) { link?.drain(until: deadline) }

    /// Tells a client that is not taken in why, and lets it go.
    static func turnAway(_ descriptor: consuming Descriptor, _ refusal: Refusal) {
        var bytes: [UInt8] = []
        for frame in [Frame(.hello, payload: Hello().payload), Frame(.refused, payload: refusal.payload)] {
            frame.encode(into: &bytes)
        }
        // A socket that is new has room for it.
        _ = bytes.withUnsafeBytes { try? descriptor.write(some: $0) }
    }

    /// Ends the connection without telling `onEnd`.
    func close() {
        link?.close()
        link = nil
    }

    private func receive(_ event: FrameLink.Event) {
        switch event {
        case .frame(let frame):
            do { try handle(frame) } catch { leave() }
        case .data(let kind, let stream, let bytes):
            guard greeted, kind == .input else { return leave() }
            onFrame(route(stream), Frame(kind, stream: stream, payload: Array(bytes)))
        case .closed, .violation: leave()
        }
    }

    private func leave() {
        close()
        onEnd()
    }

    private func handle(_ frame: Frame) throws(WireViolation) {
        guard greeted else {
            guard frame.kind == .hello, try Hello(payload: frame.payload).agreed(with: Hello()) != nil else {
                throw .unexpected("first frame")
            }
            greeted = true
            return
        }
        switch frame.kind {
        case .boot:
            let request = try BootRequest(payload: frame.payload)
            guard let onBoot else { throw .unexpected("boot") }
            self.onBoot = nil
            onBoot(request)
        case .open: try open(frame)
        case .stop:
            var reader = PayloadReader(frame.payload, "stop")
            let grace: UInt32 = try reader.get()
            try reader.finish()
            onStop(grace)
        case .inputEnd, .credit, .signal, .resize:
            try Self.checkForm(frame)
            onFrame(route(frame.stream), frame)
        default: throw .unexpected("\(frame.kind)")
        }
    }

    private func open(_ frame: Frame) throws(WireViolation) {
        let stream = frame.stream
        let request = try OpenRequest(payload: frame.payload)
        guard stream != 0, !known.contains(stream) else { throw .unexpected("stream") }
        guard known.count < Self.mostStreams else {
            let refusal = Refusal(.limitReached, "more than \(Self.mostStreams) commands at once on one connection")
            return send(.refused, stream: stream, payload: refusal.payload)
        }
        known.insert(stream)
        onOpen(stream, request, frame.payload)
    }

    /// What goes on to the agent as it came must be sound: the agent ends, and with it the sandbox, at what is not.
    private static func checkForm(_ frame: Frame) throws(WireViolation) {
        var reader = PayloadReader(frame.payload, "\(frame.kind)")
        switch frame.kind {
        case .credit: _ = try Credit.count(payload: frame.payload)
        case .signal: _ = try reader.get(UInt32.self)
        case .resize: _ = (try reader.get(UInt16.self), try reader.get(UInt16.self))
        default: break
        }
        if frame.kind != .credit { try reader.finish() }
    }
}
