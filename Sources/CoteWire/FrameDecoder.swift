/// Takes bytes as they come and gives frames. Never holds more than one frame and one read beyond it.
public struct FrameDecoder: Sendable {
    /// Where one whole frame lies in the decoder; good until more is read.
    public struct Position: Sendable {
        /// What the frame says.
        public let kind: Frame.Kind
        /// The stream it belongs to.
        public let stream: UInt32
        fileprivate let payload: Range<Int>
    }

    /// The most that one read adds.
    public static let mostRead = 128 << 10

    private var buffer: [UInt8] = []
    private var start = 0
    private var end = 0

    /// A decoder at the start of a link.
    public init() {}

    /// Bytes that wait for the rest of their frame.
    public var pending: Int { end - start }

    /// Lets `read` put bytes behind those that wait; it says how many. `next` is to be called until it gives `nil`
    /// before the next read: that is the bound.
    public mutating func fill<Failure: Error>(
        _ read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) {
        makeRoom()
        var outcome: Result<Int, Failure> = .success(0)
        buffer.withUnsafeMutableBytes { bytes in
            let room = UnsafeMutableRawBufferPointer(rebasing: bytes[end..<end + Self.mostRead])
            do throws(Failure) { outcome = .success(try read(room)) } catch { outcome = .failure(error) }
        }
        end += min(max(try outcome.get(), 0), Self.mostRead)
    }

    /// Adds bytes that have been read elsewhere.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.mostRead))
            fill { room throws(Never) in
                room.copyMemory(from: part)
                return part.count
            }
            rest = rest.dropFirst(part.count)
        }
    }

    /// The next whole frame, or `nil` until more bytes come. A header is refused before its payload is waited for.
    public mutating func next() throws(WireViolation) -> Frame? {
        guard let position = try nextPosition() else { return nil }
        return Frame(position.kind, stream: position.stream, payload: Array(buffer[position.payload]))
    }

    /// The same without a copy of the payload; see `withPayload`.
    public mutating func nextPosition() throws(WireViolation) -> Position? {
        guard pending >= Frame.headerSize else { return nil }
        let length = Int(word(at: start))
        let stream = word(at: start + 4)
        guard let kind = Frame.Kind(rawValue: buffer[start + 8]) else {
            throw .unknownKind(buffer[start + 8])
        }
        guard length <= Frame.limit(kind) else { throw .tooLarge(kind, length) }
        guard pending >= Frame.headerSize + length else { return nil }
        let payload = start + Frame.headerSize
        start = payload + length
        return Position(kind: kind, stream: stream, payload: payload..<start)
    }

    /// Shows the payload of the frame that `nextPosition` gave last.
    public func withPayload<Value>(_ position: Position, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[position.payload])) }
    }

    /// Moves what waits to the front, and grows where a read would not fit behind it.
    private mutating func makeRoom() {
        let waiting = pending
        if start > 0, waiting > 0 {
            buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[start..<end])
                bytes.copyMemory(from: part)
            }
        }
        start = 0
        end = waiting
        let size = waiting + Self.mostRead
        guard buffer.count < size else { return }
        let old = buffer
        // The rest is set by a read before anybody looks at it; until then it costs no memory.
        buffer = [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            for index in 0..<waiting { bytes[index] = old[index] }
            count = size
        }
    }

    private func word(at index: Int) -> UInt32 {
        UInt32(buffer[index]) | UInt32(buffer[index + 1]) << 8 | UInt32(buffer[index + 2]) << 16
            | UInt32(buffer[index + 3]) << 24
    }
}

extension Frame {
    /// Appends the frame's bytes. The payload must be within its kind's limit; `FrameDecoder` refuses it otherwise.
    public func encode(into bytes: inout [UInt8]) {
        payload.withUnsafeBytes { Frame.encode(kind, stream: stream, payload: $0, into: &bytes) }
    }

    /// The same without a payload array of its own, for data.
    public static func encode(
        _ kind: Kind, stream: UInt32, payload: UnsafeRawBufferPointer, into bytes: inout [UInt8]
    ) {
        bytes.reserveCapacity(bytes.count + headerSize + payload.count)
        bytes.append(contentsOf: header(kind, stream: stream, length: payload.count))
        bytes.append(contentsOf: payload)
    }

    /// The bytes before a payload of `length` bytes.
    static func header(_ kind: Kind, stream: UInt32, length: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(headerSize)
        for value in [UInt32(length), stream] {
            for shift in [UInt32(0), 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
        }
        bytes.append(kind.rawValue)
        return bytes
    }
}
