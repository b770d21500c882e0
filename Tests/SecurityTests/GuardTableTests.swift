import CoteModel
import Foundation
import Testing

/// `docs/guards.md` has a row for each guard, with what holds it in words and what shows it as the suite has it.
@Suite struct GuardTableTests {
    private static let document = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/guards.md")

    /// The cells of the table's rows, which begin with a guard in backticks.
    private static func rows() throws -> [[String]] {
        let text = try String(contentsOf: document, encoding: .utf8)
        return text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// The attempts that a guard stops, with the guards that stop them too.
    private static func shown(_ one: Guard) -> String {
        if one == .endsWithChannel { return "lives on when its keeper has gone (`AgentTests`)" }
        return Attempt.all.filter { $0.guarded == one }.map { attempt in
            let others = attempt.alsoHeldBy.map { "`\($0.rawValue)`" }.joined(separator: ", ")
            return others.isEmpty ? attempt.name : "\(attempt.name) (also \(others))"
        }.joined(separator: "; ")
    }

    @Test func `every guard is in the table, in order, with what holds it`() throws {
        let rows = try Self.rows()
        #expect(rows.map(\.first) == Guard.allCases.map { "`\($0.rawValue)`" })
        for row in rows { #expect(row.count == 3 && row.allSatisfy { !$0.isEmpty }, "\(row)") }
    }

    @Test(arguments: Guard.allCases) func `a guard's row names the attempts that it stops`(one: Guard) throws {
        let shown = Self.shown(one)
        let row = try Self.rows().first { $0[0] == "`\(one.rawValue)`" }?.last
        #expect(row == shown)
        #expect(!shown.isEmpty)
    }

    @Test func `no two attempts have one name, and there are at least thirty`() {
        #expect(Set(Attempt.all.map(\.name)).count == Attempt.all.count)
        #expect(Attempt.all.count >= 30)
    }
}
