import CoteSandbox
import CoteSystem
import Glibc

/// What a keeper gives up once its sandbox is up. From then on it parses what a hostile agent sends, so it keeps only
/// what it takes to relay, to write the journal and to clean up: no capability, no host file system, no way to start a
/// program, mount, open a socket or make a process.
enum KeeperSeal {
    /// - Throws: the step that failed; the keeper must not go on then.
    static func apply() throws(SystemError) {
        try Stage.seal()
        try Processes.dropCapabilities()
        try Processes.setNoNewPrivileges()
        try filter.install()
    }

    private static let filter = SystemCallFilter(
        allowed.map { ($0, .allow) }, otherwise: .fail(EPERM))

    private static let allowed = streams + files + processes + memory + time

    private static let streams: [SystemCall] = [
        .read, .write, .readv, .writev, .close, .shutdown, .accept4, .getsockopt, .fcntl, .dup, .epoll_wait,
        .epoll_pwait,
        .epoll_ctl, .poll,
    ]

    /// Only what is on the keeper's own small root can be named.
    private static let files: [SystemCall] = [
        .openat, .open, .pread64, .pwrite64, .lseek, .fstat, .newfstatat, .stat, .lstat, .statx, .statfs, .fdatasync,
        .fsync,
        .ftruncate, .rename, .renameat, .unlink, .unlinkat, .rmdir, .getdents64, .faccessat, .faccessat2, .access,
        .readlink, .readlinkat,
    ]

    private static let processes: [SystemCall] = [
        .kill, .pidfd_send_signal, .wait4, .waitid, .getpid, .gettid, .getuid, .geteuid, .tgkill, .exit, .exit_group,
        .rt_sigaction, .rt_sigprocmask, .rt_sigreturn, .sigaltstack, .restart_syscall,
    ]

    private static let memory: [SystemCall] = [
        .brk, .mmap, .munmap, .mremap, .mprotect, .madvise, .futex, .getrandom,
    ]

    private static let time: [SystemCall] = [.clock_gettime, .gettimeofday, .nanosleep, .clock_nanosleep, .sched_yield]
}
