import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Testing

/// Sandboxes whose files were dated by a clock that was wrong, then or now.
@Suite(.requires(.root, .crun)) struct ClockTests {
    /// When a sandbox says it was created, and how old the program says it is.
    private static let table: [(createdAt: UInt64, age: String)] = [
        (UInt64.max, "0s"),
        // The year 2096.
        (4_000_000_000_000_000_000, "0s"),
        (SystemClock.wall() + 3_600_000_000_000, "0s"),
        (SystemClock.wall() - 90_000_000_000_000, "25h"),
        (0, "\(SystemClock.wall() / 86_400_000_000_000)d"),
    ]

    @Test func `a sandbox from the future is new, and works like any other`() async throws {
        try await Workbench.with { bench in
            let id = try await bench.cote(["create", "host", "--name", "box", "--timeout", "1h"]).line
            for (createdAt, age) in Self.table {
                #expect(try await bench.cote(["stop", "box"]).code == 0)
                try bench.replace("createdAt", with: createdAt, in: "\(bench.home)/sandboxes/\(id)/spec.json")
                try bench.replace("changedAt", with: createdAt, in: "\(bench.home)/sandboxes/\(id)/state.json")
                let list = try await bench.cote(["list", "--all"])
                #expect(list.code == 0 && list.errors.isEmpty)
                #expect(list.output.contains("stopped  \(age)\n"), "\(list.output)")
                #expect(try await bench.cote(["show", "box"]).output.contains("created        \(age) ago\n"))
                // Its lifetime begins with its start, on a clock of its own, as a command's time does.
                #expect(try await bench.cote(["start", "box"]).code == 0)
                let command = ["exec", "box", "--timeout", "1h", "--", "echo", "here"]
                #expect(try await bench.cote(command).output == "here\n")
                let list2 = try await bench.cote(["list"]).output
                #expect(list2.contains("ready  \(age)\n"), "\(list2)")
            }
        }
    }

    @Test func `the order of a list is that of creation, also of what was created in the future`() async throws {
        try await Workbench.with { bench in
            for (name, createdAt) in [("late", UInt64.max), ("early", 1), ("now", SystemClock.wall())] {
                let id = try await bench.cote(["create", "host", "--name", name]).line
                #expect(try await bench.cote(["stop", name]).code == 0)
                try bench.replace("createdAt", with: createdAt, in: "\(bench.home)/sandboxes/\(id)/spec.json")
            }
            let lines = try await bench.cote(["list", "--all"]).output.split(separator: "\n").dropFirst()
            #expect(lines.map { $0.split(separator: " ")[1] } == ["early", "now", "late"])
            let pruned = try await bench.cote(["prune"])
            #expect(pruned.code == 0 && pruned.output.split(separator: "\n").count == 6)
            #expect(try await bench.cote(["list", "--all"]).output.split(separator: "\n").count == 1)
        }
    }
}

extension Workbench {
    /// Gives a number in a JSON file another value.
    fileprivate func replace(_ key: String, with value: UInt64, in path: String) throws {
        let text = try Files.readText(path, limit: 1 << 20)
        let changed = text.replacing(#/"(\w+)":\d+/#) { $0.1 == key ? "\"\(key)\":\(value)" : String($0.0) }
        #expect(changed != text, "\(path) has \(key)")
        try Files.replace(path, Array(changed.utf8))
    }
}
