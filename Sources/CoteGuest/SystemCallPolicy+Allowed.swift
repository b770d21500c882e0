import CoteSystem

extension SystemCallPolicy {
    static let files: [SystemCall] = [
        .read, .write, .close, .close_range, .lseek, .pread64, .pwrite64, .readv, .writev, .preadv, .pwritev, .preadv2,
        .pwritev2, .fstat, .fcntl, .flock, .fsync, .fdatasync, .sync, .syncfs, .sync_file_range, .ftruncate, .fallocate,
        .fadvise64, .readahead, .cachestat, .sendfile, .splice, .tee, .vmsplice, .copy_file_range, .dup, .dup2, .dup3,
        .pipe, .pipe2, .getdents, .getdents64, .fstatfs, .io_setup, .io_destroy, .io_getevents, .io_pgetevents,
        .io_submit, .io_cancel, .memfd_create, .memfd_secret,
    ]

    static let paths: [SystemCall] = [
        .open, .openat, .openat2, .creat, .stat, .lstat, .newfstatat, .statx, .statfs, .access, .faccessat, .faccessat2,
        .truncate, .getcwd, .chdir, .fchdir, .rename, .renameat, .renameat2, .mkdir, .mkdirat, .rmdir, .link, .linkat,
        .unlink, .unlinkat, .symlink, .symlinkat, .readlink, .readlinkat, .umask, .inotify_init, .inotify_init1,
        .inotify_add_watch, .inotify_rm_watch,
    ]

    static let attributes: [SystemCall] = [
        .chmod, .fchmod, .fchmodat, .fchmodat2, .chown, .fchown, .lchown, .fchownat, .utime, .utimes, .futimesat,
        .utimensat, .setxattr, .lsetxattr, .fsetxattr, .setxattrat, .getxattr, .lgetxattr, .fgetxattr, .getxattrat,
        .listxattr, .llistxattr, .flistxattr, .listxattrat, .removexattr, .lremovexattr, .fremovexattr, .removexattrat,
    ]

    static let memory: [SystemCall] = [
        .mmap, .mprotect, .munmap, .brk, .mremap, .msync, .mincore, .madvise, .mlock, .mlock2, .munlock, .mlockall,
        .munlockall, .remap_file_pages, .pkey_mprotect, .pkey_alloc, .pkey_free, .mbind, .set_mempolicy, .get_mempolicy,
        .set_mempolicy_home_node, .mseal, .map_shadow_stack, .membarrier,
    ]

    static let processes: [SystemCall] = [
        .fork, .vfork, .execve, .execveat, .exit, .exit_group, .wait4, .waitid, .pidfd_open, .pidfd_send_signal,
        .getpid,
        .getppid, .gettid, .getpgid, .setpgid, .getpgrp, .getsid, .setsid, .prctl, .arch_prctl, .set_tid_address,
        .set_robust_list, .get_robust_list, .rseq, .futex, .futex_wait, .futex_wake, .futex_waitv, .futex_requeue,
        .getrlimit, .setrlimit, .getrusage, .uname, .sysinfo, .getcpu, .getrandom,
    ]

    /// Without capabilities these can change nothing that was not the caller's already. The agent needs them itself.
    static let identity: [SystemCall] = [
        .getuid, .geteuid, .getgid, .getegid, .getgroups, .getresuid, .getresgid, .setuid, .setgid, .setreuid,
        .setregid, .setresuid, .setresgid, .setfsuid, .setfsgid, .setgroups, .capget, .capset,
    ]

    static let signals: [SystemCall] = [
        .rt_sigaction, .rt_sigprocmask, .rt_sigreturn, .rt_sigpending, .rt_sigtimedwait, .rt_sigqueueinfo,
        .rt_sigsuspend, .rt_tgsigqueueinfo, .sigaltstack, .kill, .tkill, .tgkill, .pause, .signalfd, .signalfd4,
        .restart_syscall,
    ]

    static let time: [SystemCall] = [
        .time, .times, .gettimeofday, .clock_gettime, .clock_getres, .clock_nanosleep, .nanosleep, .alarm, .getitimer,
        .setitimer, .timer_create, .timer_settime, .timer_gettime, .timer_getoverrun, .timer_delete, .timerfd_create,
        .timerfd_settime, .timerfd_gettime,
    ]

    static let scheduling: [SystemCall] = [
        .sched_yield, .getpriority, .setpriority, .sched_setparam, .sched_getparam, .sched_setscheduler,
        .sched_getscheduler, .sched_get_priority_max, .sched_get_priority_min, .sched_rr_get_interval,
        .sched_setaffinity, .sched_getaffinity, .sched_setattr, .sched_getattr, .ioprio_set, .ioprio_get,
    ]

    static let sockets: [SystemCall] = [
        .connect, .accept, .accept4, .bind, .listen, .shutdown, .getsockname, .getpeername, .setsockopt, .getsockopt,
        .sendto, .recvfrom, .sendmsg, .recvmsg, .sendmmsg, .recvmmsg,
    ]

    static let waiting: [SystemCall] = [
        .poll, .ppoll, .select, .pselect6, .epoll_create, .epoll_create1, .epoll_ctl, .epoll_wait, .epoll_pwait,
        .epoll_pwait2, .eventfd, .eventfd2,
    ]

    /// Shared memory, semaphores and queues: the sandbox has an IPC namespace of its own.
    static let interprocess: [SystemCall] = [
        .shmget, .shmat, .shmctl, .shmdt, .semget, .semop, .semctl, .semtimedop, .msgget, .msgsnd, .msgrcv, .msgctl,
        .mq_open, .mq_unlink, .mq_timedsend, .mq_timedreceive, .mq_notify, .mq_getsetattr,
    ]

    /// Only ever take something away from the caller.
    static let selfConfinement: [SystemCall] = [
        .seccomp, .landlock_create_ruleset, .landlock_add_rule, .landlock_restrict_self,
    ]
}
