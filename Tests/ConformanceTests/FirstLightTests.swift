import CoteEngine
import CoteModel
import CoteTestSupport
import Testing

@Suite(.requires(.root, .crun)) struct FirstLightTests {
    @Test func `a command in a sandbox gives back its output and its exit code`() async throws {
        try await Workbench.withEngine { engine in
            let sandbox = try await engine.create(SandboxRequest(environment: Workbench.environment))
            let output = try await sandbox.run(
                Command(["sh", "-c", "cat; echo oops >&2; exit 3"]), input: Array("hi".utf8))
            #expect(output.text == "hi")
            #expect(output.standardError == Array("oops\n".utf8))
            #expect(output.result.exitCode == 3)
            try await sandbox.remove()
        }
    }

    @Test func `the program runs a command and says its exit code`() async throws {
        try await Workbench.with { bench in
            let result = try await bench.cote([
                "run", Workbench.environment, "--", "sh", "-c", "echo out; echo err >&2; exit 5",
            ])
            #expect(result.code == 5)
            #expect(result.output == "out\n")
            #expect(result.errors == "err\n")
        }
    }
}
