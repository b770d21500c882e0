import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import CoteJournal
import Glibc
import Testing

/// Commands on a pseudo-terminal. Line ends are `\r\n` there.
@Suite(.triesClasses) struct TerminalTests {
    private static let small = TerminalSize(rows: 7, columns: 33)

    private static func start(_ trial: Trial, _ script: String) throws -> Execution {
        try trial.start(script) { $0.terminal = small }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command on a terminal has one of the size asked for`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let script = "test -t 0 && test -t 1 && test -t 2 && stty size && echo $TERM && echo own > /dev/tty"
            let execution = try Self.start(trial, script)
            let lines = await execution.rest().text.split(separator: "\r\n")
            #expect(lines == ["7 33", "xterm-256color", "own"])
            #expect(try await execution.wait().exitCode == 0)
            #expect(try await trial.shell("test -t 0 || test -t 1 || test -t 2").result.exitCode == 1)
        }
    }

    /// The terminal shows what is typed at once, perhaps before there is a program.
    @Test(arguments: SandboxClass.tried)
    func `what is typed ahead reaches the command, and harms nobody`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            for _ in 0..<40 {
                let execution = try Self.start(trial, "read line; echo got $line")
                await execution.write(Array("ahead\n".utf8))
                #expect(await execution.rest().text.hasSuffix("got ahead\r\n"))
                #expect(try await execution.wait().exitCode == 0)
            }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a resized terminal tells its command`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.02; done"
            let execution = try Self.start(trial, script)
            #expect(await execution.read(until: "ready\r\n") == "ready\r\n")
            execution.resize(TerminalSize(rows: 50, columns: 120))
            #expect(await execution.rest().text == "50 120\r\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `an interrupt key interrupts the foreground`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            // Short sleeps: a key that comes before the first has begun interrupts none, and is seen after it.
            let script = "trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.05; done"
            let execution = try Self.start(trial, script)
            #expect(await execution.read(until: "ready\r\n") == "ready\r\n")
            await execution.write([3])
            #expect(await execution.rest().text == "^Ccaught\r\n")
            #expect(try await execution.wait().exitCode == 4)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `the end of input is the end of file on a terminal`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try Self.start(trial, "stty -echo; echo ready; cat; echo end")
            #expect(await execution.read(until: "ready\r\n") == "ready\r\n")
            await execution.write(Array("line\n".utf8))
            #expect(await execution.read(until: "line\r\n") == "line\r\n")
            execution.closeInput()
            #expect(await execution.rest().text == "end\r\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `stdout and stderr are one stream on a terminal`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try Self.start(trial, "echo one; echo two >&2; echo three")
            let chunks = await execution.rest()
            #expect(chunks.text == "one\r\ntwo\r\nthree\r\n")
            #expect(chunks.allSatisfy { !$0.isError })
            let start = try #require(try trial.journal().first { $0.kind == "exec-start" })
            #expect(start.flag("tty") == true)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a long text arrives whole through a terminal`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let execution = try Self.start(trial, "seq 1 20000")
            #expect(await execution.rest().text == (1...20_000).map { "\($0)\r\n" }.joined())
        }
    }
}
