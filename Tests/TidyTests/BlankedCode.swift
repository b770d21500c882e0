/// Source text with its comments, string literals and names in backticks replaced by blanks, so that a rule about
/// code does not trip over prose. Every byte keeps its place and every line its number.
///
/// It knows comments (nested), strings (plain, raw, of many lines, with code inside `\(…)`, which stays), a regex
/// between `#/` and `/#` and, for C, characters. It does not know a regex between plain slashes: a quotation mark in
/// one opens a string. Nor does it expand conditional compilation or macros.
struct BlankedCode: Sendable {
    private(set) var bytes: [UInt8]

    init(_ text: String, isC: Bool = false) {
        bytes = Array(text.utf8)
        var scanner = Scanner(bytes: bytes, isC: isC)
        scanner.scanCode(untilParenthesis: false)
        bytes = scanner.bytes
    }

    /// A name, keyword or number, with its place.
    struct Word: Equatable {
        let text: String
        let line: Int
        /// Of its first byte, and of the byte after its last.
        let range: Range<Int>
    }

    /// All words, in order.
    var words: [Word] {
        var words: [Word] = []
        var line = 1
        var start: Int?
        for (index, byte) in (bytes + [Ascii.newline]).enumerated() {
            if Ascii.isWord(byte) {
                if start == nil { start = index }
                continue
            }
            if let first = start {
                words.append(
                    Word(text: String(decoding: bytes[first..<index], as: UTF8.self), line: line, range: first..<index))
                start = nil
            }
            if byte == Ascii.newline { line += 1 }
        }
        return words
    }

    /// The first byte from `index` on that is not blank.
    func byte(after index: Int) -> UInt8? { bytes[index...].first { !Ascii.isBlank($0) } }

    /// The last byte before `index` that is not blank.
    func byte(before index: Int) -> UInt8? { bytes[..<index].last { !Ascii.isBlank($0) } }
}

/// The bytes that the rules ask about.
enum Ascii {
    static let newline = UInt8(ascii: "\n")

    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...: true
        default: false
        }
    }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == newline }
}

/// Walks over the text once and blanks what is not code.
private struct Scanner {
    var bytes: [UInt8]
    let isC: Bool
    private var index = 0

    init(bytes: [UInt8], isC: Bool) {
        self.bytes = bytes
        self.isC = isC
    }

    /// Up to the end, or past the parenthesis that closes an interpolation.
    mutating func scanCode(untilParenthesis: Bool) {
        var depth = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "/") where at("//"): blankLine()
            case UInt8(ascii: "/") where at("/*"): blankComment()
            case UInt8(ascii: "\""): blankString(hashes: 0)
            case UInt8(ascii: "#") where !isC && hashesBeforeQuote() > 0: blankString(hashes: hashesBeforeQuote())
            case UInt8(ascii: "#") where !isC && regexLength() > 0: blank(regexLength())
            case UInt8(ascii: "`") where !isC: blankName()
            case UInt8(ascii: "'") where isC: blankCharacter()
            case UInt8(ascii: "("):
                depth += 1
                index += 1
            case UInt8(ascii: ")"):
                index += 1
                if untilParenthesis, depth == 0 { return }
                depth -= 1
            default: index += 1
            }
        }
    }

    private func at(_ text: StaticString) -> Bool {
        guard index + text.utf8CodeUnitCount <= bytes.count else { return false }
        return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[index + $0] == text.utf8Start[$0] }
    }

    /// How many `#` stand here before a quotation mark; 0 when what follows them is something else.
    private func hashesBeforeQuote() -> Int {
        var end = index
        while end < bytes.count, bytes[end] == UInt8(ascii: "#") { end += 1 }
        return end < bytes.count && bytes[end] == UInt8(ascii: "\"") ? end - index : 0
    }

    /// Bytes of the `#/…/#` that begins here; 0 when none does, or it has no end.
    private func regexLength() -> Int {
        guard at("#/") else { return 0 }
        let slash = bytes.indices.dropFirst(index + 2).first { bytes[$0] == UInt8(ascii: "/") && hashes(at: $0 + 1, 1) }
        return slash.map { $0 + 2 - index } ?? 0
    }

    private func hashes(at place: Int, _ count: Int) -> Bool {
        place + count <= bytes.count && bytes[place..<place + count].allSatisfy { $0 == UInt8(ascii: "#") }
    }

    private mutating func blank(_ count: Int = 1, with filler: UInt8 = 0x20) {
        let end = min(index + count, bytes.count)
        while index < end {
            if bytes[index] != Ascii.newline { bytes[index] = filler }
            index += 1
        }
    }

    private mutating func blankLine() {
        while index < bytes.count, bytes[index] != Ascii.newline { blank() }
    }

    private mutating func blankComment() {
        var depth = 0
        repeat {
            if at("/*"), !isC || depth == 0 {
                depth += 1
                blank(2)
            } else if at("*/") {
                depth -= 1
                blank(2)
            } else {
                blank()
            }
        } while depth > 0 && index < bytes.count
    }

    /// A name in backticks stays one word, whatever it is made of.
    private mutating func blankName() {
        blank(with: UInt8(ascii: "_"))
        while index < bytes.count, bytes[index] != UInt8(ascii: "`"), bytes[index] != Ascii.newline {
            blank(with: UInt8(ascii: "_"))
        }
        blank(with: UInt8(ascii: "_"))
    }

    private mutating func blankCharacter() {
        blank()
        while index < bytes.count, bytes[index] != UInt8(ascii: "'"), bytes[index] != Ascii.newline {
            blank(bytes[index] == UInt8(ascii: "\\") ? 2 : 1)
        }
        blank()
    }

    private mutating func blankString(hashes count: Int) {
        blank(count)
        let isLong = !isC && at("\"\"\"")
        let quotes = isLong ? 3 : 1
        blank(quotes)
        while index < bytes.count {
            if isLong ? at("\"\"\"") : bytes[index] == UInt8(ascii: "\""), hashes(at: index + quotes, count) {
                return blank(quotes + count)
            }
            if !isLong, bytes[index] == Ascii.newline { return }
            if bytes[index] == UInt8(ascii: "\\"), hashes(at: index + 1, count) {
                let isCode = !isC && index + 1 + count < bytes.count && bytes[index + 1 + count] == UInt8(ascii: "(")
                blank(count + 2)
                if isCode { scanCode(untilParenthesis: true) }
            } else {
                blank()
            }
        }
    }
}
