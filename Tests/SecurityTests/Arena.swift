import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc

/// Where an attempt is made: a sandbox of its own, below a keeper and an agent that hold all guards or leave some out.
/// Without a guard an attempt reaches only what `Bait` has put on the host for it.
enum Arena {
    /// What became of an attempt.
    enum Outcome: Equatable {
        /// It failed; what the script said of why.
        case held(String)
        case broke
        /// Neither; the test is wrong or the host is not as it was thought to be.
        case unclear(String)

        var isHeld: Bool { if case .held = self { true } else { false } }
    }

    /// Makes the attempt against this build's own programs.
    static func outcome(of attempt: Attempt) async throws -> Outcome { try await outcome(of: attempt, programs: nil) }

    /// Makes the attempt against programs without these guards.
    static func outcome(of attempt: Attempt, without left: [Guard]) async throws -> Outcome {
        let programs = try weakened(left)
        defer { try? Files.removeTree(programs) }
        return try await outcome(of: attempt, programs: programs)
    }

    private static let limits =
        Requirement.limits.isWanted ? Limits(memory: .mebibytes(96), processes: 48) : Limits()

    private static func outcome(of attempt: Attempt, programs: String?) async throws -> Outcome {
        try await Workbench.with(programs: programs) { bench in
            let sandbox = try await Engine(bench.configuration).create(
                SandboxRequest(environment: Workbench.environment, limits: limits))
            let bait = try Bait(volume: "\(bench.home)/volumes/plain/volumes/\(sandbox.id)/upper")
            for command in attempt.preparation {
                let output = try await sandbox.run(command)
                guard output.result.exitCode == 0 else { return .unclear("preparation: \(output)") }
            }
            var command = Command(["python3", "-c", script(attempt)], environment: bait.environment)
            command.user = attempt.user
            command.timeout = attempt.timeout
            if attempt.onTerminal { command.terminal = TerminalSize(rows: 24, columns: 80) }
            do {
                return try judge(attempt, try await sandbox.run(command), bait)
            } catch let error as CoteError {
                if case .death = attempt.evidence { return .broke }
                return .unclear("\(error)")
            }
        }
    }

    private static func judge(_ attempt: Attempt, _ output: Sandbox.Output, _ bait: Bait) throws -> Outcome {
        if case .trace(let isThere) = attempt.evidence, try isThere(bait) { return .broke }
        if output.text.contains("BROKE") { return .broke }
        if output.text.contains("HELD") { return .held(output.text) }
        if case .wordOrSignal = attempt.evidence, let signal = output.result.signal { return .held("signal \(signal)") }
        return .unclear(output.text + String(decoding: output.standardError, as: UTF8.self) + "\(output.result)")
    }

    /// What a script may use. A refusal by the kernel is an `OSError`, which ends it as a failure to break out; any
    /// other error is a mistake in the script and says neither.
    private static let preamble = """
        import array, ctypes, fcntl, mmap, os, signal, socket, stat, struct, sys, time
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall.restype = ctypes.c_long
        libc.shmat.restype = ctypes.c_void_p
        bait = os.environ

        def check(result):
            if result == -1 or result == 2**64 - 1:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            return result

        def call(number, *arguments):
            return check(libc.syscall(ctypes.c_long(number),
                *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]))

        def say(word):
            os.write(1, word.encode())
            os._exit(0)

        def broke():
            say('BROKE\\n')

        # A process that does `body` and then waits; it ends with this one.
        def child(body=lambda: None):
            ready, done = os.pipe()
            pid = os.fork()
            if pid == 0:
                libc.prctl(1, signal.SIGKILL)
                try:
                    body()
                    os.write(done, b'+')
                    while True: signal.pause()
                finally:
                    os._exit(1)
            os.close(done)
            if os.read(ready, 1) != b'+':
                raise OSError(1, 'the child was refused')
            return pid

        # A process that ends when `body` has.
        def status_of(body):
            pid = os.fork()
            if pid == 0:
                try:
                    body()
                    os._exit(0)
                finally:
                    os._exit(1)
            return os.waitpid(pid, 0)[1]

        NEWUSER, NEWNS, NEWNET, NEWUTS = 0x10000000, 0x20000, 0x40000000, 0x4000000

        """

    private static func script(_ attempt: Attempt) -> String {
        let body = attempt.script.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }
        return preamble + "try:\n" + body.joined(separator: "\n")
            + "\nexcept OSError as error:\n    say(f'HELD {error}\\n')\nsay('HELD\\n')\n"
    }

    /// A directory of programs that leave guards out.
    private static func weakened(_ left: [Guard]) throws -> String {
        let directory = "/tmp/cote-weakened-\(SandboxID.random())"
        try Files.makeDirectory(directory)
        for program in ["keeper", "agent"] {
            let built = "\(Workbench.builtPrograms)/weakened-\(program)"
            try Files.create("\(directory)/cote-\(program)", mode: 0o755, try Files.read(built, limit: 1 << 30))
        }
        try Files.create(directory + "/without-guards", Array(left.map { $0.rawValue + "\n" }.joined().utf8))
        return directory
    }
}
