import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// What a sandbox's start does to the host. There is no trying this without its guard: it would be done to the host.
@Suite(.requires(.root, .crun)) struct HostTests {
    @Test func `no device of the host becomes a sandbox's own`() async throws {
        try await Workbench.withEngine { engine in
            let sandbox = try await engine.create(SandboxRequest())
            for device in ["null", "zero", "full", "tty", "random", "urandom"] {
                let owner = try Files.status("/dev/" + device).st_uid
                #expect(owner < sandbox.spec.userBase || owner >= sandbox.spec.userBase + SandboxSpec.userCount)
                // To the mode it has already.
                let output = try await sandbox.run(Command(["chmod", "666", "/dev/" + device]))
                #expect(output.result.exitCode == 1, "\(device)")
            }
        }
    }
}
