import CoteSystem
import Glibc

/// What a confined process must not be able to do, each by itself.
enum Misdeed {
    static func done() -> [String] {
        let all: [(String, () -> Bool)] = [
            ("keeps-descriptor", { fcntl(4, F_GETFD) >= 0 }),
            ("reads-host", { open("/etc/passwd", O_RDONLY) >= 0 }),
            ("writes-root", { open("/file", O_WRONLY | O_CREAT, 0o600) >= 0 }),
            ("opens-socket", { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) >= 0 }),
            ("starts-process", startsProcess),
            ("starts-program", startsProgram),
            ("signals-parent", { kill(getppid(), 0) == 0 }),
            ("mounts", { mount("tmpfs", "/", "tmpfs", 0, nil) == 0 }),
            ("is-host-root", { owner() == 0 }),
            ("dumps-core", { Processes.limit(of: .core).hard != 0 }),
            ("has-descriptors", { Processes.limit(of: .nofile).hard > 4096 }),
            ("has-memory", { mmap(nil, 1 << 36, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED }),
            ("changes-user", { setuid(77) == 0 }),
        ]
        return all.filter { $0.1() }.map(\.0)
    }

    private static func startsProcess() -> Bool {
        // As the library's own fork does, which Swift has no name for.
        var pid: pid_t = 0
        return posix_spawn(&pid, "/nowhere", nil, nil, [nil], [nil]) == ENOENT
    }

    private static func startsProgram() -> Bool {
        var arguments: [UnsafeMutablePointer<CChar>?] = [nil]
        return execve("/nowhere", &arguments, &arguments) < 0 && errno != EPERM
    }

    /// Whom a file on descriptor 3, a directory, belongs to that this process makes; as the test's user sees it, which
    /// is told by whether it may be given to somebody else who is nobody here.
    private static func owner() -> Int {
        let file = openat(3, "made", O_WRONLY | O_CREAT, 0o600)
        if file < 0 { return -1 }
        return fchown(file, 4_000_000_000, 4_000_000_000) == 0 ? 0 : 1
    }
}
