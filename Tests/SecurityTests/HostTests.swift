import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// What has no guard to leave out: what a start does to the host, and what belongs to no user of the sandbox.
@Suite(.requires(.root, .crun)) struct HostTests {
    @Test func `no device of the host becomes a sandbox's own`() async throws {
        try await Workbench.withEngine { engine in
            let sandbox = try await engine.create(SandboxRequest(environment: Workbench.environment))
            for device in ["null", "zero", "full", "tty", "random", "urandom"] {
                let owner = try Files.status("/dev/" + device).st_uid
                // Without root all that is the machine's has one number, which a user of the sandbox has too.
                #expect(
                    Privilege.current == .rootless
                        || owner < sandbox.spec.userBase || owner >= sandbox.spec.userBase + SandboxSpec.userCount)
                // To the mode it has already.
                let output = try await sandbox.run(Command(["chmod", "666", "/dev/" + device]))
                #expect(output.result.exitCode == 1, "\(device)")
            }
        }
    }

    @Test func `what is the agent's alone no user may enter`() async throws {
        try await Workbench.withEngine { engine in
            let sandbox = try await engine.create(SandboxRequest(environment: Workbench.environment))
            let script = """
                for top in '' /proc/1/root; do
                    chmod 777 $top/.cote/private || ls $top/.cote/private || cd $top/.cote/private/proc || continue
                    echo entered
                done
                """
            for user in [nil, "cote", "nobody", "65534:65535"] {
                let output = try await sandbox.run(Command(["sh", "-c", script], user: user))
                #expect(output.text == "" && output.result.shellCode == 0, "\(output)")
                let score = try await sandbox.run(Command(["cat", "/proc/self/oom_score_adj"], user: user))
                #expect(score.text == "500\n")
            }
        }
    }
}
