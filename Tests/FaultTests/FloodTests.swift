import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

extension FaultTests {
    /// Commands that write without end.
    @Suite struct FloodTests {
        private static let limits = Limits(journal: ByteCount(1 << 20))
        private static let flood = Command(["yes", "more and more"])

        @Test func `a flood with a reader ends at the journal's limit`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest(limits: Self.limits))
                let output = try await sandbox.run(Self.flood)
                #expect(output.result.outputLimit && output.result.shellCode == 125, "\(output.result)")
                try await Self.expectFull(scene, sandbox)
            }
        }

        @Test func `a flood that nobody reads holds up itself alone, until somebody does`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest(limits: Self.limits))
                let flood = try sandbox.start(Self.flood)
                try await flood.started()
                // The neighbour has its own credit.
                let neighbour = try await sandbox.run(Command(["sh", "-c", "echo one; sleep 0.05; echo two"]))
                #expect(neighbour.text == "one\ntwo\n")
                // What came without being asked for is one window, not the limit.
                let written = try scene.journal(sandbox.id).compactMap(\.data).reduce(0) { $0 + $1.count }
                #expect(written <= 300_000, "\(written) bytes")
                let result = try await flood.wait()
                #expect(result.outputLimit)
                try await Self.expectFull(scene, sandbox)
            }
        }

        @Test func `a flood whose client has gone ends at the journal's limit too`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest(limits: Self.limits))
                let client = try Client(scene.bench, ["exec", sandbox.id.text, "--"] + Self.flood.arguments)
                _ = try await scene.await("the flood") {
                    try scene.journal(sandbox.id).contains { $0.kind == "stdout" } ? true : nil
                }
                try client.kill()
                try await Self.expectFull(scene, sandbox)
            }
        }

        /// The end is told, the limit held, the sandbox alive, and no further command let in.
        private static func expectFull(_ scene: Scene, _ sandbox: Sandbox) async throws {
            let end = try await scene.await("the end of the flood") {
                try scene.journal(sandbox.id).last { $0.kind == "exec-exit" && $0.string("reason") != nil }
            }
            #expect(end.string("reason") == "output-limit")
            let path = "\(scene.bench.home)/journals/\(sandbox.id)/log.jsonl"
            let size = try Files.status(path).st_size
            #expect(size > 900_000 && size < (1 << 20) + 64_000, "\(size) bytes")
            let error = await scene.failure { () throws(CoteError) in _ = try await sandbox.run(Command(["true"])) }
            #expect(error?.code == .outputLimit, "\(error as Any)")
            #expect(try scene.engine.show(sandbox.id.text).state.phase == .ready)
            try await sandbox.remove()
        }

        @Test func `what a keeper does not take waits in its commands, not in the agent`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                guard let keeper = Victim.keeper(of: sandbox.id, scene.engine),
                    let agent = Victim.child("agent", of: sandbox.id, scene.engine)
                else { throw Unmet(description: "no keeper or no agent") }
                let script = "until [ -e go ]; do sleep 0.02; done; exec head -c 600000 /dev/zero"
                var floods: [Execution] = []
                for _ in 0..<40 { floods.append(try sandbox.start(Command(["sh", "-c", script]))) }
                for flood in floods { try await flood.started() }
                let before = ProcessTable.peak(agent.pid)
                keeper.send(SIGSTOP)
                defer { keeper.send(SIGCONT) }
                try Files.create("/proc/\(agent.pid)/root/workspace/go", mode: 0o644, [])
                var last: (read: Int, looks: Int) = (0, 0)
                _ = try await scene.await("the agent to stop reading") {
                    let read = ProcessTable.bytesRead(agent.pid)
                    last = read == last.read ? (read, last.looks + 1) : (read, 0)
                    let names = ProcessTable.members(of: sandbox.id).filter { $0.hasSuffix(" head") }
                    return names.count == 40 && last.looks > 100 ? true : nil
                }
                let growth = ProcessTable.peak(agent.pid) - before
                keeper.send(SIGCONT)
                // Their credit together is ten mebibytes.
                #expect(growth < 4 << 10, "\(growth) KiB")
                for flood in floods { #expect(try await flood.wait().shellCode == 0) }
                let bytes = try scene.journal(sandbox.id).compactMap(\.data).reduce(0) { $0 + $1.count }
                #expect(bytes == 40 * 600_000)
                try await sandbox.remove()
            }
        }

        @Test func `a client that takes its time is told how its command ended`() async throws {
            try await Scene.with { scene in
                // More than a socket holds, and less than the client has given credit for.
                let script = "until [ -e go ]; do sleep 0.02; done; exec head -c 250000 /dev/zero"
                let client = try Client(scene.bench, ["run", "host", "--", "sh", "-c", script])
                let (id, agent) = try await scene.await("the command") {
                    guard let id = scene.ids.first,
                        ProcessTable.members(of: id).contains(where: { $0.hasSuffix(" sh") })
                    else { return nil as (SandboxID, Victim)? }
                    return Victim.child("agent", of: id, scene.engine).map { (id, $0) }
                }
                client.send(SIGSTOP)
                try Files.create("/proc/\(agent.pid)/root/workspace/go", mode: 0o644, [])
                _ = try await scene.await("the end of the sandbox") {
                    try scene.journal(id).contains { $0.kind == "sandbox-stopped" } ? true : nil
                }
                try await Task.sleep(nanoseconds: 300_000_000)
                client.send(SIGCONT)
                #expect(try client.wait() == .exited(0))
            }
        }

        @Test func `a full disk ends the sandbox, and its journal still says so`() async throws {
            try await Scene.with { scene in
                let journals = scene.bench.home + "/journals"
                try Files.makeDirectories(journals)
                try Mounts.mountNew("tmpfs", at: journals, options: "size=1m,mode=0700")
                do {
                    let sandbox = try await scene.engine.create(SandboxRequest())
                    let error = await scene.failure { () throws(CoteError) in _ = try await sandbox.run(Self.flood) }
                    #expect(error?.message.contains("disk-full") == true, "\(error as Any)")
                    try await scene.expectDeath(sandbox.id, .diskFull)
                    // What was kept back for the last words lets it live again, to die of the same.
                    let second = try await scene.engine.start(sandbox.id.text)
                    let again = await scene.failure { () throws(CoteError) in _ = try await second.run(Self.flood) }
                    #expect(again?.message.contains("disk-full") == true, "\(again as Any)")
                    try await scene.expectDeath(sandbox.id, .diskFull)
                    try await scene.engine.remove(sandbox.id.text)
                } catch {
                    Issue.record(error)
                }
                try Mounts.unmount(journals)
            }
        }
    }
}
