import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// The program's exit codes, and what it says beside them.
@Suite(.requires(.root, .crun)) struct OutcomeTests {
    @Test func `a command's end is the program's exit code`() async throws {
        let table: [(options: [String], script: String, code: Int32, errors: String)] = [
            ([], "exit 0", 0, ""),
            ([], "exit 1", 1, ""),
            ([], "exit 2", 2, ""),
            ([], "exit 124", 124, ""),
            ([], "exit 255", 255, ""),
            ([], "kill -TERM $$", 143, ""),
            ([], "kill -KILL $$", 137, ""),
            ([], "kill -HUP $$", 129, ""),
            ([], "echo its own >&2; exit 9", 9, "its own\n"),
            (["--timeout", "2s"], "exec sleep 600", 124, "cote: the command was ended: its time was over\n"),
        ]
        try await Workbench.with { bench in
            #expect(try await bench.cote(["create", "host", "--name", "box"]).code == 0)
            for (options, script, code, errors) in table {
                for target in [["exec", "box"], ["run", "host"]] {
                    let result = try await bench.cote(target + options + ["--", "sh", "-c", "echo out; " + script])
                    #expect(result.code == code, "\(target[0]) \(script)")
                    #expect(result.output == "out\n" && result.errors == errors, "\(target[0]) \(script)")
                }
            }
        }
    }

    @Test(.requires(.limits)) func `used up memory and a full journal are told`() async throws {
        try await Workbench.with { bench in
            let memory = try await bench.cote([
                "run", "host", "--memory", "64m", "--", "tail", "-n", "1", "/dev/zero",
            ])
            #expect(memory.code == 137)
            #expect(memory.errors == "cote: the kernel ended a process: the sandbox's memory was used up\n")
            let journal = ["run", "host", "--journal-limit", "256k", "--", "head", "-c", "1M", "/dev/zero"]
            let full = try await bench.cote(journal)
            #expect(full.code == 125)
            #expect(full.told?.message == "the command was ended: the journal has reached its limit")
            #expect(full.told?.hint?.contains("--journal-limit") == true)
            let asObject = try await bench.cote(["run", "--json"] + journal.dropFirst())
            #expect(asObject.toldJSON?.code == "output-limit")
        }
    }

    @Test func `a sandbox that has ended says how`() async throws {
        try await Workbench.with { bench in
            #expect(try await bench.cote(["create", "host", "--name", "short", "--timeout", "1s"]).code == 0)
            let expired = try await bench.cote(["exec", "short", "--", "sleep", "600"])
            #expect(expired.code == 125)
            #expect(expired.told?.message.contains("died (expired)") == true)
            let after = try await bench.cote(["exec", "--json", "short", "--", "true"])
            #expect(after.code == 125 && after.toldJSON?.code == "sandbox-died")
            #expect(after.toldJSON?.hint?.hasPrefix("cote start ") == true)
            #expect(try await bench.cote(["show", "short"]).output.contains("died (expired)"))
            #expect(try await bench.cote(["list"]).output.split(separator: "\n").count == 1)
            #expect(try await bench.cote(["list", "--all"]).output.contains("died (expired)"))

            #expect(try await bench.cote(["create", "host", "--name", "still"]).code == 0)
            #expect(try await bench.cote(["stop", "still"]).code == 0)
            #expect(try await bench.cote(["stop", "still"]).code == 0, "stopped already")
            let stopped = try await bench.cote(["exec", "--json", "still", "--", "true"])
            #expect(stopped.code == 125 && stopped.toldJSON?.code == "wrong-state")
            #expect(try await bench.cote(["start", "still"]).code == 0)
            #expect(try await bench.cote(["exec", "still", "--", "true"]).code == 0)
        }
    }

    @Test func `stdin goes through, and not at all where it is not wanted`() async throws {
        try await Workbench.with { bench in
            let through = try await bench.cote(["run", "host", "--", "cat"], input: [0, 255, 10, 13])
            #expect(through.bytes == [0, 255, 10, 13])
            let without = try await bench.cote(["run", "-n", "host", "--", "cat"], input: [1])
            #expect(without.bytes.isEmpty && without.code == 0)
        }
    }

    @Test func `options reach the command`() async throws {
        try await Workbench.with { bench in
            let script = "pwd; id -un; echo $A $B; ulimit -n"
            let result = try await bench.cote([
                "run", "host", "--cwd", "/tmp", "--user", "cote", "--env", "A=1", "--env", "B=x=y", "--ulimit",
                "nofile=77", "--", "sh", "-c", script,
            ])
            #expect(result.output == "/tmp\ncote\n1 x=y\n77\n")
        }
    }

    @Test func `labels choose what is listed`() async throws {
        try await Workbench.with { bench in
            for (name, team) in [("one", "a"), ("two", "b")] {
                let result = try await bench.cote([
                    "create", "host", "--name", name, "--label", "team=\(team)", "--label", "empty=",
                ])
                #expect(result.code == 0)
                #expect(SandboxID(result.line) != nil, "it prints the id alone")
            }
            let names = { (arguments: [String]) async throws in
                let lines = try await bench.cote(["list"] + arguments).output.split(separator: "\n").dropFirst()
                return lines.map { $0.split(separator: " ")[1] }
            }
            #expect(try await names([]) == ["one", "two"])
            #expect(try await names(["--label", "team=b"]) == ["two"])
            #expect(try await names(["--label", "team=a", "--label", "empty="]) == ["one"])
            #expect(try await names(["--label", "team=c"]) == [])
        }
    }
}
