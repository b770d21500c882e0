/// Builds a payload: numbers little-endian, strings and lists behind a 32-bit count.
public struct PayloadWriter: Sendable {
    /// What has been put so far.
    public private(set) var bytes: [UInt8] = []

    /// An empty payload.
    public init() {}

    /// Appends a number at its full width.
    public mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Appends one byte, 1 or 0.
    public mutating func put(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

    /// Appends text that must hold no NUL; a reader refuses it otherwise.
    public mutating func put(_ text: String) {
        put(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// Appends text for people: at most `limit` bytes of it, cut between characters of Unicode, a NUL replaced. So a
    /// message that quotes somebody's input is never itself what a reader refuses.
    public mutating func put(_ text: String, limit: Int) {
        var kept = ""
        var size = 0
        for scalar in text.unicodeScalars {
            let harmless = scalar == "\0" ? "\u{fffd}" : scalar
            size += UTF8.width(harmless)
            if size > limit { break }
            kept.unicodeScalars.append(harmless)
        }
        put(kept)
    }

    /// Appends a list of texts, each as `put` would.
    public mutating func put(_ list: [String]) {
        put(UInt32(list.count))
        for text in list { put(text) }
    }

    /// Appends whether there is a value, then the value as `body` puts it.
    public mutating func put<Value>(_ value: Value?, _ body: (inout PayloadWriter, Value) -> Void) {
        put(value != nil)
        if let value { body(&self, value) }
    }
}

/// Reads a payload that somebody hostile may have built: no count is believed before its bytes are there.
public struct PayloadReader: Sendable {
    private let bytes: [UInt8]
    private var position: Int
    /// Named in the violation when the payload does not read.
    private let subject: String

    /// Reads from the start of `bytes`.
    public init(_ bytes: [UInt8], _ subject: String) {
        self.bytes = bytes
        self.subject = subject
        position = 0
    }

    /// What a caller throws when a value reads but makes no sense.
    public var violation: WireViolation { .malformed(subject) }

    /// The next number.
    public mutating func get<Number: FixedWidthInteger & BitwiseCopyable>(
        _: Number.Type = Number.self
    ) throws(WireViolation) -> Number {
        let place = position
        guard bytes.count - place >= MemoryLayout<Number>.size else { throw violation }
        position += MemoryLayout<Number>.size
        return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: Number.self)) }
    }

    /// The next byte as a flag; only 0 and 1 are.
    public mutating func get() throws(WireViolation) -> Bool {
        switch try get(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw violation
        }
    }

    /// Text that is UTF-8 and has no NUL, so that it can become a C string.
    public mutating func get() throws(WireViolation) -> String {
        let count = Int(try get(UInt32.self))
        guard count <= bytes.count - position else { throw violation }
        let range = position..<position + count
        position += count
        let text = bytes.withUnsafeBytes { bytes in
            let slice = UnsafeRawBufferPointer(rebasing: bytes[range])
            return slice.contains(0) ? nil : String(validating: slice, as: UTF8.self)
        }
        guard let text else { throw violation }
        return text
    }

    /// The next list of texts.
    public mutating func get() throws(WireViolation) -> [String] {
        let count = Int(try get(UInt32.self))
        // Every string takes four bytes at least, so a count that is a lie is refused before it costs memory.
        guard count <= (bytes.count - position) / 4 else { throw violation }
        var list: [String] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try get()) }
        return list
    }

    /// The next value, read by `body`, or `nil` where the payload says that there is none.
    public mutating func getOptional<Value>(
        _ body: (inout PayloadReader) throws(WireViolation) -> Value
    ) throws(WireViolation) -> Value? {
        guard try get() as Bool else { return nil }
        return try body(&self)
    }

    /// Refuses what is left over.
    public func finish() throws(WireViolation) {
        guard position == bytes.count else { throw violation }
    }
}
