import CoteModel
import Foundation
import Testing

/// What `docs/SPECIFICATION.md` says of values, held against the code.
@Suite struct SpecificationTests {
    private static let document: String = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return (try? String(contentsOf: root.appending(path: "docs/SPECIFICATION.md"), encoding: .utf8)) ?? ""
    }()

    /// The cells of the tables' rows, without the words around them.
    private static let rows = document.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { row in
        row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test func `the specification lists every error with its exit codes`() {
        let listed = Self.rows.compactMap { row -> String? in
            guard row.count == 4, let code = Int32(row[1]), let commandCode = Int32(row[2]) else { return nil }
            return "\(row[0]) \(code) \(commandCode)"
        }
        #expect(listed == ErrorCode.allCases.map { "`\($0.rawValue)` \($0.exitCode) \($0.commandExitCode)" })
    }

    @Test func `the specification lists every reason to die`() throws {
        let start = try #require(Self.document.range(of: "Why a sandbox died"))
        let end = try #require(Self.document.range(of: "\n\n", range: start.upperBound..<Self.document.endIndex))
        let paragraph = Self.document[start.lowerBound..<end.lowerBound]
        let words = paragraph.split(separator: "`").map(String.init).filter { DeathReason(rawValue: $0) != nil }
        #expect(words == DeathReason.allCases.map(\.rawValue))
    }

    @Test func `the specification's limits are those that a sandbox has`() {
        let limits = Limits.standard
        let expected = [
            ["`--memory`", "\(limits.memory.map(Self.size) ?? "none")", Self.size(Limits.leastMemory)],
            ["`--pids`", "1,024", "1"],
            ["`--cpus`", "none", "0.01"],
            ["`--timeout` of `create`", "none", "1 ms"],
            ["`--journal-limit`", Self.size(limits.journal), Self.size(Limits.leastJournal)],
        ]
        #expect(Self.rows.filter { row in expected.contains { $0[0] == row[0] } }.map { Array($0[..<3]) } == expected)
        #expect(limits.processes == 1024 && limits.milliCPUs == nil && limits.lifetime == nil)
    }

    private static func size(_ count: ByteCount) -> String {
        let text = count.description
        let units = ["k": "KiB", "m": "MiB", "g": "GiB"]
        return "\(text.dropLast()) \(units[String(text.suffix(1))] ?? "?")"
    }
}
