import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

extension Crash {
    mutating func killClient() async throws -> String {
        switch random.below(3) {
        case 0: try await killCreator()
        case 1: try await killRunner()
        default: try await killCaller()
        }
    }

    /// The sandbox comes up without it, or nothing is there.
    private mutating func killCreator() async throws -> String {
        let client = try Client(scene.bench, ["create", "host"])
        try await Task.sleep(nanoseconds: UInt64(random.below(60_000)) * 1000)
        try client.kill()
        let engine = scene.engine
        let states = try await scene.await("the sandbox's fate") { () -> [SandboxState]? in
            let states = engine.list().map(\.state)
            return states.allSatisfy { $0.phase == .ready || !$0.phase.isAlive } ? states : nil
        }
        for state in states where state.phase == .died {
            // Without a keeper, or with one that was never told what to boot.
            #expect(state.reason == .keeperLost, "\(state)")
        }
        for summary in engine.list() where summary.state.phase == .ready {
            let output = try await engine.sandbox(summary.spec.id.text).run(Command(["echo", "alone"]))
            #expect(output.text == "alone\n")
        }
        return states.isEmpty ? "before create" : "create, \(states[0].phase)"
    }

    /// A one-shot sandbox ends with its client.
    private mutating func killRunner() async throws -> String {
        let scripts = [
            "sleep 1000", "while :; do echo some output; done", "trap '' TERM HUP; sleep 1000 & wait; sleep 9",
        ]
        let client = try Client(scene.bench, ["run", "host", "--", "sh", "-c", random.pick(scripts)])
        try await Task.sleep(nanoseconds: UInt64(random.below(80_000)) * 1000)
        try client.kill()
        let engine = scene.engine
        let ended = try await scene.await("the one-shot's end") { () -> [SandboxSummary]? in
            let all = engine.list()
            return all.allSatisfy { !$0.state.phase.isAlive } ? all : nil
        }
        for summary in ended {
            #expect(summary.state.phase == .stopped || summary.state.reason == .keeperLost, "\(summary.state)")
            try await scene.expectNothingAlive(summary.spec.id)
            if summary.state.phase == .stopped { try scene.journal(summary.spec.id) }
        }
        return ended.isEmpty ? "before run" : "run, \(ended[0].state.phase)"
    }

    /// A command goes on without the one who asked for it, and comes to its end in the journal.
    private mutating func killCaller() async throws -> String {
        let sandbox = try await scene.engine.create(SandboxRequest())
        let scripts = [
            "cat", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done", "sleep 0.05; echo late",
        ]
        var pipe = try Descriptor.pipe()
        let input = pipe.takeFirst()
        let client = try Client(
            scene.bench, ["exec", sandbox.id.text, "--", "sh", "-c", random.pick(scripts)], input: input.raw)
        try await Task.sleep(nanoseconds: UInt64(random.below(40_000)) * 1000)
        try client.kill()
        let scene = scene
        let count = try await scene.await("the end of every command") { () -> Int? in
            let records = try scene.journal(sandbox.id)
            let started = records.filter { $0.kind == "exec-start" }.compactMap(\.n)
            let ended = records.filter { $0.kind == "exec-exit" }.compactMap(\.n)
            return Set(started) == Set(ended) ? started.count : nil
        }
        #expect(try scene.engine.show(sandbox.id.text).state.phase == .ready)
        let output = try await sandbox.run(Command(["echo", "still here"]))
        #expect(output.text == "still here\n")
        return count == 0 ? "before exec" : "exec"
    }
}
