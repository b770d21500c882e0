import Foundation
import Testing

/// What the documents point to is there.
@Suite struct DocumentTests {
    private static let documents = Repository.files.filter { $0.path.hasSuffix(".md") }

    /// Sentences in backticks, which may be broken over two lines.
    private static func quoted(_ path: String) -> [String] {
        guard let document = documents.first(where: { $0.path == path }) else { return [] }
        return document.lines.joined(separator: " ").split(separator: "`", omittingEmptySubsequences: false)
            .enumerated().compactMap { $0.offset.isMultiple(of: 2) ? nil : String($0.element) }
    }

    @Test func `every test that the specification names is there`() {
        let sentences = Self.quoted("docs/SPECIFICATION.md").filter {
            $0.wholeMatch(of: #/[a-z][a-z ,'0-9A-Z\-]*/#) != nil
        }
        .filter { $0.split(separator: " ").count > 3 }
        let tests = Set(
            Repository.swift.filter { $0.path.hasPrefix("Tests/") }.flatMap(\.lines).compactMap { line in
                line.firstMatch(of: #/func `([^`]+)`/#).map { String($0.1) }
            })
        #expect(sentences.count > 20)
        for sentence in Set(sentences).subtracting(tests).sorted() { Issue.record("no test '\(sentence)'") }
    }

    @Test func `every source file that the architecture names is there`() {
        let names = Set(
            Self.documents.filter { $0.path == "docs/ARCHITECTURE.md" }.flatMap { document in
                document.lines.joined(separator: " ").matches(of: #/[A-Za-z+\-\/]+\.(swift|c)\b/#).map { String($0.0) }
            })
        #expect(names.count > 20)
        for name in names.sorted() {
            #expect(Repository.files.contains { ("/" + $0.path).hasSuffix("/" + name) }, "\(name)")
        }
    }

    @Test func `every link to a file leads to one`() {
        for document in Self.documents {
            let folder = Repository.root.appending(path: document.path).deletingLastPathComponent()
            for match in document.lines.joined(separator: "\n").matches(of: #/\]\(([^)#: ]+)[^):]*\)/#) {
                let target = folder.appending(path: String(match.1)).path
                #expect(FileManager.default.fileExists(atPath: target), "\(document.path): \(match.1)")
            }
        }
    }
}
