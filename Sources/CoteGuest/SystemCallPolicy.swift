package import CoteSystem
import Glibc

/// Which system calls the processes of a sandbox may make: what is not allowed here does not work.
///
/// A call that is dangerous fails with `EPERM`. One that programs do without, because they know an older way, fails
/// with `ENOSYS`, which is what makes them take it; so does every number that this table has never heard of.
package enum SystemCallPolicy {
    static let verdicts: [(call: SystemCall, verdict: SystemCallVerdict)] =
        allowed.map { ($0, .allow) } + inspected + refused.map { ($0, .fail(EPERM)) } + absent.map { ($0, unknown) }

    static let unknown = SystemCallVerdict.fail(ENOSYS)

    /// The policy as a filter. The agent installs it once, on itself; its commands inherit it at no cost.
    static let filter = SystemCallFilter(verdicts, otherwise: unknown)

    package static let allowed =
        files + paths + attributes + memory + processes + identity + signals + time + scheduling
        + sockets + waiting + interprocess + selfConfinement

    // MARK: Dangerous

    static let refused = mounts + namespaces + otherProcesses + kernel + clocks + machine

    private static let mounts: [SystemCall] = [
        .mount, .umount2, .pivot_root, .chroot, .open_tree, .open_tree_attr, .move_mount, .fsopen, .fsconfig, .fsmount,
        .fspick, .mount_setattr, .swapon, .swapoff, .quotactl, .quotactl_fd,
        // Reach files by number, past every directory that was meant to hide them.
        .name_to_handle_at, .open_by_handle_at,
        // Sees what other processes do to a file system.
        .fanotify_init, .fanotify_mark,
    ]

    private static let namespaces: [SystemCall] = [.unshare, .setns]

    private static let otherProcesses: [SystemCall] = [
        .ptrace, .process_vm_readv, .process_vm_writev, .pidfd_getfd, .kcmp, .migrate_pages, .move_pages,
    ]

    private static let kernel: [SystemCall] = [
        .bpf, .perf_event_open, .keyctl, .add_key, .request_key, .kexec_load, .kexec_file_load, .init_module,
        .finit_module, .delete_module, .syslog,
    ]

    private static let clocks: [SystemCall] = [.settimeofday, .clock_settime, .clock_adjtime, .adjtimex]

    private static let machine: [SystemCall] = [
        .reboot, .acct, .sethostname, .setdomainname, .iopl, .ioperm, .modify_ldt, .vhangup,
    ]

    // MARK: Absent

    /// Newer ways whose users fall back, and old ones that the kernel has long stopped answering.
    static let absent: [SystemCall] = [
        // Its flags lie in memory, where a filter cannot see whether they ask for namespaces.
        .clone3,
        .io_uring_setup, .io_uring_enter, .io_uring_register, .userfaultfd, .process_madvise, .process_mrelease,
        .statmount, .listmount, .lsm_get_self_attr, .lsm_set_self_attr, .lsm_list_modules, .file_getattr, .file_setattr,
        ._sysctl, .sysfs, .ustat, .uselib, .create_module, .get_kernel_syms, .query_module, .nfsservctl, .getpmsg,
        .putpmsg, .afs_syscall, .tuxcall, .security, .vserver, .lookup_dcookie, .set_thread_area, .get_thread_area,
        .epoll_ctl_old, .epoll_wait_old,
    ]
}
