import CoteModel

/// Walks over JSON text (RFC 8259) without building anything: it checks the form and says where things are.
/// Its text may come from anybody.
struct JSONScanner {
    private let text: UnsafeRawBufferPointer
    private var position: Int

    /// Values within values; deeper ones are refused before they fill the stack.
    private static let deepest = 32

    init(_ text: UnsafeRawBufferPointer, at position: Int = 0) {
        self.text = text
        self.position = position
    }

    /// Whether the text is one object and nothing more; `visit` gets each of its fields in order: the name without its
    /// quotes, and the value. Fields seen before an error is found have been visited.
    mutating func wholeObject(_ visit: (_ name: Range<Int>, _ value: Range<Int>) -> Void) -> Bool {
        skipSpace()
        guard object(depth: 0, visit) else { return false }
        skipSpace()
        return position == text.count
    }

    /// Whether an array comes here; `visit` gets each of its elements.
    mutating func array(_ visit: (_ element: Range<Int>) -> Void) -> Bool { array(depth: 0, visit) }

    private mutating func object(depth: Int, _ visit: (Range<Int>, Range<Int>) -> Void) -> Bool {
        list("{", "}") { scanner in
            let start = scanner.position
            guard scanner.string() else { return false }
            let name = start + 1..<scanner.position - 1
            scanner.skipSpace()
            guard scanner.take(":") else { return false }
            scanner.skipSpace()
            guard let value = scanner.value(depth: depth + 1) else { return false }
            visit(name, value)
            return true
        }
    }

    private mutating func array(depth: Int, _ visit: (Range<Int>) -> Void) -> Bool {
        list("[", "]") { scanner in
            guard let value = scanner.value(depth: depth + 1) else { return false }
            visit(value)
            return true
        }
    }

    private mutating func list(
        _ start: Unicode.Scalar, _ end: Unicode.Scalar, _ element: (inout JSONScanner) -> Bool
    ) -> Bool {
        guard take(start) else { return false }
        skipSpace()
        if take(end) { return true }
        while element(&self) {
            skipSpace()
            if take(end) { return true }
            guard take(",") else { return false }
            skipSpace()
        }
        return false
    }

    private mutating func value(depth: Int) -> Range<Int>? {
        guard depth <= Self.deepest, position < text.count else { return nil }
        let start = position
        let isGood =
            switch Unicode.Scalar(text[position]) {
            case "{": object(depth: depth) { _, _ in }
            case "[": array(depth: depth) { _ in }
            case "\"": string()
            case "t": take(word: "true")
            case "f": take(word: "false")
            case "n": take(word: "null")
            default: number()
            }
        return isGood ? start..<position : nil
    }

    private mutating func string() -> Bool {
        guard take("\"") else { return false }
        while true {
            position += JSONText.plainPrefix(text, from: position)
            if take("\"") { return true }
            guard take("\\"), position < text.count else { return false }
            position += 1
            switch Unicode.Scalar(text[position - 1]) {
            case "\"", "\\", "/", "b", "f", "n", "r", "t": break
            case "u":
                let end = position + 4
                guard end <= text.count else { return false }
                while position < end, Self.hexadecimal(text[position]) != nil { position += 1 }
                guard position == end else { return false }
            default: return false
            }
        }
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0"), digits() == 0 { return false }
        if take("."), digits() == 0 { return false }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            return digits() > 0
        }
        return true
    }

    private mutating func digits() -> Int {
        let start = position
        while position < text.count, (0x30...0x39).contains(text[position]) { position += 1 }
        return position - start
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func take(word: String) -> Bool {
        guard text[position...].starts(with: word.utf8) else { return false }
        position += word.utf8.count
        return true
    }

    private mutating func skipSpace() {
        while position < text.count, [0x20, 0x09, 0x0a, 0x0d].contains(text[position]) { position += 1 }
    }
}

// MARK: Strings

extension JSONScanner {
    /// The string at `range`, which this scanner found; `nil` when it is no string or names half a character.
    static func text(_ line: [UInt8], _ range: Range<Int>) -> String? {
        bytes(line, range).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The same as UTF-8.
    static func bytes(_ line: [UInt8], _ range: Range<Int>) -> [UInt8]? {
        guard range.count >= 2, line[range.lowerBound] == UInt8(ascii: "\"") else { return nil }
        return line.withUnsafeBytes { unescape(UnsafeRawBufferPointer(rebasing: $0[range].dropFirst().dropLast())) }
    }

    private static func unescape(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var isGood = true
        // No escape is shorter than what it stands for.
        let bytes = [UInt8](unsafeUninitializedCapacity: text.count) { target, end in
            let target = UnsafeMutableRawBufferPointer(target)
            var position = 0
            while true {
                let plain = JSONText.plainPrefix(text, from: position)
                let run = UnsafeRawBufferPointer(rebasing: text[position..<position + plain])
                UnsafeMutableRawBufferPointer(rebasing: target[end...]).copyMemory(from: run)
                position += plain
                end += plain
                if position >= text.count { return }
                guard let scalar = escaped(text, &position) else {
                    isGood = false
                    return
                }
                for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
                    target[end] = byte
                    end += 1
                }
            }
        }
        return isGood ? bytes : nil
    }

    /// The character whose escape is at `position`, which moves behind it.
    private static func escaped(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> Unicode.Scalar? {
        let kind = Unicode.Scalar(text[position + 1])
        position += 2
        switch kind {
        case "b": return "\u{8}"
        case "f": return "\u{c}"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "u": break
        default: return kind
        }
        let unit = unit(text, &position)
        guard unit & 0xfc00 == 0xd800 else { return Unicode.Scalar(unit) }
        guard position + 6 <= text.count, text[position] == 0x5c, text[position + 1] == 0x75 else { return nil }
        position += 2
        let low = self.unit(text, &position)
        guard low & 0xfc00 == 0xdc00 else { return nil }
        return Unicode.Scalar(0x10000 + (unit & 0x3ff) << 10 + low & 0x3ff)
    }

    private static func unit(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> UInt32 {
        var unit: UInt32 = 0
        for byte in text[position..<position + 4] { unit = unit << 4 | UInt32(hexadecimal(byte) ?? 0) }
        position += 4
        return unit
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
