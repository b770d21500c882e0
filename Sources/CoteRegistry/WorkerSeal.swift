import CoteSystem
import CoteWorker
import Glibc

/// What the worker gives up before it reads its request. It speaks TLS and HTTP with whoever a name leads to, so it
/// keeps what that takes: connections, reading files that anyone may read, and the descriptors that it was given. It
/// starts no program, opens no file for writing, and listens nowhere.
enum WorkerSeal {
    /// Call before there is a second thread: what is given up is given up for those that come after.
    /// - Throws: the step that failed; the worker must not go on then.
    static func apply() throws(SystemError) {
        signal(SIGPIPE, SIG_IGN)
        WorkerChannel.endWithParent()
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        if setrlimit(CommandResource.core.rawValue, &none) < 0 { throw SystemError("setrlimit") }
        try Processes.setUndumpable()
        try Processes.dropCapabilities()
        try Processes.setNoNewPrivileges()
        try filter.install()
    }

    static let filter = SystemCallFilter(
        (network + files + processes + memory + time).map { ($0, .allow) } + inspected, otherwise: .fail(EPERM))

    private static let network: [SystemCall] = [
        .connect, .bind, .getsockname, .getpeername, .setsockopt, .getsockopt, .sendto, .sendmsg, .sendmmsg, .recvfrom,
        .recvmsg, .shutdown, .epoll_create, .epoll_create1, .epoll_ctl, .epoll_wait, .epoll_pwait, .eventfd2,
        .timerfd_create,
        .timerfd_settime, .poll, .ppoll,
    ]

    private static let files: [SystemCall] = [
        .read, .write, .readv, .writev, .pread64, .pwrite64, .lseek, .ftruncate, .close, .dup, .fcntl, .fstat,
        .newfstatat, .stat, .lstat, .statx, .statfs, .getdents64, .readlink, .readlinkat, .access, .faccessat,
        .faccessat2,
        .getcwd, .pipe2,
    ]

    private static let processes: [SystemCall] = [
        .getpid, .gettid, .getppid, .getuid, .geteuid, .getgid, .getegid, .tgkill, .exit, .exit_group, .rt_sigaction,
        .rt_sigprocmask, .rt_sigreturn, .rt_sigsuspend, .sigaltstack, .restart_syscall, .set_robust_list, .rseq,
        .sched_getaffinity,
        .sched_getparam, .sched_getscheduler, .setpriority, .sysinfo, .uname, .getrusage, .prlimit64, .getrlimit,
    ]

    private static let memory: [SystemCall] = [
        .brk, .mmap, .munmap, .mremap, .mprotect, .madvise, .futex, .membarrier, .getrandom,
    ]

    private static let time: [SystemCall] = [
        .clock_gettime, .clock_getres, .gettimeofday, .time, .nanosleep, .clock_nanosleep, .sched_yield,
    ]

    private static let inspected: [(call: SystemCall, verdict: SystemCallVerdict)] = [
        (.openat, readingOnly(flags: 2)), (.open, readingOnly(flags: 1)), (.socket, families),
        (.clone, .inspect([SystemCallCase(tests: [thread], verdict: .allow)], otherwise: .fail(EPERM))),
        // Its flags are in memory, out of the filter's sight; the C library then takes clone.
        (.clone3, .fail(ENOSYS)),
        (.prctl, .inspect(names, otherwise: .fail(EPERM))),
    ]

    /// Neither writing nor creating; O_TMPFILE needs one of the two.
    private static func readingOnly(flags index: UInt32) -> SystemCallVerdict {
        let forbidden = UInt32(bitPattern: O_ACCMODE | O_CREAT | O_TRUNC)
        let test = ArgumentTest(index: index, mask: forbidden, value: UInt32(bitPattern: O_RDONLY))
        return .inspect([SystemCallCase(tests: [test], verdict: .allow)], otherwise: .fail(EACCES))
    }

    /// The internet, and netlink, by which the C library learns which addresses this machine has. No unix sockets: what
    /// listens there trusts whoever reaches it.
    private static let families: SystemCallVerdict = {
        let cases = [AF_INET, AF_INET6, AF_NETLINK].map { family in
            SystemCallCase(tests: [ArgumentTest(index: 0, value: UInt32(family))], verdict: .allow)
        }
        return .inspect(cases, otherwise: .fail(EAFNOSUPPORT))
    }()

    private static let thread = ArgumentTest(index: 0, mask: 0x10000, value: 0x10000)  // CLONE_THREAD
    /// Of threads: PR_SET_NAME and PR_GET_NAME.
    private static let names = [UInt32(15), 16].map {
        SystemCallCase(tests: [ArgumentTest(index: 0, value: $0)], verdict: .allow)
    }
}
