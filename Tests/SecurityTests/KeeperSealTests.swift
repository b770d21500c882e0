import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Testing

/// What a keeper has left once its sandbox is up, read off the host's `/proc`.
@Suite(.requires(.root, .crun)) struct KeeperSealTests {
    @Test func `a keeper whose sandbox is up has no capability, a filter, and no file system of the host`() async throws
    {
        try await Workbench.withEngine { engine in
            let sandbox = try await engine.create(SandboxRequest(environment: Workbench.environment))
            _ = try await sandbox.run(Command(["true"]))
            let keeper = try #require(try engine.show(sandbox.id.text).state.keeper)
            let status = try Files.readText("/proc/\(keeper)/status").split(separator: "\n").map(String.init)
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                #expect(status.contains("\(set):\t0000000000000000"))
            }
            #expect(status.contains("NoNewPrivs:\t1"))
            #expect(status.contains("Seccomp:\t2"))
            #expect(try Files.list("/proc/\(keeper)/root") == ["journal", "run", "sandbox"])
            try await sandbox.remove()
        }
    }
}
