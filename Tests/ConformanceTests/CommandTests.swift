import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import CoteJournal
import Testing

/// How a command is started: as what, where, with what.
@Suite(.triesClasses) struct CommandTests {
    @Test(arguments: SandboxClass.tried)
    func `a command gets exactly the words it was given`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let words = [
                "", " ", "a b", "\ttab", "new\nline\n", "häßlich 漢字 🕊", "$HOME `id` $(id)", "'\"\\", "-n", "--", "*",
                String(repeating: "x", count: 100_000), "",
            ]
            let script = ["/bin/sh", "-c", "cat /proc/$$/cmdline; :", "name"]
            let output = try await trial.sandbox.run(Command(script + words))
            #expect(output.standardOutput.texts == script + words)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command sees a small environment and what it was given on top`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let usual = [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root",
                "LOGNAME=root", "LANG=C.UTF-8",
            ]
            let cat = ["/bin/cat", "/proc/self/environ"]
            #expect(try await trial.sandbox.run(Command(cat)).standardOutput.texts.sorted() == usual.sorted())

            let given = ["HOME": "/tmp", "EMPTY": "", "TEXT": "a=b\nc 漢", "lower.case": "x"]
            let output = try await trial.sandbox.run(Command(cat, environment: given))
            let expected =
                usual.filter { $0 != "HOME=/root" } + ["EMPTY=", "HOME=/tmp", "TEXT=a=b\nc 漢", "lower.case=x"]
            #expect(output.standardOutput.texts.sorted() == expected.sorted())
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a bare word is looked for on the command's own path`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial async throws in
            let script = "mkdir /workspace/bin; printf '#!/bin/sh\\necho mine' > /workspace/bin/tool; chmod +x bin/tool"
            #expect(try await trial.shell(script).result.exitCode == 0)
            let path = ["PATH": "/nowhere:/workspace/bin:/usr/bin:/bin"]
            #expect(try await trial.sandbox.run(Command(["tool"], environment: path)).text == "mine\n")
            #expect(try await trial.refusal(Command(["tool"]))?.code == .commandNotFound)
            #expect(try await trial.sandbox.run(Command(["bin/tool"])).text == "mine\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command starts in the workspace or where it is told to`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            #expect(try await trial.shell("pwd -P").text == "/workspace\n")
            #expect(try await trial.shell("pwd -P") { $0.directory = "/usr/bin" }.text == "/usr/bin\n")
            _ = try await trial.shell("mkdir 'a b'; mkdir -m 700 closed; : > file")
            #expect(try await trial.shell("pwd -P") { $0.directory = "/workspace/a b" }.text == "/workspace/a b\n")
            for directory in ["/nowhere", "/workspace/file", "relative", ""] {
                let refusal = try await trial.refusal(Command(["true"], directory: directory))
                #expect(refusal?.code == .badDirectory, "\(directory)")
            }
            let closed = try await trial.refusal(Command(["true"], directory: "/workspace/closed", user: "cote"))
            #expect(closed?.code == .badDirectory)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command runs as any user the sandbox knows`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let ids = "id -u; id -g; id -G; echo $USER $HOME"
            let expected: [(user: String?, output: String)] = [
                (nil, "0\n0\n0\nroot /root\n"),
                ("root", "0\n0\n0\nroot /root\n"),
                ("0", "0\n0\n0\nroot /root\n"),
                ("cote", "1000\n1000\n1000\ncote /workspace\n"),
                ("1000", "1000\n1000\n1000\ncote /workspace\n"),
                ("nobody", "65534\n65534\n65534\nnobody /nonexistent\n"),
                ("cote:daemon", "1000\n1\n1\ncote /workspace\n"),
                ("cote:5", "1000\n5\n5\ncote /workspace\n"),
                ("1:1000", "1\n1000\n1000\ndaemon /usr/sbin\n"),
                ("4321", "4321\n4321\n4321\n4321 /\n"),
                ("4321:7", "4321\n7\n7\n4321 /\n"),
            ]
            for (user, text) in expected {
                let output = try await trial.shell(ids) { $0.user = user }
                #expect(output.text == text, "user \(user ?? "-")")
            }
            // The last of the sandbox's ids is the agent's own.
            for user in [
                "stranger", "cote:strangers", "65536", "65535", "-1", "", "cote:", ":1", "0:65536", "1 ", "root:0:0",
            ] {
                #expect(try await trial.refusal(Command(["id"], user: user))?.code == .unknownUser, "user '\(user)'")
            }
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command has the file mode mask it was given`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial async throws in
            #expect(try await trial.shell("umask").text == "0022\n")
            #expect(
                try await trial.shell("umask; : > f; stat -c %a f") { $0.fileModeMask = 0o077 }.text == "0077\n600\n")
            #expect(try await trial.shell("umask") { $0.fileModeMask = 0 }.text == "0000\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command has the soft limits it was given`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            // What the shell calls each limit, and the bytes in its unit.
            let table: [(limit: CommandLimit, option: String, unit: UInt64)] = [
                (.nofile, "-n", 1), (.cpu, "-t", 1), (.core, "-c", 512), (.data, "-d", 1024), (.fsize, "-f", 512),
                (.nproc, "-p", 1), (.stack, "-s", 1024),
            ]
            #expect(Set(table.map(\.limit)) == Set(CommandLimit.allCases))
            for (limit, option, unit) in table {
                let number: UInt64 = limit == .core ? 0 : 7000
                let output = try await trial.shell("ulimit -S \(option)") { $0.resourceLimits = [limit: number * unit] }
                #expect(output.text == "\(number)\n", "\(limit)")
            }
            let excess = Command(["true"]).with { $0.resourceLimits = [.nofile: 1 << 40] }
            #expect(try await trial.refusal(excess)?.code == .limitUnsupported)
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a soft limit is enforced`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let output = try await trial.shell("exec head -c 4096 /dev/zero > file") {
                $0.resourceLimits = [.fsize: 1024]
            }
            #expect(output.result.signal == 25, "SIGXFSZ")
            #expect(try await trial.shell("wc -c < file").text == "1024\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `what cannot be a command is refused before it is sent`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial async throws in
            let bad: [(command: Command, code: ErrorCode)] = [
                (Command([]), .usage),
                (Command(["echo", "a\0b"]), .usage),
                (Command(["true"], environment: ["": "x"]), .usage),
                (Command(["true"], environment: ["A=B": "x"]), .usage),
                (Command(["true"], environment: ["A": "\0"]), .usage),
                (Command(["true"], directory: "/\0"), .usage),
                (Command(["true"], user: "root\0"), .usage),
                (Command(["echo", String(repeating: "x", count: 300 << 10)]), .requestTooLarge),
                (Command(["true"], environment: ["A": String(repeating: "x", count: 300 << 10)]), .requestTooLarge),
            ]
            // An image may have a command of its own for who names none.
            for (command, code) in bad where !command.arguments.isEmpty || Workbench.environment == "host" {
                #expect(try await trial.refusal(command)?.code == code, "\(command.arguments.map { $0.prefix(9) })")
            }
            // One word that fits the request but not the kernel's limit for a single argument.
            let long = Command(["echo", String(repeating: "x", count: 200 << 10)])
            #expect(try await trial.refusal(long)?.code == .requestTooLarge)
            #expect(try await trial.shell("echo still here").text == "still here\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `what cannot be started says why`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial async throws in
            let script = """
                echo 'echo text' > text; printf '#!/no/such/interpreter\\n' > orphan; printf 'rubbish' > rubbish
                chmod +x orphan rubbish; mkdir directory; ln -s loop loop
                """
            #expect(try await trial.shell(script).result.exitCode == 0)
            let table: [(word: String, code: ErrorCode)] = [
                ("no-such-command", .commandNotFound),
                ("/no/such/command", .commandNotFound),
                ("./missing", .commandNotFound),
                ("text/below", .commandNotFound),
                ("", .commandNotFound),
                ("./orphan", .commandNotFound),
                ("./text", .commandNotExecutable),
                ("./directory", .commandNotExecutable),
                ("/usr", .commandNotExecutable),
                ("./rubbish", .commandNotExecutable),
                ("./loop", .commandNotExecutable),
            ]
            for (word, code) in table {
                #expect(try await trial.refusal(Command([word]))?.code == code, "'\(word)'")
            }
            let path = ["PATH": "/workspace"]
            #expect(try await trial.refusal(Command(["text"], environment: path))?.code == .commandNotExecutable)
            #expect(try await trial.refusal(Command(["directory"], environment: path))?.code == .commandNotExecutable)
        }
    }
}

extension Command {
    func with(_ change: (inout Command) -> Void) -> Command {
        var copy = self
        change(&copy)
        return copy
    }
}
