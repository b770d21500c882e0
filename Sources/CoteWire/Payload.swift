/// Builds a payload: numbers little-endian, strings and lists behind a 32-bit count.
public struct PayloadWriter: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    public mutating func put(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

    public mutating func put(_ text: String) {
        put(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    public mutating func put(_ list: [String]) {
        put(UInt32(list.count))
        for text in list { put(text) }
    }

    public mutating func put<Value>(_ value: Value?, _ body: (inout PayloadWriter, Value) -> Void) {
        put(value != nil)
        if let value { body(&self, value) }
    }
}

/// Reads a payload that somebody hostile may have built: no count is believed before its bytes are there.
public struct PayloadReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int
    /// Named in the violation when the payload does not read.
    private let subject: String

    public init(_ bytes: [UInt8], _ subject: String) {
        self.bytes = bytes[...]
        self.subject = subject
        position = 0
    }

    public var violation: WireViolation { .malformed(subject) }

    public mutating func get<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(WireViolation) -> Number {
        let size = MemoryLayout<Number>.size
        guard bytes.endIndex - position >= size else { throw violation }
        var number = Number.zero
        for offset in (0..<size).reversed() {
            number = (size == 1 ? 0 : number << 8) | Number(truncatingIfNeeded: bytes[position + offset])
        }
        position += size
        return number
    }

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
        guard count <= bytes.endIndex - position else { throw violation }
        let slice = bytes[position..<position + count]
        position += count
        guard !slice.contains(0), let text = String(validating: slice, as: UTF8.self) else { throw violation }
        return text
    }

    public mutating func get() throws(WireViolation) -> [String] {
        let count = Int(try get(UInt32.self))
        // Every string takes four bytes at least, so a count that is a lie is refused before it costs memory.
        guard count <= (bytes.endIndex - position) / 4 else { throw violation }
        var list: [String] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try get()) }
        return list
    }

    public mutating func getOptional<Value>(
        _ body: (inout PayloadReader) throws(WireViolation) -> Value
    ) throws(WireViolation) -> Value? {
        guard try get() as Bool else { return nil }
        return try body(&self)
    }

    /// Refuses what is left over.
    public func finish() throws(WireViolation) {
        guard position == bytes.endIndex else { throw violation }
    }
}
