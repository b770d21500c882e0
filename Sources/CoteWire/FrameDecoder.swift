/// Takes bytes as they come and gives frames. Never holds more than one frame and one read beyond it.
public struct FrameDecoder: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0

    /// A decoder at the start of a link.
    public init() {}

    /// Bytes that wait for the rest of their frame.
    public var pending: Int { buffer.count - start }

    /// Adds what has been read. `next` is to be called until it gives `nil` before more is added: that is the bound.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or `nil` until more bytes come. A header is refused before its payload is waited for.
    public mutating func next() throws(WireViolation) -> Frame? {
        guard pending >= Frame.headerSize else { return nil }
        let length = Int(word(at: start))
        let stream = word(at: start + 4)
        guard let kind = Frame.Kind(rawValue: buffer[start + 8]) else {
            throw .unknownKind(buffer[start + 8])
        }
        guard length <= Frame.limit(kind) else { throw .tooLarge(kind, length) }
        guard pending >= Frame.headerSize + length else { return nil }
        let payload = start + Frame.headerSize
        let frame = Frame(kind, stream: stream, payload: Array(buffer[payload..<payload + length]))
        start = payload + length
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
        }
        return frame
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
        for value in [UInt32(payload.count), stream] {
            for shift in [UInt32(0), 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
        }
        bytes.append(kind.rawValue)
        bytes.append(contentsOf: payload)
    }
}
