import CoteEngine
import CoteModel
import CoteJournal
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// What goes through a command's stdin, stdout and stderr.
@Suite(.triesClasses) struct StreamTests {
    @Test(arguments: SandboxClass.tried)
    func `stdout and stderr come apart and each in its order`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let script = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
            let output = try await trial.shell(script)
            #expect(output.text == (0..<500).map { "out \($0)\n" }.joined())
            #expect(output.standardError == Array((0..<500).map { "err \($0)\n" }.joined().utf8))
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `what a command writes with pauses comes in that order`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            // Each step waits for the caller's word, so the order is the command's own.
            let execution = try trial.start("echo one; read x; echo two >&2; read x; echo three; read x")
            var seen: [String] = []
            while let chunk = await execution.nextOutput() {
                seen.append((chunk.isError ? "err " : "out ") + String(decoding: chunk.bytes, as: UTF8.self))
                await execution.write(Array("\n".utf8))
            }
            #expect(seen == ["out one\n", "err two\n", "out three\n"])
            #expect(try await execution.wait().exitCode == 0)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `every byte value comes back as it was`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let all = (0...255).map { UInt8($0) }
            let output = try await trial.shell("cat; cat /proc/self/fd/0 >&2", input: all + all.reversed())
            #expect(output.standardOutput == all + all.reversed())
            #expect(output.standardError.isEmpty)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `ten mebibytes go in and come out unchanged`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let bytes = Seeded.bytes(10 << 20)
            let digest = try await trial.bench.run(SpawnRequest("/usr/bin/sha256sum", ["sha256sum"]), input: bytes)
                .output
            let through = try await trial.shell("tee copy; sha256sum < copy >&2", input: bytes)
            #expect(Bulk(through.standardOutput) == Bulk(bytes))
            #expect(String(decoding: through.standardError, as: UTF8.self) == digest)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `without input a command reads the end at once`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial async throws in
            #expect(try await trial.shell("cat; echo end").text == "end\n")
            #expect(try await trial.shell("cat; echo end", input: []).text == "end\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `stdin can end while output goes on`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try trial.start("echo ready; cat; echo after")
            #expect(await execution.read(until: "ready\n") == "ready\n")
            await execution.write(Array("given\n".utf8))
            #expect(await execution.read(until: "given\n") == "given\n")
            execution.closeInput()
            #expect(await execution.rest().text == "after\n")
            #expect(try await execution.wait().exitCode == 0)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command that never reads its stdin ends all the same`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial async throws in
            let bytes = [UInt8](repeating: 7, count: 3 << 20)
            #expect(try await trial.shell("echo done", input: bytes).text == "done\n")
            #expect(try await trial.shell("exec <&-; echo closed", input: bytes).text == "closed\n")
            #expect(try await trial.shell("head -c 10 | wc -c", input: bytes).text == "10\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command's end does not wait for what it left behind`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let script = "mkfifo gate; (read x < gate; echo late; echo later >&2) & echo early"
            let output = try await trial.shell(script)
            #expect(output.text == "early\n")
            #expect(output.result.exitCode == 0)
            let follower = Task { [engine = trial.engine, id = trial.sandbox.id] in
                try await engine.awaitRecord(of: id) { $0.data == Array("late\n".utf8) }
            }
            #expect(try await trial.shell("echo > gate").result.exitCode == 0)
            let late = try #require(try await follower.value)
            #expect(late.n == 1)
            #expect(late.kind == "stdout")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command that closes its output runs on`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let output = try await trial.shell("exec >&- 2>&-; : > alive; exit 7")
            #expect(output.result.exitCode == 7)
            #expect(output.standardOutput.isEmpty)
            #expect(try await trial.shell("test -e alive").result.exitCode == 0)
        }
    }
}
