import CoteEngine
import CoteModel
import CoteTestSupport
import CoteJournal
import CoteSystem
import Glibc
import Testing

/// What a sandbox may use, and what happens when that is used up.
@Suite(.triesClasses) struct LimitTests {
    @Test(.requires(.limits), arguments: SandboxClass.tried)
    func `a command that takes too much memory is killed and the sandbox lives`(
        sandboxClass: SandboxClass
    ) async throws {
        try await Trial.with(sandboxClass, Limits(memory: .mebibytes(64))) { trial in
            // A file in memory is left out of it: tail keeps a whole line.
            let output = try await trial.shell("exec tail -n 1 /dev/zero")
            #expect(output.result.signal == SIGKILL)
            #expect(output.result.outOfMemory)
            #expect(output.result.shellCode == 137)
            let next = try await trial.shell("echo alive")
            #expect(next.text == "alive\n")
            #expect(!next.result.outOfMemory)

            let journal = try trial.journal()
            let kill = try #require(journal.first { $0.kind == "sandbox-oom" })
            #expect((kill.integer("kills") ?? 0) >= 1)
            let exit = try #require(journal.first { $0.kind == "exec-exit" && $0.n == 1 })
            #expect(exit.flag("oom") == true && exit.integer("signal") == 9 && exit.integer("exit") == 137)
            #expect(journal.first { $0.kind == "exec-exit" && $0.n == 2 }?.flag("oom") == nil)
        }
    }

    @Test(.requires(.limits), arguments: SandboxClass.tried)
    func `a shell reports that its child was killed for memory`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, Limits(memory: .mebibytes(64))) { trial in
            let output = try await trial.shell("tail -n 1 /dev/zero")
            #expect(output.result.shellCode == 137)
            #expect(output.result.outOfMemory)
            // One that was there when the other was killed, and is killed by somebody.
            let bystander = try trial.start("echo up; exec sleep 600")
            _ = await bystander.read(until: "up\n")
            #expect(try await trial.shell("exec tail -n 1 /dev/zero").result.outOfMemory)
            bystander.signal(SIGKILL)
            let spared = try await bystander.wait()
            #expect(spared.signal == SIGKILL && !spared.outOfMemory)
            let killed = try await trial.shell("kill -9 $$")
            #expect(killed.result.shellCode == 137)
            #expect(!killed.result.outOfMemory, "killed by somebody, not for memory")
        }
    }

    @Test(.requires(.limits), arguments: SandboxClass.tried)
    func `a file in memory cannot take the sandbox's memory`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, Limits(memory: .mebibytes(64))) { trial in
            let output = try await trial.shell("head -c 48M /dev/zero > /tmp/large; rm /tmp/large; echo alive")
            #expect(output.text == "alive\n")
            #expect(String(decoding: output.standardError, as: UTF8.self).contains("No space left"))
        }
    }

    /// What starts a sandbox takes more than that, and must be gone before.
    @Test(.requires(.limits), arguments: SandboxClass.tried)
    func `the least limits that may be given suffice for a command, each time`(
        sandboxClass: SandboxClass
    ) async throws {
        for _ in 0..<20 {
            try await Trial.with(sandboxClass, Limits(memory: Limits.leastMemory, processes: 1)) { trial in
                let output = try await trial.sandbox.run(Command(["/usr/bin/busybox", "true"]))
                #expect(output.result.shellCode == 0)
            }
        }
    }

    @Test(.requires(.limits), arguments: SandboxClass.tried)
    func `there are never more processes than the limit`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, Limits(processes: 16)) { trial in
            let script = """
                i=0; while [ $i -lt 40 ]; do sleep 600 & i=$((i+1)); echo $i; done 2>/dev/null
                """
            let output = try await trial.shell(script)
            let begun = output.text.split(separator: "\n").compactMap { Int($0) }
            #expect((1...16).contains(begun.count), "\(begun.count) processes")
            // With nothing left even the agent cannot start one, and says so.
            let refusal = try await trial.refusal(Command(["true"]))
            #expect(refusal == nil || refusal?.code == .limitReached)
        }
    }

    @Test(.requires(.limits), arguments: SandboxClass.tried)
    func `a share of a processor is not exceeded`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, Limits(milliCPUs: 100)) { trial in
            // Its own processor time in hundredths of a second, over at least as long a time.
            let script = """
                set -- $(cat /proc/uptime); end=$(( ${1%%.*} + 2 ))
                while set -- $(cat /proc/uptime); [ ${1%%.*} -lt $end ]; do :; done
                set -- $(cat /proc/$$/stat); echo $(( ${14} + ${15} + ${16} + ${17} ))
                """
            let output = try await trial.shell(script)
            let ticks = try #require(Int(output.text.filter(\.isNumber)))
            let wall = Int(output.result.duration.milliseconds) / 10
            #expect(ticks * 100 < wall * 25, "\(ticks) of \(wall) hundredths")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a command that may open next to nothing still starts`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            var command = Command(["sh", "-c", "ulimit -n"])
            command.resourceLimits[.nofile] = 4
            let output = try await trial.sandbox.run(command)
            #expect(output.text == "4\n")
        }
    }

    @Test(arguments: SandboxClass.tried)
    func `a sandbox whose lifetime is over has died`(sandboxClass: SandboxClass) async throws {
        // The tests before this one may keep it waiting until its sandbox is over: then once more, with more time.
        for seconds in [3, 30, 120] as [UInt64] {
            var isTold = false
            try await Trial.with(sandboxClass, Limits(lifetime: .seconds(seconds))) { trial in
                let error = await #expect(throws: CoteError.self) { try await trial.shell("exec sleep 600") }
                #expect(error?.code == .sandboxDied)
                #expect(error?.message.contains("(expired)") == true)
                let state = try trial.engine.show(trial.sandbox.id.text).state
                #expect(state.phase == .died && state.reason == .expired)
                #expect(throws: CoteError.self) { try trial.engine.sandbox(trial.sandbox.id.text) }
                let kinds = try trial.journal().map(\.kind)
                guard kinds.contains("exec-start") else { return }
                #expect(kinds.suffix(2) == ["exec-lost", "sandbox-died"])
                isTold = true
            }
            if isTold { return }
        }
        Issue.record("no command was running when its sandbox expired")
    }

    @Test(arguments: SandboxClass.tried)
    func `a journal that is full ends the command and refuses the next`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass, Limits(journal: Limits.leastJournal)) { trial in
            let output = try await trial.shell("echo first; yes | head -c 4M; sleep 600")
            #expect(output.result.outputLimit)
            #expect(output.result.signal == SIGKILL)
            #expect(output.result.shellCode == 125)
            #expect(output.text.hasPrefix("first\ny\ny\n"))
            let refusal = try await trial.refusal(Command(["true"]))
            #expect(refusal?.code == .outputLimit)

            let journal = try trial.journal()
            let written = journal.filter { $0.kind == "stdout" }.reduce(0) { $0 + ($1.data?.count ?? 0) }
            let exit = try #require(journal.first { $0.kind == "exec-exit" })
            #expect(exit.string("reason") == "output-limit")
            #expect((exit.integer("dropped_bytes") ?? 0) > 0)
            #expect(journal.contains { $0.kind == "output-limit" && $0.n == 1 })
            #expect(output.standardOutput.count <= written, "nothing was shown that is not in the journal")
        }
    }
}
