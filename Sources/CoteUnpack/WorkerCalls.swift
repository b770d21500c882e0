import CoteSystem
import Glibc

/// The system calls that remain: files below open directories, memory, threads. No program, no process, no socket, no
/// mount, no signal to others, no other user.
enum WorkerCalls {
    /// For the worker's own code.
    static let alone = SystemCallFilter(
        (files + names + attributes + memory + threads + time).map { ($0, .allow) } + [
            (.clone, newThread), (.clone3, .fail(ENOSYS)),
        ],
        otherwise: .fail(EPERM))

    /// For one that starts a program, with its loader.
    static let withPrograms = SystemCallFilter(
        (files + names + attributes + memory + threads + time + programs).map { ($0, .allow) } + [
            (.clone, noNamespaces), (.clone3, .fail(ENOSYS)),
        ],
        otherwise: .fail(EPERM))

    private static let files: [SystemCall] = [
        .read, .write, .readv, .writev, .pread64, .pwrite64, .close, .lseek, .fstat, .ftruncate, .fallocate, .fcntl,
        .dup, .dup2, .fsync, .fdatasync, .fadvise64, .poll, .ppoll, .copy_file_range, .sendfile,
    ]

    private static let names: [SystemCall] = [
        .open, .openat, .stat, .lstat, .newfstatat, .statx, .mkdirat, .unlinkat, .unlink, .renameat, .linkat,
        .symlinkat, .readlinkat, .readlink, .mknodat, .getdents64, .faccessat, .faccessat2, .access, .umask, .getcwd,
    ]

    private static let attributes: [SystemCall] = [
        .fchmod, .fchmodat, .fchown, .fchownat, .utimensat, .fsetxattr, .fgetxattr, .flistxattr, .fremovexattr,
        .lgetxattr, .llistxattr, .getxattr, .listxattr,
    ]

    private static let memory: [SystemCall] = [
        .brk, .mmap, .munmap, .mremap, .mprotect, .madvise, .getrandom,
    ]

    private static let threads: [SystemCall] = [
        .futex, .exit, .exit_group, .set_robust_list, .rseq, .gettid, .getpid, .getuid, .geteuid, .getgid, .getegid,
        .rt_sigaction, .rt_sigprocmask, .rt_sigreturn, .sigaltstack, .restart_syscall, .sched_getaffinity,
        .sched_yield, .tgkill,
    ]

    private static let time: [SystemCall] = [.clock_gettime, .gettimeofday, .nanosleep, .clock_nanosleep]

    private static let programs: [SystemCall] = [
        .execve, .wait4, .waitid, .arch_prctl, .set_tid_address, .prlimit64, .getrlimit, .uname, .sysinfo, .close_range,
        .setsid, .chdir, .pipe2, .prctl, .ioctl, .fstatfs, .statfs,
    ]

    /// Threads alone (`CLONE_THREAD`). Another process would get past what limits this one.
    private static let newThread = SystemCallVerdict.inspect(
        [
            SystemCallCase(
                tests: [ArgumentTest(index: 0, mask: 0x7e03_0000, value: 0x0001_0000)], verdict: .allow)
        ], otherwise: .fail(EPERM))

    /// Processes and threads, but no new namespace (`CLONE_NEW…`).
    private static let noNamespaces = SystemCallVerdict.inspect(
        [SystemCallCase(tests: [ArgumentTest(index: 0, mask: 0x7e02_0000, value: 0)], verdict: .allow)],
        otherwise: .fail(EPERM))
}
