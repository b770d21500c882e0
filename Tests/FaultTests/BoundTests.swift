import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

extension FaultTests {
    /// Bounds of the protocol, reached: whoever is one too many is told so, and nobody else notices.
    @Suite struct BoundTests {
        private static let waiting = Command(["/usr/bin/busybox", "sleep", "1000"], takesInput: true)
        private static let loginShell = "-Sn 1024"

        /// A sandbox whose keeper and agent were started with other limits of descriptors.
        private static func create(_ scene: Scene, ulimit: String) async throws -> Sandbox {
            let script = "ulimit \(ulimit); exec \"$0\" create host --name box"
            var request = SpawnRequest("/bin/sh", ["sh", "-c", script, Workbench.builtPrograms + "/cote"])
            request.environment = [
                "COTE_HOME=\(scene.bench.home)", "COTE_RUNTIME=\(scene.bench.runtime)",
                "COTE_LIBEXEC=\(scene.bench.configuration.programs)", "PATH=/usr/bin:/bin",
            ]
            let result = try await scene.bench.run(request)
            #expect(result.code == 0, "\(result.errors)")
            return try scene.engine.sandbox("box")
        }

        @Test func `of 513 commands at once the last is refused, until one has ended`() async throws {
            try await Scene.with { scene in
                let sandbox = try await Self.create(scene, ulimit: Self.loginShell)
                var commands: [Execution] = []
                for _ in 0..<512 { commands.append(try sandbox.start(Self.waiting)) }
                for command in commands { try await command.started() }
                for _ in 0..<3 {
                    let error = await scene.failure { () throws(CoteError) in
                        _ = try await sandbox.run(Command(["true"]))
                    }
                    #expect(error == CoteError(.limitReached, "more than 512 commands at once"))
                }
                let first = commands.removeFirst()
                first.signal(SIGKILL)
                #expect(try await first.wait().shellCode == 137)
                // What the raised limit of the agent is no business of.
                let output = try await sandbox.run(Command(["sh", "-c", "ulimit -Sn; ulimit -Hn"]))
                #expect(output.text == "1024\n\(Processes.limit(of: .nofile).hard)\n")
                let records = try scene.journal(sandbox.id)
                #expect(records.count { $0.kind == "exec-refused" } == 3)
                try await sandbox.remove()
                for command in commands {
                    let error = await scene.failure { () throws(CoteError) in _ = try await command.wait() }
                    #expect(error?.code == .sandboxDied)
                }
            }
        }

        @Test func `of 1,025 commands on one connection the last is refused`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                guard let agent = Victim.child("agent", of: sandbox.id, scene.engine) else {
                    throw Unmet(description: "no agent")
                }
                // Answers nothing for a while, so that none of them ends.
                agent.send(SIGSTOP)
                var commands: [Execution] = []
                defer { agent.send(SIGCONT) }
                for _ in 0..<1024 { commands.append(try sandbox.start(Command(["true"]))) }
                let late = try sandbox.start(Command(["true"]))
                let error = await withTaskGroup { group in
                    group.addTask { await scene.failure { () throws(CoteError) in try await late.started() } }
                    // Without the bound it would wait, as all others do.
                    group.addTask {
                        _ = try? await scene.await("one more command") {
                            try scene.journal(sandbox.id).count { $0.kind == "exec-start" } > 1024 ? true : nil
                        }
                        return nil
                    }
                    defer { group.cancelAll() }
                    let first = await group.next() ?? nil
                    agent.send(SIGCONT)
                    return first
                }
                #expect(error == CoteError(.limitReached, "more than 1024 commands at once on one connection"))
                var ends: [Int32: Int] = [:]
                for command in commands {
                    do throws(CoteError) { ends[try await command.wait().shellCode, default: 0] += 1 } catch {
                        #expect(error == CoteError(.limitReached, "more than 512 commands at once"))
                        ends[-1, default: 0] += 1
                    }
                }
                #expect(ends[0, default: 0] >= 512 && ends[0, default: 0] + ends[-1, default: 0] == 1024, "\(ends)")
                #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                try await sandbox.remove()
            }
        }

        @Test func `of 1,025 clients the last is turned away, and taken in when another has left`() async throws {
            try await Scene.with { scene in
                let sandbox = try await Self.create(scene, ulimit: Self.loginShell)
                var idle: [SharedDescriptor] = []
                // The sandbox's own connection is one.
                for _ in 1..<1024 { idle.append(SharedDescriptor(try Self.connect(scene, sandbox.id))) }
                #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                let full = CoteError(.limitReached, "more than 1024 programs use the sandbox at once")
                for _ in 0..<3 {
                    let late = try scene.engine.sandbox("box")
                    let execution = try late.start(Command(["true"]))
                    #expect(await scene.failure { () throws(CoteError) in try await execution.started() } == full)
                    #expect(await scene.failure { () throws(CoteError) in _ = try await execution.wait() } == full)
                    // It does not wait for an end that it could not ask for.
                    #expect(await scene.failure { () throws(CoteError) in try await late.stop() } == full)
                    let again = await scene.failure { () throws(CoteError) in _ = try await late.run(Command(["true"]))
                    }
                    #expect(again == full)
                }
                idle.removeLast()
                let output = try await scene.await("room for a client") {
                    try? await scene.engine.sandbox("box").run(Command(["echo", "in"]))
                }
                #expect(output.text == "in\n")
                idle = []
                #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                try await sandbox.remove()
            }
        }

        @Test func `a keeper with few descriptors turns clients away before it runs out`() async throws {
            try await Scene.with { scene in
                let sandbox = try await Self.create(scene, ulimit: "-n 100")
                var idle: [SharedDescriptor] = []
                for _ in 0..<200 { idle.append(SharedDescriptor(try Self.connect(scene, sandbox.id))) }
                #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                let error = await scene.failure { () throws(CoteError) in
                    _ = try await scene.engine.sandbox("box").run(Command(["true"]))
                }
                #expect(error?.code == .limitReached)
                idle = []
                try await sandbox.remove()
            }
        }

        @Test func `where every range of users is taken no sandbox is created, until prune frees one`() async throws {
            try await Scene.with { scene in
                let ranges = scene.bench.home + "/ranges"
                try Files.makeDirectories(ranges)
                for index in 0..<4093 { try Files.create("\(ranges)/\(index)", Array("\(SandboxID.random())\n".utf8)) }
                let error = await scene.failure { () throws(CoteError) in
                    _ = try await scene.engine.create(SandboxRequest(name: "box"))
                }
                #expect(error == CoteError(.tooManySandboxes, "all 4093 sandboxes are in use"))
                #expect(try scene.ids.isEmpty && Files.list(scene.bench.home + "/names").isEmpty)
                _ = scene.engine.prune()
                #expect(try Files.list(ranges).isEmpty)
                try await scene.engine.create(SandboxRequest(name: "box")).remove()
            }
        }

        private static func connect(_ scene: Scene, _ id: SandboxID) throws -> Descriptor {
            try Sockets.connect(in: "\(scene.bench.runtime)/\(id)", name: "keeper.sock")
        }
    }
}
