import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// Journals that somebody or something has damaged.
@Suite(.requires(.root, .crun)) struct DamagedJournalTests {
    private struct Damage: CustomTestStringConvertible, Sendable {
        let testDescription: String
        /// Lines that are left out; a torn end is no line yet.
        let lost: Int
        let change: @Sendable (inout [UInt8]) -> Void
    }

    private static let damages = [
        Damage(testDescription: "torn in its last line", lost: 0) { $0.removeLast(5) },
        Damage(testDescription: "rubbish at the end", lost: 2) { $0 += Array("rubbish\n\u{1b}[2J{\"seq\":\n".utf8) },
        Damage(testDescription: "rubbish with no end", lost: 0) { $0 += [0, 255, 0xc3] },
        Damage(testDescription: "a line of NUL", lost: 1) { $0 += [UInt8](repeating: 0, count: 5000) + [0x0a] },
        Damage(testDescription: "a line that is far too long", lost: 1) {
            $0 += [UInt8](repeating: 0x41, count: 3 << 20) + [0x0a]
        },
        Damage(testDescription: "an absurd number", lost: 0) {
            $0 += Array(#"{"seq":18446744073709551615,"ts":"x","kind":"y"}"#.utf8) + [0x0a]
        },
        Damage(testDescription: "a first line in two", lost: 1) { $0.removeFirst(20) },
        Damage(testDescription: "nothing left", lost: 0) { $0 = [] },
    ]

    @Test func `a damaged journal is shown, and its sandbox starts again`() async throws {
        try await Workbench.with { bench in
            let id = try await bench.cote(["create", "host", "--name", "box"]).line
            let path = "\(bench.home)/journals/\(id)/log.jsonl"
            for damage in Self.damages {
                let named = Comment(rawValue: damage.testDescription)
                #expect(try await bench.cote(["exec", "box", "--", "echo", "before"]).code == 0)
                #expect(try await bench.cote(["stop", "box"]).code == 0)
                var bytes = try Files.read(path, limit: 64 << 20)
                let whole = try await bench.cote(["logs", "box"])
                #expect(whole.code == 0 && whole.errors.isEmpty, named)
                damage.change(&bytes)
                try Files.replace(path, bytes)

                let damaged = try await bench.cote(["logs", "box"])
                let said = "cote: \(damage.lost) lines of the journal could not be read and were left out\n"
                #expect(damaged.code == 0, named)
                #expect(damaged.errors == (damage.lost == 0 ? "" : said), named)
                #expect(!damaged.output.utf8.contains(0x1b), named)

                #expect(try await bench.cote(["start", "box"]).code == 0, named)
                #expect(try await bench.cote(["exec", "box", "--", "echo", "after"]).output == "after\n", named)
                let after = try await bench.cote(["logs", "--json", "box"])
                #expect(after.output.contains(#""data":"after\n""#), named)
                // The next damage begins from a clean journal.
                try Files.replace(path, Array(after.output.utf8))
                #expect(try await bench.cote(["stop", "box"]).code == 0)
                #expect(try await bench.cote(["start", "box"]).code == 0)
            }
        }
    }

    @Test func `a journal that is gone is an error, not a crash`() async throws {
        try await Workbench.with { bench in
            let id = try await bench.cote(["create", "host"]).line
            #expect(try await bench.cote(["stop", id]).code == 0)
            try Files.remove("\(bench.home)/journals/\(id)/log.jsonl")
            let result = try await bench.cote(["logs", id])
            #expect(result.code != 0 && result.told != nil)
        }
    }
}
