import CoteSystem
import Glibc

/// How long programs take, from before they are started until they have been collected, in nanoseconds.
enum Stopwatch {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs a program with no input and its output thrown away. Every side of every row is started by this one.
    static func run(_ arguments: [String], environment: [String]) throws -> UInt64 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var argv = arguments.map { strdup($0) } + [nil]
        var envp = environment.map { strdup($0) } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let begin = SystemClock.monotonic()
        let code = posix_spawn(&pid, arguments[0], &actions, nil, &argv, &envp)
        guard code == 0 else { throw Failure(description: "\(arguments[0]): \(String(cString: strerror(code)))") }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw Failure(description: "waitpid: \(errno)") }
        }
        let time = SystemClock.monotonic() - begin
        let end = ExitStatus(waitStatus: status)
        guard end == .exited(0) else { throw Failure(description: "\(arguments.joined(separator: " ")): \(end)") }
        return time
    }
}

/// Says on stderr what is going on; the table alone goes to stdout.
func say(_ text: String) {
    let bytes = Array("\(text)\n".utf8)
    _ = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
}
