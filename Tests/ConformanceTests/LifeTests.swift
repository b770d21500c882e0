import CoteEngine
import CoteModel
import CoteJournal
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// A sandbox from its creation to its removal, and what names it.
@Suite(.triesClasses) struct LifeTests {
    @Test(arguments: SandboxClass.tried)
    func `stopping gives commands time to end`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let script = "trap 'echo asked; : > ended; exit 3' TERM; echo ready; while :; do sleep 0.02; done"
            let execution = try trial.start(script)
            #expect(await execution.read(until: "ready\n") == "ready\n")
            let started = SystemClock.monotonic()
            try await trial.sandbox.stop(grace: .seconds(30))
            #expect(SystemClock.monotonic() - started < 10_000_000_000, "it ends with its last command")
            #expect(await execution.rest().text == "asked\n")
            #expect(try await execution.wait().exitCode == 3)
            #expect(try trial.engine.show(trial.sandbox.id.text).state.phase == .stopped)
            let again = try await trial.engine.start(trial.sandbox.id.text)
            #expect(try await again.run(Command(["ls"])).text == "ended\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command that will not end is ended when the grace is over`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try trial.start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
            #expect(await execution.read(until: "ready\n") == "ready\n")
            try await trial.sandbox.stop(grace: TimeSpan(milliseconds: 200))
            let error = await #expect(throws: CoteError.self) { try await execution.wait() }
            #expect(error?.code == .sandboxDied)
            #expect(try trial.journal().suffix(2).map(\.kind) == ["exec-lost", "sandbox-stopped"])
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `stopping without grace asks nobody`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try trial.start("echo ready; exec sleep 600")
            #expect(await execution.read(until: "ready\n") == "ready\n")
            try await trial.sandbox.stop(grace: TimeSpan(milliseconds: 0))
            #expect(try trial.engine.show(trial.sandbox.id.text).state.phase == .stopped)
            await #expect(throws: CoteError.self) { try await execution.wait() }
            await #expect(throws: CoteError.self) { try await trial.shell("true") }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a sandbox started again has its files and goes on counting`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let id = trial.sandbox.id
            #expect(try await trial.shell("echo kept > /workspace/file; echo lost > /tmp/file").result.exitCode == 0)
            #expect(try await trial.shell("true").result.exitCode == 0)
            try await trial.sandbox.stop()
            let last = try #require(try trial.journal().last)

            let sandbox = try await trial.engine.start(id.text)
            let output = try await sandbox.run(Command(["sh", "-c", "cat /workspace/file; test -e /tmp/file"]))
            #expect(output.text == "kept\n")
            #expect(output.result.exitCode == 1)
            let journal = try trial.journal()
            #expect(journal.map(\.seq) == (1...UInt64(journal.count)).map { $0 })
            #expect(journal.filter { $0.kind == "exec-start" }.map(\.n) == [1, 2, 3])
            #expect(journal.first { $0.seq == last.seq + 1 }?.kind == "sandbox-creating")

            let error = await #expect(throws: CoteError.self) { try await trial.engine.start(id.text) }
            #expect(error?.code == .wrongState)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `removing a sandbox leaves its journal and nothing else`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, name: "gone") { trial in
            let id = trial.sandbox.id.text
            #expect(try await trial.shell("echo hello").text == "hello\n")
            let refused = await #expect(throws: CoteError.self) { try await trial.engine.remove(id) }
            #expect(refused?.code == .wrongState)
            try await trial.sandbox.remove()
            #expect(trial.bench.leaks().isEmpty)
            #expect(trial.engine.list().isEmpty)
            #expect(try trial.engine.records(of: id).contains { $0.data == Array("hello\n".utf8) })
            #expect(try Files.list("\(trial.bench.home)/journals/\(id)") == ["log.jsonl"])
            #expect(throws: CoteError.self) { try trial.engine.show("gone") }
            #expect(trial.engine.prune().journals == [trial.sandbox.id])
            #expect(throws: CoteError.self) { try trial.engine.journal(of: id) }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a name belongs to one sandbox at a time`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, name: "one") { trial in
            let request = SandboxRequest(
                environment: Workbench.environment, name: "one", sandboxClass: sandboxClass.rawValue)
            let error = await #expect(throws: CoteError.self) { try await trial.engine.create(request) }
            #expect(error?.code == .nameTaken)
            #expect(trial.engine.list().count == 1)
            #expect(try trial.engine.show("one").spec.id == trial.sandbox.id)
            try await trial.sandbox.remove()
            let next = try await trial.engine.create(request)
            #expect(try trial.engine.show("one").spec.id == next.id)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `of many that want one name at once exactly one gets it`(sandboxClass: SandboxClass) async throws {
        try await Workbench.withEngine { engine in
            let codes = await withTaskGroup(of: ErrorCode?.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        let request = SandboxRequest(
                            environment: Workbench.environment, name: "wanted", sandboxClass: sandboxClass.rawValue)
                        do throws(CoteError) { _ = try await engine.create(request) } catch { return error.code }
                        return nil
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(codes.filter { $0 == nil }.count == 1)
            #expect(codes.filter { $0 == .nameTaken }.count == 5)
            #expect(engine.list().count == 1)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a sandbox is found by its name, its id and the beginning of that`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, name: "by-name") { trial in
            let id = trial.sandbox.id
            for reference in ["by-name", id.text, String(id.text.prefix(4)), String(id.text.prefix(11))] {
                #expect(try trial.engine.show(reference).spec.id == id, "\(reference)")
            }
            for reference in [
                "", String(id.text.prefix(3)), "by-nam", id.text + "0", "../\(id)", "\u{1b}[2J", "BY-NAME",
            ] {
                let error = #expect(throws: CoteError.self) { try trial.engine.show(reference) }
                #expect(error?.code == .unknownSandbox, "'\(reference)'")
            }
            // A twin whose id begins alike, as rare as it is.
            let twin = String(id.text.prefix(4)) + (id.text.hasSuffix("00000000") ? "11111111" : "00000000")
            let directory = "\(trial.bench.home)/sandboxes/\(twin)"
            try Files.makeDirectory(directory)
            let error = #expect(throws: CoteError.self) { try trial.engine.show(String(id.text.prefix(4))) }
            #expect(error?.code == .ambiguousSandbox)
            #expect(try trial.engine.show(id.text).spec.id == id)
            try Files.removeTree(directory)
        }
    }

