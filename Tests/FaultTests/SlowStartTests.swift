import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Testing

extension FaultTests {
    /// Whoever owns a file can hold up its start: with a lease on it, the kernel makes exec wait for 45 seconds. That
    /// must be the wait of that command alone.
    @Suite struct SlowStartTests {
        /// Holds a lease on `slow`, does not give it up when asked, and says when it has it.
        private static let lease = """
            import fcntl, os, signal, sys
            signal.signal(signal.SIGIO, signal.SIG_IGN)
            with open('slow', 'w') as script: script.write('#!/bin/sh\\necho at last\\n')
            os.chmod('slow', 0o755)
            file = os.open('slow', os.O_RDWR)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            print('held', flush=True)
            sys.stdin.read()
            """

        private static func withSlowFile(
            _ body: (Scene, Sandbox, _ release: () -> Void) async throws -> Void
        ) async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                let holder = try sandbox.start(Command(["python3", "-c", lease], takesInput: true))
                #expect(await holder.nextOutput()?.bytes == Array("held\n".utf8))
                try await body(scene, sandbox) { holder.closeInput() }
                holder.closeInput()
                #expect(try await holder.wait().shellCode == 0)
                try await sandbox.remove()
            }
        }

        @Test func `a start that takes long holds up nobody else`() async throws {
            try await Self.withSlowFile { scene, sandbox, release in
                let slow = try (0..<4).map { _ in try sandbox.start(Command(["/workspace/slow"], takesInput: true)) }
                for execution in slow { await execution.write(Array("too early\n".utf8)) }
                let begin = SystemClock.monotonic()
                for _ in 0..<20 {
                    #expect(try await sandbox.run(Command(["echo", "alive"])).text == "alive\n")
                }
                #expect(SystemClock.monotonic() - begin < 20_000_000_000)
                release()
                for execution in slow {
                    #expect(await execution.nextOutput()?.bytes == Array("at last\n".utf8))
                    #expect(try await execution.wait().shellCode == 0)
                }
            }
        }

        @Test func `a lease on the list of users holds up nobody`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                let script = """
                    import fcntl, os, signal, sys
                    signal.signal(signal.SIGIO, signal.SIG_IGN)
                    for path in ['/etc/passwd', '/etc/group']:
                        fcntl.fcntl(os.open(path, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_WRLCK)
                    print('held', flush=True)
                    sys.stdin.read()
                    """
                let holder = try sandbox.start(Command(["python3", "-c", script], takesInput: true))
                #expect(await holder.nextOutput()?.bytes == Array("held\n".utf8))
                let begin = SystemClock.monotonic()
                let error = await scene.failure { () throws(CoteError) in
                    _ = try await sandbox.run(Command(["true"], user: "cote"))
                }
                #expect(error?.code == .unknownUser)
                #expect(try await sandbox.run(Command(["id", "-u"], user: "1000")).text == "1000\n")
                #expect(SystemClock.monotonic() - begin < 20_000_000_000)
                holder.closeInput()
                #expect(try await holder.wait().shellCode == 0)
                #expect(try await sandbox.run(Command(["id", "-u"], user: "cote")).text == "1000\n")
                try await sandbox.remove()
            }
        }

        @Test func `a start that takes long can be ended, and its time can be over`() async throws {
            try await Self.withSlowFile { scene, sandbox, _ in
                let begin = SystemClock.monotonic()
                let killed = try sandbox.start(Command(["/workspace/slow"]))
                let late = try sandbox.start(Command(["/workspace/slow"], timeout: TimeSpan(milliseconds: 300)))
                let pause = try await sandbox.run(Command(["sleep", "0.2"]))
                #expect(pause.result.shellCode == 0)
                killed.signal(9)
                #expect(try await killed.wait().signal == 9)
                let result = try await late.wait()
                #expect(result.timedOut && result.shellCode == 124, "\(result)")
                #expect(SystemClock.monotonic() - begin < 20_000_000_000)
            }
        }
    }
}
