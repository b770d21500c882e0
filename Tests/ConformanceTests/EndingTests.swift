import CoteEngine
import CoteModel
import CoteTestSupport
import CoteJournal
import CoteSystem
import Glibc
import Testing

/// How commands end: by themselves, by signals, and by their time.
@Suite(.triesClasses) struct EndingTests {
    @Test(arguments: SandboxClass.tried)
    func `every exit code comes back`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let results = try await withThrowingTaskGroup(of: (Int32, CommandResult).self) { group in
                for code in Int32(0)...255 {
                    group.addTask { (code, try await trial.shell("exit \(code)").result) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(results.count == 256)
            for (code, result) in results {
                #expect(result.exitCode == code && result.signal == nil && result.shellCode == code)
                #expect(!result.timedOut && !result.outOfMemory && !result.outputLimit)
            }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `every signal that ends a command comes back`(sandboxClass: SandboxClass) async throws {
        // The others are ignored, stop a process or let it go on.
        let harmless = [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH]
        try await Trial.with(sandboxClass) { trial in
            for number in Int32(1)...31 where !harmless.contains(number) {
                let result = try await trial.shell("kill -\(number) $$").result
                #expect(result.signal == number && result.exitCode == 0, "signal \(number)")
                #expect(result.shellCode == 128 + number)
                #expect(!result.outOfMemory && !result.timedOut)
            }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a signal reaches the command's whole process group`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let script = """
                trap 'wait; echo parent; exit 9' USR1
                sh -c 'trap "echo child; exit" USR1; echo waiting; while :; do sleep 0.05; done' & wait
                """
            let execution = try trial.start(script)
            #expect(await execution.read(until: "waiting\n") == "waiting\n")
            execution.signal(SIGUSR1)
            #expect(await execution.rest().text == "child\nparent\n")
            #expect(try await execution.wait().exitCode == 9)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `no other command feels a signal`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let neighbour = try trial.start("echo up; read x; echo \"$x\"")
            let target = try trial.start("echo up; exec sleep 600")
            _ = await neighbour.read(until: "up\n")
            _ = await target.read(until: "up\n")
            // Numbers that are no signal are nothing, whoever sends them.
            for number in [Int32.min, -1, 0, 65, 1000, .max] { target.signal(number) }
            target.signal(SIGKILL)
            #expect(try await target.wait().signal == SIGKILL)
            await neighbour.write(Array("well\n".utf8))
            #expect(await neighbour.rest().text == "well\n")
            #expect(try await neighbour.wait().exitCode == 0)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command whose time is over is asked to end`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            // Time enough to set the trap in, however busy the machine is.
            let output = try await trial.shell("trap 'echo asked; exit 3' TERM; while :; do sleep 0.02; done") {
                $0.timeout = .seconds(2)
            }
            #expect(output.text == "asked\n")
            #expect(output.result.timedOut)
            #expect(output.result.exitCode == 3)
            #expect(output.result.shellCode == 124)
            // It was not killed, which would have been two seconds later.
            #expect((2000..<4000).contains(output.result.duration.milliseconds))
            let quick = try await trial.shell("echo quick") { $0.timeout = .seconds(60) }
            #expect(!quick.result.timedOut)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command that will not end is killed two seconds later`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let started = SystemClock.monotonic()
            let output = try await trial.shell("trap '' TERM; echo deaf; while :; do sleep 0.1; done") {
                $0.timeout = .seconds(2)
            }
            let took = (SystemClock.monotonic() - started) / 1_000_000
            #expect(output.text == "deaf\n")
            #expect(output.result.timedOut)
            #expect(output.result.signal == SIGKILL)
            #expect(output.result.shellCode == 124)
            #expect((4000..<5900).contains(output.result.duration.milliseconds))
            // How long this process waited for its own turn is not the sandbox's doing.
            #expect((4000..<120_000).contains(took))
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a time that is over takes the command's children too`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let output = try await trial.shell("sleep 600 & echo $!; sleep 600; :") {
                $0.timeout = .seconds(2)
            }
            #expect(output.result.timedOut)
            let child = output.text.filter { $0.isNumber }
            try #require(!child.isEmpty)
            // Reaped by the agent a moment later.
            let script = "while [ -e /proc/\(child) ]; do sleep 0.02; done"
            let gone = try await trial.shell(script) { $0.timeout = .seconds(60) }
            #expect(!gone.result.timedOut)
        }
    }
}