    @Test(.requires(.limits), arguments: SandboxClass.tried)
    func `what was asked for is what is shown`(sandboxClass: SandboxClass) async throws {
        try await Workbench.withEngine { engine in
            let limits = Limits(
                milliCPUs: 500, memory: .mebibytes(100), processes: 50, lifetime: .seconds(3600), journal: .mebibytes(5)
            )
            let labels = ["team": "a", "empty": "", "text": "b=c d"]
            let request = SandboxRequest(
                environment: Workbench.environment, name: "full", labels: labels, sandboxClass: sandboxClass.rawValue,
                limits: limits)
            let sandbox = try await engine.create(request)
            let spec = try engine.show("full").spec
            #expect(spec == sandbox.spec)
            #expect(spec.limits == limits && spec.labels == labels && spec.name?.text == "full")
            #expect(spec.sandboxClass == sandboxClass && !spec.isOneShot)
            #expect(try await sandbox.run(Command(["hostname"])).text == "full\n")
            #expect(engine.list().map(\.spec.id) == [sandbox.id])
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a one-shot sandbox is gone with its command`(sandboxClass: SandboxClass) async throws {
        try await Workbench.with { bench in
            let engine = try Engine(bench.configuration)
            let request = SandboxRequest(environment: Workbench.environment, sandboxClass: sandboxClass.rawValue)
            let (id, result) = try await engine.run(Command(["sh", "-c", "echo once; exit 3"]), in: request) {
                id, execution async throws(CoteError) in
                #expect(await execution.rest().text == "once\n")
                return (id, try await execution.wait())
            }
            #expect(result.exitCode == 3)
            #expect(bench.leaks().isEmpty)
            let kinds = try engine.records(of: id.text).map(\.kind)
            #expect(kinds.suffix(3) == ["exec-exit", "sandbox-stopping", "sandbox-stopped"])
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a one-shot sandbox is gone with its client`(sandboxClass: SandboxClass) async throws {
        try await Workbench.with { bench in
            let client = try CoteClient(
                bench,
                [
                    "run", Workbench.environment, "--class", sandboxClass.rawValue, "--", "sh", "-c",
                    "echo up; exec sleep 600",
                ])
            #expect(try await client.read(3) == "up\n")
            let engine = try Engine(bench.configuration)
            let id = try #require(engine.list().first).spec.id
            try client.kill()
            let end = try await engine.awaitRecord(of: id) { $0.kind == "sandbox-stopped" }
            #expect(end != nil)
            #expect(try await engine.awaitEnd(of: id).phase == .stopped)
            #expect(try engine.records(of: id.text).contains { $0.kind == "exec-lost" })
            let again = await #expect(throws: CoteError.self) { try await engine.start(id.text) }
            #expect(again?.code == .wrongState && again?.hint == "cote remove \(id)")
            let error = #expect(throws: CoteError.self) { try engine.sandbox(id.text) }
            #expect(error?.code == .wrongState && error?.hint == "cote remove \(id)")
        }
    }
}
