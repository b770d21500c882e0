import CoteEngine
import CoteJournal
import CoteModel
import CoteTestSupport
import CoteSystem
import Glibc
import Testing

/// What the journal says of a sandbox's life and its commands.
@Suite(.triesClasses) struct RecordTests {
    @Test(arguments: SandboxClass.tried)
    func `the journal tells a sandbox's life in order`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            try await trial.sandbox.stop()
            let journal = try trial.journal()
            #expect(
                journal.map(\.kind).filter { $0 != "bootstrap-phase-completed" } == [
                    "sandbox-creating", "sandbox-booting", "bootstrap-started", "sandbox-ready", "bootstrap-completed",
                    "sandbox-stopping", "sandbox-stopped",
                ])
            #expect(journal.map(\.seq) == (1...UInt64(journal.count)).map { $0 })
            #expect(journal.map(\.timestamp) == journal.map(\.timestamp).sorted())
            let first = try #require(journal.first)
            #expect(first.string("id") == trial.sandbox.id.text)
            #expect(first.string("environment") == Workbench.environment)
            #expect(first.string("class") == sandboxClass.rawValue)
            let phases = journal.filter { $0.kind == "bootstrap-phase-completed" }
            #expect(!phases.isEmpty && phases.allSatisfy { $0.string("phase") != nil })
            #expect(phases.allSatisfy { ($0.integer("duration_us") ?? -1) >= 0 })
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `the journal tells how a command began and ended`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let words = ["/bin/sh", "-c", "echo 'ü'; echo oops >&2; exit 3", "a b", "", "漢\n"]
            _ = try await trial.sandbox.run(Command(words, directory: "/tmp", user: "cote"))
            _ = try await trial.shell("kill -15 $$")
            _ = try await trial.shell("exec sleep 600") { $0.timeout = .seconds(1) }
            _ = try? await trial.sandbox.run(Command(["no-such-command"]))

            let journal = try trial.journal()
            let start = try #require(journal.first { $0.kind == "exec-start" })
            #expect(start.n == 1 && start.strings("cmd") == words)
            #expect(start.string("cwd") == "/tmp" && start.string("user") == "cote" && start.flag("tty") == nil)
            #expect(journal.first { $0.kind == "stdout" }?.data == Array("ü\n".utf8))
            #expect(journal.first { $0.kind == "stderr" }?.data == Array("oops\n".utf8))
            let exits = journal.filter { $0.kind == "exec-exit" }
            #expect(exits.map(\.n) == [1, 2, 3])
            #expect(exits.map { $0.integer("exit") } == [3, 143, 143])
            #expect(exits.map { $0.integer("signal") } == [nil, 15, 15])
            #expect(exits.map { $0.flag("timed_out") } == [nil, nil, true])
            #expect(exits.allSatisfy { ($0.integer("duration_ms") ?? -1) >= 0 })
            #expect((exits[2].integer("duration_ms") ?? 0) >= 1000)
            let refused = try #require(journal.first { $0.kind == "exec-refused" })
            #expect(refused.n == 4 && refused.string("code") == "command-not-found")
            for n in UInt32(1)...3 {
                let kinds = journal.filter { $0.n == n }.map(\.kind)
                #expect(kinds.first == "exec-start" && kinds.last == "exec-exit")
            }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `every byte of a command's output is in the journal`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let bytes = Seeded.bytes(700_000)
            let text = Array(String(repeating: "naïve 漢字 🕊 \t\"\\\n", count: 20_000).utf8)
            let output = try await trial.shell("cat", input: bytes)
            #expect(Bulk(output.standardOutput) == Bulk(bytes))
            // A size at which most chunks end inside a character.
            _ = try await trial.shell("exec dd bs=4093 status=none", input: text)
            let journal = try trial.journal()
            for (n, expected) in [(UInt32(1), bytes), (2, text)] {
                let records = journal.filter { $0.n == n && $0.kind == "stdout" }
                #expect(Bulk(records.flatMap { $0.data ?? [] }) == Bulk(expected), "command \(n)")
                #expect(records.allSatisfy { ($0.data?.count ?? 0) <= JournalFormat.mostData })
            }
            // On a busy machine the rest of a character may take longer than it is waited for.
            let encoded = journal.filter { $0.n == 2 && $0.string("encoding") != nil }
            #expect(encoded.count < 8, "text stays text")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `half a character is not held back for ever`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try trial.start("printf '\\303'; read x; printf '\\244'; read x")
            #expect(await execution.nextOutput()?.bytes == [0xc3])
            let half = try await trial.engine.awaitRecord(of: trial.sandbox.id) { $0.data == [0xc3] }
            #expect(half?.string("encoding") == "base64")
            execution.closeInput()
            _ = try await execution.wait()
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `durations and order hold when the clock has jumped`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            try await trial.sandbox.stop()
            // As if the clock had been set back by seventy years: the last line is from the future.
            let path = "\(trial.bench.home)/journals/\(trial.sandbox.id)/log.jsonl"
            let last = try #require(try trial.journal().last)
            let line = #"{"seq":\#(last.seq + 1),"ts":"2096-01-01T00:00:00.000000Z","kind":"note"}"# + "\n"
            try Descriptor.open(path, O_WRONLY | O_APPEND).write(all: Array(line.utf8))

            let sandbox = try await trial.engine.start(trial.sandbox.id.text)
            let output = try await sandbox.run(Command(["sh", "-c", "sleep 0.1; echo later"]))
            #expect((100..<5000).contains(output.result.duration.milliseconds))
            let journal = try trial.journal()
            #expect(journal.map(\.seq) == (1...UInt64(journal.count)).map { $0 })
            #expect(journal.last { $0.data != nil }?.data == Array("later\n".utf8))
            #expect((journal.last?.timestamp ?? "") < "2096")
            #expect(journal.compactMap { $0.integer("duration_us") }.allSatisfy { $0 >= 0 && $0 < 60_000_000 })
        }
    }
}
