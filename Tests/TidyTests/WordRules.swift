/// Names, traps and words that do not belong in this repository.
enum WordRules {
    /// Folders and types named so say nothing about what is in them.
    private static let emptyNames: Set = ["manager", "helper", "helpers", "util", "utils", "utility", "common", "misc"]

    private static let typeKeywords: Set = ["struct", "class", "enum", "actor", "protocol", "typealias"]

    static func emptyTypeNames(_ file: SourceFile) -> [Finding] {
        let words = file.code.words
        return zip(words, words.dropFirst()).filter { keyword, name in
            typeKeywords.contains(keyword.text) && !emptyNames.isDisjoint(with: humps(name.text))
        }.map { Finding(file.path, $1.line, "'\($1.text)' does not say what it is for") }
    }

    static func emptyPathNames(_ path: String) -> [Finding] {
        path.split(separator: "/").filter { !emptyNames.isDisjoint(with: humps($0)) }
            .map { Finding(path, nil, "'\($0)' does not say what it is for") }
    }

    /// The words of a compound name, in lower case: `FileManager`, `file-manager` and `file_manager` have two.
    static func humps(_ name: some StringProtocol) -> [String] {
        var humps: [String] = []
        var isOpen = false
        for character in name {
            guard character.isLetter else {
                isOpen = false
                continue
            }
            let last = isOpen ? humps[humps.count - 1] : ""
            if !isOpen || (character.isUppercase && last.last?.isUppercase == false) {
                humps.append("")
            } else if character.isLowercase, last.count > 1, last.allSatisfy(\.isUppercase) {
                // The last capital of `HTTPServer` begins a word.
                humps.append(String(humps[humps.count - 1].removeLast()))
            }
            isOpen = true
            humps[humps.count - 1].append(character)
        }
        return humps.map { $0.lowercased() }
    }

    private static let traps: Set = [
        "fatalError", "precondition", "preconditionFailure", "assert", "assertionFailure", "unsafeBitCast",
        "unsafeDowncast",
    ]

    /// Traps and unchecked casts that no `INVARIANT` comment, here or on the line above, accounts for.
    static func unexplainedTraps(_ file: SourceFile) -> [Finding] {
        file.code.words.filter { word in
            let isCall = traps.contains(word.text) && file.code.byte(after: word.range.upperBound) == UInt8(ascii: "(")
            guard isCall || word.text == "unsafelyUnwrapped" else { return false }
            return !(max(word.line - 2, 0)..<word.line).contains { explains(file.lines[$0]) }
        }.map { Finding(file.path, $0.line, "'\($0.text)' without a word on why it cannot fire") }
    }

    private static func explains(_ line: Substring) -> Bool {
        guard let mark = line.firstRange(of: "// INVARIANT:") else { return false }
        return line[mark.upperBound...].contains { $0.isLetter }
    }

    /// `try!` and `as!`, which nothing excuses.
    static func forcedOperators(_ file: SourceFile) -> [Finding] {
        let bytes = file.code.bytes
        return file.code.words.filter { word in
            ["try", "as"].contains(word.text) && bytes.indices.contains(word.range.upperBound)
                && bytes[word.range.upperBound] == UInt8(ascii: "!")
        }.map { Finding(file.path, $0.line, "'\($0.text)!'") }
    }

    /// Absolute paths of a machine that this was written on.
    static func machinePaths(_ file: SourceFile) -> [Finding] {
        lines(file) { line in
            ["work", "root"].contains { folder in
                line.ranges(of: "/\(folder)/").contains { range in
                    guard range.lowerBound > line.startIndex else { return true }
                    let before = line[line.index(before: range.lowerBound)]
                    return before.isWhitespace || "\"'`(=:,<[".contains(before)
                }
            }
        }.map { Finding(file.path, $0, "a path of somebody's machine") }
    }

    private static let timesOfDay: Set = ["wall", "CLOCK_REALTIME", "Date", "SuspendingClock"]

    /// Where a program reads a clock that may jump, or that stands still while the machine sleeps.
    static func unsteadyClocks(_ file: SourceFile) -> [Finding] {
        guard file.path.hasPrefix("Sources/") else { return [] }
        return file.code.words.filter { timesOfDay.contains($0.text) }
            .map { Finding(file.path, $0.line, "'\($0.text)' is not for durations and deadlines") }
    }

    // Spelt in two so that this file may hold them.
    private static let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]

    /// Marks of what somebody meant to finish.
    static func unfinished(_ file: SourceFile) -> [Finding] {
        lines(file) { line in
            marks.contains { mark in
                line.ranges(of: mark).contains { range in
                    let before = line[..<range.lowerBound].last
                    let after = line[range.upperBound...].first
                    return before?.isLetter != true && after?.isLetter != true
                }
            }
        }.map { Finding(file.path, $0, "unfinished; finish it, or say it in the documentation") }
    }

    private static func lines(_ file: SourceFile, where matches: (Substring) -> Bool) -> [Int] {
        file.lines.indices.filter { matches(file.lines[$0]) }.map { $0 + 1 }
    }
}
