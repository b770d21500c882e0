import CoteEngine
import CoteModel
import CoteSystem
import Glibc

/// The person's own terminal while a command of a sandbox has it.
enum LocalTerminal {
    /// Its size, or the classic one where there is none.
    static var size: TerminalSize {
        for raw in [STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO] {
            if let size = Terminals.size(of: raw) { return TerminalSize(rows: size.rows, columns: size.columns) }
        }
        return TerminalSize(rows: 24, columns: 80)
    }

    /// Hands every key through until `body` returns.
    @MainThread
    static func raw<Value>(
        _ isWanted: Bool, _ body: () async throws(CoteError) -> Value
    ) async throws(CoteError) -> Value {
        var before = termios()
        guard isWanted, tcgetattr(STDIN_FILENO, &before) == 0 else { return try await body() }
        var raw = before
        cfmakeraw(&raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        defer { tcsetattr(STDIN_FILENO, TCSADRAIN, &before) }
        return try await body()
    }
}

/// This program's stdin, stdout and signals joined to a command in a sandbox.
@MainThread
struct Attachment {
    private static let forwarded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]

    let execution: Execution
    let command: Command

    /// Must come before any other thread exists, so that none takes the signals.
    static func holdSignals() throws(CoteError) -> SharedDescriptor {
        do throws(SystemError) { return SharedDescriptor(try SignalDescriptor.held(forwarded + [SIGWINCH])) } catch {
            throw CoteError(.internal, "\(error)")
        }
    }

    /// Relays until the command has ended.
    func run(_ signals: SharedDescriptor) async throws(CoteError) -> CommandResult {
        forward(signals)
        if command.takesInput { feed() }
        return try await LocalTerminal.raw(command.terminal != nil) { () async throws(CoteError) in
            while let chunk = await execution.nextOutput() {
                Terminal.writeAll(chunk.bytes, to: chunk.isError ? STDERR_FILENO : STDOUT_FILENO)
            }
            return try await execution.wait()
        }
    }

    private func feed() {
        let execution = execution
        Task.detached {
            while true {
                let bytes = await Self.readInput()
                if bytes.isEmpty { break }
                await execution.write(bytes)
            }
            execution.closeInput()
        }
    }

    /// One read of stdin, on a thread that may wait for it.
    private nonisolated static func readInput() async -> [UInt8] {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                var buffer = [UInt8](repeating: 0, count: 64 << 10)
                var count = 0
                repeat { count = read(STDIN_FILENO, &buffer, buffer.count) } while count < 0 && errno == EINTR
                continuation.resume(returning: Array(buffer.prefix(max(count, 0))))
            }
            do { try thread.start() } catch { continuation.resume(returning: []) }
        }
    }

    private func forward(_ signals: SharedDescriptor) {
        let execution = execution
        let thread = Thread {
            while let signal = SignalDescriptor.wait(on: signals.descriptor) {
                if signal == SIGWINCH { execution.resize(LocalTerminal.size) } else { execution.signal(signal) }
            }
        }
        try? thread.start()
    }
}
