/// Writes JSON as a stream of bytes, without a tree in between and without Foundation, which the guest does not have.
///
/// The writer places commas and escapes text; that a name is followed by one value, and a name is given only inside
/// an object, is the caller's part. One writer is meant to be used many times: `removeAll` keeps its memory.
public struct JSONWriter: Sendable {
    /// What was written since the last `removeAll`: valid UTF-8.
    public private(set) var bytes: [UInt8] = []
    /// Whether a value ends where the next one would start.
    private var needsComma = false

    /// A writer with nothing written.
    public init() {}

    /// Starts anew.
    public mutating func removeAll(keepingCapacity: Bool = true) {
        bytes.removeAll(keepingCapacity: keepingCapacity)
        needsComma = false
    }

    /// Ends a line, after which the next value stands by itself.
    public mutating func endLine() {
        bytes.append(Character.newline)
        needsComma = false
    }

    /// Writes an object as the next value; `body` writes its fields.
    public mutating func object(_ body: (inout JSONWriter) -> Void) { enclose("{", "}", body) }

    /// Writes an array as the next value; `body` writes its elements.
    public mutating func array(_ body: (inout JSONWriter) -> Void) { enclose("[", "]", body) }

    private mutating func enclose(
        _ start: Unicode.Scalar, _ end: Unicode.Scalar, _ body: (inout JSONWriter) -> Void
    ) {
        separate()
        bytes.append(UInt8(ascii: start))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: end))
        needsComma = true
    }

    /// Writes the name of the value that comes next.
    public mutating func key(_ name: String) {
        value(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func literal(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }
}

// MARK: Values

extension JSONWriter {
    /// Writes a string.
    public mutating func value(_ text: String) {
        var text = text
        text.withUTF8 { string(utf8: UnsafeRawBufferPointer($0)) }
    }

    /// Writes `true` or `false`.
    public mutating func value(_ flag: Bool) { literal(flag ? "true" : "false") }

    /// Writes all digits; some readers keep only the 53 bits of a double.
    public mutating func value(_ number: some BinaryInteger) { literal(number.description) }

    /// Writes `null`.
    public mutating func null() { literal("null") }

    /// Writes one field of an object; none for `nil`.
    public mutating func field(_ name: String, _ text: String?) {
        guard let text else { return }
        key(name)
        value(text)
    }

    /// Writes one field of an object; none for `nil`.
    public mutating func field(_ name: String, _ flag: Bool?) {
        guard let flag else { return }
        key(name)
        value(flag)
    }

    /// Writes one field of an object; none for `nil`.
    public mutating func field<Number: BinaryInteger>(_ name: String, _ number: Number?) {
        guard let number else { return }
        key(name)
        value(number)
    }
}

// MARK: Bytes

extension JSONWriter {
    /// Writes bytes that the caller knows to be UTF-8 as a string.
    public mutating func string(utf8 text: UnsafeRawBufferPointer) { _ = string(utf8: text, limit: .max) }

    /// The same unless the string would take more than `limit` bytes, quotes not counted: then it writes nothing
    /// and returns false, having looked at little more than `limit` bytes.
    public mutating func string(utf8 text: UnsafeRawBufferPointer, limit: Int) -> Bool {
        let start = bytes.count
        let hadValue = needsComma
        separate()
        bytes.append(Character.quote)
        let content = bytes.count
        var rest = text
        while !rest.isEmpty {
            let segment = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.segment))
            bytes.append(addingCapacity: JSONText.escapedBound(segment.count)) { JSONText.escape(segment, into: &$0) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(Self.segment))
            if bytes.count - content > limit {
                bytes.removeLast(bytes.count - start)
                needsComma = hadValue
                return false
            }
        }
        bytes.append(Character.quote)
        return true
    }

    /// Writes bytes of any kind as a string in base64, padded.
    public mutating func base64(_ data: UnsafeRawBufferPointer) {
        separate()
        bytes.append(Character.quote)
        bytes.append(addingCapacity: Base64.encodedCount(data.count)) { Base64.encode(data, into: &$0) }
        bytes.append(Character.quote)
    }

    /// So much text is escaped at a time that the room for its worst case stays small.
    private static var segment: Int { 8 << 10 }

    private enum Character {
        static let quote = UInt8(ascii: "\"")
        static let newline = UInt8(ascii: "\n")
    }
}
