#if arch(x86_64)
/// The kernel's numbers of its system calls on x86_64, under the kernel's own names (`syscall_64.tbl`, Linux 6.18).
///
/// Another architecture gets an enumeration of its own here: the old calls that have a successor (`open`, `fork`…)
/// do not exist there, and `SystemCallPolicy` then does not name them.
package enum SystemCall: UInt32, CaseIterable, Sendable {
    case read = 0, write, open, close, stat, fstat, lstat, poll, lseek, mmap
    case mprotect, munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, ioctl, pread64, pwrite64, readv
    case writev, access, pipe, select, sched_yield, mremap, msync, mincore, madvise, shmget
    case shmat, shmctl, dup, dup2, pause, nanosleep, getitimer, alarm, setitimer, getpid
    case sendfile, socket, connect, accept, sendto, recvfrom, sendmsg, recvmsg, shutdown, bind
    case listen, getsockname, getpeername, socketpair, setsockopt, getsockopt, clone, fork, vfork, execve
    case exit, wait4, kill, uname, semget, semop, semctl, shmdt, msgget, msgsnd
    case msgrcv, msgctl, fcntl, flock, fsync, fdatasync, truncate, ftruncate, getdents, getcwd
    case chdir, fchdir, rename, mkdir, rmdir, creat, link, unlink, symlink, readlink
    case chmod, fchmod, chown, fchown, lchown, umask, gettimeofday, getrlimit, getrusage, sysinfo
    case times, ptrace, getuid, syslog, getgid, setuid, setgid, geteuid, getegid, setpgid
    case getppid, getpgrp, setsid, setreuid, setregid, getgroups, setgroups, setresuid, getresuid, setresgid
    case getresgid, getpgid, setfsuid, setfsgid, getsid, capget, capset, rt_sigpending, rt_sigtimedwait
    case rt_sigqueueinfo, rt_sigsuspend, sigaltstack, utime, mknod, uselib, personality, ustat, statfs, fstatfs
    case sysfs, getpriority, setpriority, sched_setparam, sched_getparam, sched_setscheduler, sched_getscheduler
    case sched_get_priority_max, sched_get_priority_min, sched_rr_get_interval, mlock, munlock, mlockall, munlockall
    case vhangup, modify_ldt, pivot_root, _sysctl, prctl, arch_prctl, adjtimex, setrlimit, chroot, sync
    case acct, settimeofday, mount, umount2, swapon, swapoff, reboot, sethostname, setdomainname, iopl
    case ioperm, create_module, init_module, delete_module, get_kernel_syms, query_module, quotactl, nfsservctl
    case getpmsg, putpmsg, afs_syscall, tuxcall, security, gettid, readahead, setxattr, lsetxattr, fsetxattr
    case getxattr, lgetxattr, fgetxattr, listxattr, llistxattr, flistxattr, removexattr, lremovexattr, fremovexattr
    case tkill, time, futex, sched_setaffinity, sched_getaffinity, set_thread_area, io_setup, io_destroy
    case io_getevents, io_submit, io_cancel, get_thread_area, lookup_dcookie, epoll_create, epoll_ctl_old
    case epoll_wait_old, remap_file_pages, getdents64, set_tid_address, restart_syscall, semtimedop, fadvise64
    case timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete, clock_settime, clock_gettime
    case clock_getres, clock_nanosleep, exit_group, epoll_wait, epoll_ctl, tgkill, utimes, vserver, mbind
    case set_mempolicy, get_mempolicy, mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr
    case kexec_load, waitid, add_key, request_key, keyctl, ioprio_set, ioprio_get, inotify_init, inotify_add_watch
    case inotify_rm_watch, migrate_pages, openat, mkdirat, mknodat, fchownat, futimesat, newfstatat, unlinkat
    case renameat, linkat, symlinkat, readlinkat, fchmodat, faccessat, pselect6, ppoll, unshare, set_robust_list
    case get_robust_list, splice, tee, sync_file_range, vmsplice, move_pages, utimensat, epoll_pwait, signalfd
    case timerfd_create, eventfd, fallocate, timerfd_settime, timerfd_gettime, accept4, signalfd4, eventfd2
    case epoll_create1, dup3, pipe2, inotify_init1, preadv, pwritev, rt_tgsigqueueinfo, perf_event_open, recvmmsg
    case fanotify_init, fanotify_mark, prlimit64, name_to_handle_at, open_by_handle_at, clock_adjtime, syncfs
    case sendmmsg, setns, getcpu, process_vm_readv, process_vm_writev, kcmp, finit_module, sched_setattr
    case sched_getattr, renameat2, seccomp, getrandom, memfd_create, kexec_file_load, bpf, execveat, userfaultfd
    case membarrier, mlock2, copy_file_range, preadv2, pwritev2, pkey_mprotect, pkey_alloc, pkey_free, statx
    case io_pgetevents, rseq

    // The kernel left a hole here: from 424 on, numbers are the same on every architecture.
    case pidfd_send_signal = 424, io_uring_setup, io_uring_enter, io_uring_register, open_tree, move_mount, fsopen
    case fsconfig, fsmount, fspick, pidfd_open, clone3, close_range, openat2, pidfd_getfd, faccessat2
    case process_madvise, epoll_pwait2, mount_setattr, quotactl_fd, landlock_create_ruleset, landlock_add_rule
    case landlock_restrict_self, memfd_secret, process_mrelease, futex_waitv, set_mempolicy_home_node, cachestat
    case fchmodat2, map_shadow_stack, futex_wake, futex_wait, futex_requeue, statmount, listmount, lsm_get_self_attr
    case lsm_set_self_attr, lsm_list_modules, mseal, setxattrat, getxattrat, listxattrat, removexattrat
    case open_tree_attr, file_getattr, file_setattr

    /// `AUDIT_ARCH_X86_64`. Calls of 32-bit programs arrive as another architecture, those of the x32 ABI as this one
    /// with bit 30 of the number set, which no table here has.
    package static let architecture: UInt32 = 0xc000_003e
}
#else
#error("the system call filter knows the numbers of x86_64 only")
#endif
