/// Text of a sandbox made safe to show to a person.
public enum TerminalText {
    /// `bytes` with everything written out that could move a cursor, recolour, rename a window, type answers, or turn
    /// text round: control characters other than newline and tab, and bytes that are not UTF-8, as `\x1b`; controls and
    /// directions of Unicode as `\u{202e}`. For eyes, not for reading back: a backslash stays one.
    public static func escaped(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 16)
        bytes.withUnsafeBytes { bytes in
            var position = 0
            while position < bytes.count {
                let byte = bytes[position]
                if byte < 0x7f, byte >= 0x20 || byte == 0x0a || byte == 0x09 {
                    result.append(byte)
                    position += 1
                } else {
                    position += append(UnsafeRawBufferPointer(rebasing: bytes[position...]), to: &result)
                }
            }
        }
        return result
    }

    /// Appends the first character of `text`, or its first byte if none begins there; gives the bytes it took.
    private static func append(_ text: UnsafeRawBufferPointer, to result: inout [UInt8]) -> Int {
        let length = UTF8Boundary.length(text[0])
        let character = UnsafeRawBufferPointer(rebasing: text.prefix(length))
        guard length > 1, UTF8Boundary.isValid(character) else {
            let digits = String(text[0], radix: 16)
            result.append(contentsOf: (digits.utf8.count == 1 ? #"\x0"# : #"\x"#).utf8)
            result.append(contentsOf: digits.utf8)
            return 1
        }
        let lead = UInt32(text[0]) & (0x7f >> UInt32(length))
        let scalar = character.dropFirst().reduce(lead) { $0 << 6 | UInt32($1 & 0x3f) }
        if isUnsafe(scalar) {
            result.append(contentsOf: #"\u{\#(String(scalar, radix: 16))}"#.utf8)
        } else {
            result.append(contentsOf: character)
        }
        return length
    }

    private static func isUnsafe(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x80...0x9f: true  // C1 controls
        case 0x61c, 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069: true  // directions
        case 0x2028, 0x2029: true  // separators of lines and paragraphs
        default: false
        }
    }
}
