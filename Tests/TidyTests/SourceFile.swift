import Foundation

/// One file, as the rules see it.
struct SourceFile: Sendable {
    enum Language: Sendable { case swift, c, script, other }

    /// Relative to the repository, with slashes.
    let path: String
    let text: String
    let lines: [Substring]
    /// The text with comments, literals and quoted names blanked out, line for line.
    let code: BlankedCode

    init(path: String, text: String) {
        self.path = path
        self.text = text
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        self.lines = lines
        let language = Self.language(of: path)
        code = language == .swift || language == .c ? BlankedCode(text, isC: language == .c) : BlankedCode("")
    }

    var language: Language { Self.language(of: path) }

    var isTest: Bool { path.hasPrefix("Tests/") }

    /// The target a file of `Sources` belongs to.
    var module: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    private static func language(of path: String) -> Language {
        if path.hasSuffix(".swift") { return .swift }
        if path.hasSuffix(".c") || path.hasSuffix(".h") { return .c }
        if path.hasPrefix("scripts/") || path.hasPrefix(".ci/") || path == "Makefile" { return .script }
        return .other
    }
}

/// Something a rule has against a line.
struct Finding: Equatable, CustomStringConvertible {
    let path: String
    /// From 1; `nil` where it is about the whole file.
    let line: Int?
    let message: String

    init(_ path: String, _ line: Int? = nil, _ message: String) {
        self.path = path
        self.line = line
        self.message = message
    }

    var description: String { "\(path)\(line.map { ":\($0)" } ?? ""): \(message)" }
}
