import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// What a person sees while a step takes its time.
@Suite(.requires(.root, .crun)) struct ProgressTests {
    @Test func `a step that takes long is shown on a terminal while it does, and then wiped away`() async throws {
        try await Workbench.with { bench in
            let id = try await bench.createStubborn()
            let (code, seen) = try await bench.coteOnTerminal(["stop", "box", "nobody", "--grace", "6s"])
            #expect(code == 1)
            // Frames over one another, then nothing of them, then what is to stay.
            #expect(seen.hasPrefix("\r⠋ stopping box… \r⠙ stopping box… "), "\(seen.debugDescription)")
            let rest = "… \r\u{1b}[K\(id)\r\nerror: stop: no sandbox 'nobody'\r\n"
            #expect(seen.contains(rest), "\(seen.debugDescription)")
            #expect(seen.unicodeScalars.count { $0 == "\u{1b}" } == 1)
        }
    }

    @Test func `what is no terminal and what asked for JSON sees no progress`() async throws {
        try await Workbench.with { bench in
            let arguments = ["stop", "box", "--grace", "800ms"]
            let id = try await bench.createStubborn()
            let piped = try await bench.cote(arguments)
            #expect(piped.code == 0 && piped.output == "\(id)\n" && piped.errors.isEmpty)
            try await bench.remove("box")

            _ = try await bench.createStubborn()
            let (code, seen) = try await bench.coteOnTerminal(arguments + ["--json"])
            #expect(code == 0 && seen.hasPrefix("{") && seen.hasSuffix("}\r\n"), "\(seen.debugDescription)")
        }
    }

    @Test func `a step that is soon done is not shown`() async throws {
        try await Workbench.with { bench in
            let begin = SystemClock.monotonic()
            let (code, seen) = try await bench.coteOnTerminal(["create", "host"])
            // A busy machine may take longer.
            let isSlow = SystemClock.monotonic() - begin > 500_000_000
            #expect(code == 0)
            #expect(SandboxID(seen.replacing("\r\n", with: "")) != nil || isSlow, "\(seen.debugDescription)")
        }
    }
}

extension Workbench {
    /// The sandbox `box`, with a command that does not end when it is asked to.
    fileprivate func createStubborn() async throws -> SandboxID {
        let sandbox = try await Engine(configuration).create(SandboxRequest(name: "box"))
        let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
        let execution = try sandbox.start(Command(["/bin/sh", "-c", script]))
        #expect(await execution.nextOutput()?.bytes == Array("ready\n".utf8))
        return sandbox.id
    }

    fileprivate func remove(_ reference: String) async throws {
        try await Engine(configuration).remove(reference)
    }

    /// Runs `cote` with a terminal for stdout and stderr; its exit code, and all that came to the terminal.
    fileprivate func coteOnTerminal(_ arguments: [String]) async throws -> (code: Int32, seen: String) {
        let request = request(program, ["cote"] + arguments)
        return try await withCheckedThrowingContinuation { continuation in
            let thread = Thread {
                continuation.resume(with: Result(catching: { try Self.onTerminal(request) }))
            }
            do { try thread.start() } catch { continuation.resume(throwing: error) }
        }
    }

    private static func onTerminal(_ request: SpawnRequest) throws -> (code: Int32, seen: String) {
        var request = request
        var pair = try Terminals.openPair()
        let controller = pair.takeFirst()
        let terminal = SharedDescriptor(pair.takeSecond())
        let nothing = try Descriptor.open("/dev/null", O_RDONLY)
        request.descriptors = [nothing.raw, terminal.descriptor.raw, terminal.descriptor.raw]
        let child = try withExtendedLifetime(consume terminal) { try request.run() }
        // The end of the last program on a terminal is an error to its other side.
        var seen: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(controller.raw, &buffer, buffer.count)
            if count <= 0 { break }
            seen += buffer[..<count]
        }
        guard case .exited(let code) = try child.wait() else { return (-1, "") }
        return (code, String(decoding: seen, as: UTF8.self))
    }
}
