import CLinux
@testable import CoteSystem
import Glibc
import Testing

@testable import CoteGuest

/// The installed filter and the real kernel. Root runs these with every capability, so it is the filter that refuses.
@Suite struct SystemCallFilterTests {
    private static let preamble = """
        import ctypes, errno, os
        libc = ctypes.CDLL(None, use_errno=True)
        def call(number, *arguments):
            ctypes.set_errno(0)
            result = libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(a) for a in arguments])
            return 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()]

        """

    private func python(_ script: String) throws -> Confined {
        try Confined.run(["python3", "-c", Self.preamble + script])
    }

    /// A script of calls (number, then arguments) and what each must come to.
    @Test(arguments: [
        ("unshare(NEWUSER)", "272, 0x10000000", "EPERM"), ("unshare(NEWNS)", "272, 0x20000", "EPERM"),
        ("setns", "308, 0, 0", "EPERM"), ("mount", "165, 0, 0, 0, 0, 0", "EPERM"), ("chroot", "161, 0", "EPERM"),
        ("clone(NEWUSER|SIGCHLD)", "56, 0x10000011, 0, 0, 0, 0", "EPERM"), ("clone3", "435, 0, 0", "ENOSYS"),
        ("ptrace(TRACEME)", "101, 0, 0, 0, 0", "EPERM"), ("bpf", "321, 0, 0, 0", "EPERM"),
        ("keyctl", "250, 0, 0", "EPERM"), ("io_uring_setup", "425, 1, 0", "ENOSYS"),
        ("userfaultfd", "323, 1", "ENOSYS"), ("perf_event_open", "298, 0, 0, 0, 0, 0", "EPERM"),
        ("process_vm_readv", "310, 1, 0, 0, 0, 0, 0", "EPERM"), ("pidfd_getfd", "438, 0, 0, 0", "EPERM"),
        ("open_by_handle_at", "304, 0, 0, 0", "EPERM"), ("syslog", "103, 10, 0, 0", "EPERM"),
        ("sethostname", "170, 0, 0", "EPERM"), ("iopl", "172, 3", "EPERM"), ("fsopen", "430, 0, 0", "EPERM"),
        ("socket(VSOCK)", "41, 40, 1, 0", "EAFNOSUPPORT"), ("socket(ALG)", "41, 38, 5, 0", "EAFNOSUPPORT"),
        ("socket(PACKET)", "41, 17, 3, 0", "EAFNOSUPPORT"), ("socket(INET, PACKET)", "41, 2, 10, 3", "EAFNOSUPPORT"),
        ("socket(NETLINK, AUDIT)", "41, 16, 3, 9", "EAFNOSUPPORT"), ("socket(NETLINK, ROUTE)", "41, 16, 3, 0", "ok"),
        ("socket(UNIX)", "41, 1, 1, 0", "ok"), ("socket(INET)", "41, 2, 1, 0", "ok"),
        ("ioctl(TIOCSTI)", "16, 0, 0x5412, 0", "EPERM"), ("ioctl(TIOCLINUX)", "16, 0, 0x541c, 0", "EPERM"),
        ("ioctl(TIOCSTI, high bits)", "16, 0, 0x100005412, 0", "EPERM"), ("x32 getpid", "0x40000027", "ENOSYS"),
        ("newer than us", "700", "ENOSYS"), ("personality(ask)", "135, 0xffffffff", "ok"),
        ("personality(READ_IMPLIES_EXEC)", "135, 0x400000", "EPERM"), ("getpid", "39", "ok"),
        ("memfd_secret or not built", "447, 0xffff", "EINVAL|ENOSYS"),
        ("prlimit64(1)", "302, 1, 7, 0, 0", "EPERM"), ("prlimit64(getpid)", "302, os.getpid(), 7, 0, 0", "EPERM"),
        ("prlimit64(self)", "302, 0, 7, 0, 0", "ok"),
        ("pidfd_open(getpid)", "434, os.getpid(), 0", "ok"),
    ])
    func `the kernel holds a program to the filter`(name: String, call: String, expected: String) throws {
        let result = try python("print(call(\(call)))")
        let answer = result.output.split(separator: "\n").first.map(String.init) ?? "nothing"
        #expect(expected.split(separator: "|").map(String.init).contains(answer), "\(name): \(result)")
    }

    /// Each prints `done` at its end; a program that the machine lacks counts as done.
    @Test(arguments: [
        "for i in 1 2 3; do echo $i; done | sort -r | head -1 | grep -q 3 && (sleep 0 & wait) && echo done",
        """
        python3 -c "
        import asyncio, multiprocessing, os, socket, subprocess, tempfile, threading
        thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
        with multiprocessing.get_context('fork').Pool(2) as pool: assert pool.map(abs, [-1, 2]) == [1, 2]
        async def child(): return await (await asyncio.create_subprocess_exec('true')).wait()
        assert asyncio.run(child()) == 0 and socket.if_nameindex()
        a, b = socket.socketpair(); server = socket.create_server(('127.0.0.1', 0)); pid, tty = __import__('pty').fork()
        if pid == 0: os._exit(0)
        print('done')"
        """,
        "command -v gcc >/dev/null || { echo done; exit; }; "
            + "printf '#include <stdio.h>\nint main(void) { puts(\"done\"); }' > a.c && gcc -O2 a.c && ./a.out",
        "command -v git >/dev/null || { echo done; exit; }; git init -q r && cd r && echo x > f && git add f "
            + "&& git -c user.name=a -c user.email=a@b commit -qm m && git gc -q && git clone -q . ../s && echo done",
        "command -v node >/dev/null || { echo done; exit; }; "
            + "node -e 'new (require(\"worker_threads\").Worker)(\"0\", "
            + "{eval: true}).on(\"exit\", "
            + "() => console.log(require(\"child_process\").execSync(\"echo done\") + \"\"))'",
    ])
    func `ordinary programs run`(script: String) throws {
        let scratch = try Scratch()
        let result = try Confined.run(["bash", "-c", script], directory: scratch.path)
        #expect(result.status == .exited(0))
        #expect(result.output.split(separator: "\n").last == "done", "\(result.output)")
    }

    @Test(.enabled(if: getuid() == 0, "only root can start a program as somebody else"))
    func `the agent can start a command as somebody else, without capabilities, in its own session`() throws {
        let result = try Confined.run(["bash", "-c", "id -u; grep -E '^(CapBnd|Seccomp):' /proc/self/status"]) {
            $0.credentials = Credentials(user: 65_534, group: 65_534, groups: [100])
            $0.newSession = true
            $0.dropCapabilities = true
            $0.oomScore = 500
            $0.limits = [ResourceLimit(resource: 7, soft: 100, hard: 100)]
        }
        #expect(result.output == "65534\nCapBnd:\t0000000000000000\nSeccomp:\t2\n")
    }

    @Test func `a call by the 32-bit entry ends the process`() throws {
        let script = """
            import mmap
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')  # mov eax, 20 (getpid); int 0x80; ret
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            print('before', flush=True)
            ctypes.CFUNCTYPE(ctypes.c_int)(address)()
            print('after')
            """
        let result = try python(script)
        #expect(result.output == "before\n")
        #expect(result.status == .signaled(SIGSYS))
    }

    @Test func `installing without no_new_privs and without privilege is refused`() throws {
        let code = try OwnThread.run { () throws -> CInt in
            // The raw call changes this thread's capabilities alone.
            try #require(cl_capabilities_clear() == 0)
            do { try SystemCallPolicy.filter.install() } catch let error as SystemError { return error.code }
            return 0
        }
        #expect(code == EACCES)
    }
}
