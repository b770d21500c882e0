/// How long a file, a line and a function may be.
enum SizeRules {
    static let fileLimit = 500
    static let testFileLimit = 600
    static let functionLimit = 70
    static let columnLimit = 120
    static let mainLimit = 49

    /// A thing with a length.
    struct Measured: Equatable {
        let path: String
        let line: Int
        /// Of a function; empty for a file.
        let name: String
        let lines: Int

        /// How a list of exceptions names it.
        var key: String { name.isEmpty ? path : "\(path) \(name)" }
    }

    static func limit(of file: SourceFile) -> Int {
        if file.path.hasSuffix("/main.swift") { return mainLimit }
        return file.isTest ? testFileLimit : fileLimit
    }

    /// What is too long, and what the list of exceptions says in vain: an exception holds for exactly the length it
    /// names, so that it only shrinks, and goes when it is no longer needed.
    static func tooLong(_ measured: [Measured], limit: (Measured) -> Int, exceptions: [String: Int]) -> [Finding] {
        var needed: Set<String> = []
        var findings: [Finding] = []
        for one in measured where one.lines > limit(one) {
            needed.insert(one.key)
            let what = one.name.isEmpty ? "the file" : "'\(one.name)'"
            if let allowed = exceptions[one.key] {
                if allowed == one.lines { continue }
                let verb = one.lines > allowed ? "has grown" : "has shrunk; lower its exception"
                findings.append(Finding(one.path, one.line, "\(what) \(verb): \(one.lines) lines, was \(allowed)"))
            } else {
                findings.append(Finding(one.path, one.line, "\(what) has \(one.lines) lines of \(limit(one))"))
            }
        }
        for key in exceptions.keys.sorted() where !needed.contains(key) {
            findings.append(Finding(key, nil, "needs no exception any more"))
        }
        return findings
    }

    static func wideLines(_ file: SourceFile) -> [Finding] {
        file.lines.enumerated().filter { $0.element.utf8.count > columnLimit && $0.element.count > columnLimit }
            .map { Finding(file.path, $0.offset + 1, "\($0.element.count) columns of \(columnLimit)") }
    }
}

/// Finds functions by their braces. In Swift that is every `func`, `init`, `deinit` and `subscript` with a body, and
/// every `var` whose body or first closure opens on its line. In C it is what stands between braces at the top level.
/// A closure counts with the function around it, and is not measured by itself.
enum FunctionScanner {
    static func functions(in file: SourceFile) -> [SizeRules.Measured] {
        file.language == .c ? blocks(inC: file) : functions(inSwift: file)
    }

    private static let openers: Set = ["func", "init", "deinit", "subscript", "var"]
    /// Where one of these follows a declaration's head, it had no body: a requirement of a protocol.
    private static let stoppers: Set = [
        "func", "init", "deinit", "subscript", "var", "let", "case", "struct", "class", "enum", "actor", "extension",
        "protocol", "typealias", "associatedtype", "import", "static", "public", "private", "mutating",
    ]

    private static func functions(inSwift file: SourceFile) -> [SizeRules.Measured] {
        let code = file.code
        let words = code.words
        var functions: [SizeRules.Measured] = []
        for (index, word) in words.enumerated() where openers.contains(word.text) {
            if code.byte(before: word.range.lowerBound) == UInt8(ascii: ".") { continue }
            let stop = words[(index + 1)...].first { stoppers.contains($0.text) && !isInside($0, code, from: word) }
            let end = word.text == "var" ? endOfLine(code, word) : stop?.range.lowerBound ?? code.bytes.count
            guard let open = firstBrace(code, from: word.range.upperBound, to: end) else { continue }
            let close = closingBrace(code, from: open)
            let lines = code.bytes[word.range.lowerBound..<close].count { $0 == Ascii.newline } + 1
            functions.append(
                .init(path: file.path, line: word.line, name: name(word, index, words, file), lines: lines))
        }
        return functions
    }

    /// As it is written; a name in backticks is blanked in the code, but stands in the text.
    private static func name(
        _ word: BlankedCode.Word, _ index: Int, _ words: [BlankedCode.Word], _ file: SourceFile
    ) -> String {
        guard word.text == "func" || word.text == "var", words.indices.contains(index + 1) else { return word.text }
        return String(decoding: Array(file.text.utf8)[words[index + 1].range], as: UTF8.self)
    }

    private static func endOfLine(_ code: BlankedCode, _ word: BlankedCode.Word) -> Int {
        code.bytes[word.range.upperBound...].firstIndex(of: Ascii.newline) ?? code.bytes.count
    }

    /// Whether a word stands between the parentheses of the head that `start` begins, as an argument's label can.
    private static func isInside(_ word: BlankedCode.Word, _ code: BlankedCode, from start: BlankedCode.Word) -> Bool {
        depth(code.bytes[start.range.upperBound..<word.range.lowerBound]) > 0
    }

    private static func depth(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.reduce(0) { depth, byte in
            switch byte {
            case UInt8(ascii: "("), UInt8(ascii: "["): depth + 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): depth - 1
            default: depth
            }
        }
    }

    private static func firstBrace(_ code: BlankedCode, from start: Int, to end: Int) -> Int? {
        var depth = 0
        for index in start..<max(start, end) {
            switch code.bytes[index] {
            case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "{") where depth == 0: return index
            case UInt8(ascii: "}") where depth == 0: return nil
            default: break
            }
        }
        return nil
    }

    private static func closingBrace(_ code: BlankedCode, from open: Int) -> Int {
        var depth = 0
        for index in open..<code.bytes.count {
            if code.bytes[index] == UInt8(ascii: "{") { depth += 1 }
            if code.bytes[index] == UInt8(ascii: "}") {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return code.bytes.count
    }

    private static func blocks(inC file: SourceFile) -> [SizeRules.Measured] {
        var blocks: [SizeRules.Measured] = []
        var line = 1
        var depth = 0
        var first = 1
        for byte in file.code.bytes {
            switch byte {
            case Ascii.newline: line += 1
            case UInt8(ascii: "{"):
                if depth == 0 { first = line }
                depth += 1
            case UInt8(ascii: "}"):
                depth -= 1
                let head = file.lines[first - 1].trimmingPrefix { $0 == " " }
                if depth == 0 {
                    blocks.append(.init(path: file.path, line: first, name: String(head), lines: line - first + 1))
                }
            default: break
            }
        }
        return blocks
    }
}
