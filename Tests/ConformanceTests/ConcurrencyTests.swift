import CoteEngine
import CoteModel
import CoteJournal
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// Many commands, callers and connections at once.
@Suite(.triesClasses) struct ConcurrencyTests {
    @Test(arguments: SandboxClass.tried)
    func `two hundred commands run side by side on one connection`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial async throws in
            // None ends before all have begun.
            let waiting = try (0..<200).map { try trial.start("echo \($0); read word; echo $word \($0) >&2; exit 5") }
            for (index, execution) in waiting.enumerated() {
                #expect(await execution.read(until: "\n") == "\(index)\n")
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, execution) in waiting.enumerated() {
                    group.addTask { () async throws in
                        await execution.write(Array("go\n".utf8))
                        #expect(await execution.rest().errorText == "go \(index)\n")
                        #expect(try await execution.wait().exitCode == 5)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `several engines share one sandbox`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let (configuration, id) = (trial.bench.configuration, trial.sandbox.id)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<5 {
                    group.addTask { () async throws in
                        let sandbox = try Engine(configuration).sandbox(id.text)
                        let output = try await sandbox.run(
                            Command(["sh", "-c", "echo \(number) | tee mine-\(number)"]))
                        #expect(output.text == "\(number)\n")
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await trial.shell("cat mine-*").text == "0\n1\n2\n3\n4\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a reader that stops reading stalls only its own command`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let stalled = try trial.start("exec head -c 64M /dev/zero")
            try await stalled.started()
            // Meanwhile as much as that goes to somebody who reads.
            let other = try await trial.shell("head -c 8M /dev/zero")
            #expect(other.standardOutput.count == 8 << 20)
            let keeper = try #require(try trial.keeper)
            let resident = try #require(Self.residentMemory(of: keeper))
            #expect(resident < 32 << 20)
            stalled.signal(SIGKILL)
            #expect(try await stalled.wait().signal == SIGKILL)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a stalled reader gets everything once it reads again`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try trial.start("seq 1 300000; echo : > done")
            try await execution.started()
            _ = try await trial.shell("true")
            #expect(try await trial.shell("test -e done").result.exitCode == 1, "it waits for its reader")
            let bytes = await execution.rest().flatMap(\.bytes)
            #expect(Bulk(bytes) == Bulk(Array((1...300_000).map { "\($0)\n" }.joined().utf8)))
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command outlives the connection that asked for it`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let id = trial.sandbox.id
            let script = "echo begun; cat > input; echo 'input ended'; head -c 1M /dev/zero; echo finished"
            let client = try CoteClient(trial.bench, ["exec", id.text, "--", "sh", "-c", script])
            #expect(try await client.read(6) == "begun\n")
            try client.kill()
            // Its stdin ended with the connection, and more than a window of output went to the journal alone.
            let exit = try await trial.engine.awaitRecord(of: id) { $0.kind == "exec-exit" && $0.n == 1 }
            #expect(exit?.integer("exit") == 0)
            let output = try trial.journal().filter { $0.n == 1 && $0.kind == "stdout" }.flatMap { $0.data ?? [] }
            let expected =
                Array("begun\ninput ended\n".utf8) + [UInt8](repeating: 0, count: 1 << 20) + Array("finished\n".utf8)
            #expect(Bulk(output) == Bulk(expected))
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command outlives the caller's interest in it`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            _ = try trial.start("cat; head -c 1M /dev/zero; echo finished")
            let exit = try await trial.engine.awaitRecord(of: trial.sandbox.id) { $0.kind == "exec-exit" && $0.n == 1 }
            #expect(exit?.integer("exit") == 0)
            let output = try trial.journal().filter { $0.kind == "stdout" }.flatMap { $0.data ?? [] }
            #expect(Bulk(output) == Bulk([UInt8](repeating: 0, count: 1 << 20) + Array("finished\n".utf8)))
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a caller's cancelled task leaves the command alone`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try trial.start("read x; exit 6")
            try await execution.started()
            let waiting = Task { try await execution.wait() }
            waiting.cancel()
            await execution.write(Array("\n".utf8))
            #expect(try await waiting.value.exitCode == 6)
        }
    }

    private static func residentMemory(of process: Int32) -> Int? {
        let status = (try? Files.readText("/proc/\(process)/status")) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 << 10 }
    }
}
