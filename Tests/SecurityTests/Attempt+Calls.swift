import CoteModel
import CoteSystem
import Glibc

// Attempts by system calls that need no privilege, and by sockets that reach the kernel rather than a network.

extension Attempt {
    private static func setting(_ path: String, _ expected: String...) -> @Sendable () -> Bool {
        { (try? Files.readText("/proc/sys/" + path)).map { expected.contains(String($0.prefix(1))) } ?? false }
    }

    static let calls = namespaces + processes + machinery

    private static let namespaces = [
        Attempt("makes a user namespace", .systemCallFilter, "call(272, NEWUSER); broke()"),
        Attempt(
            "starts a process in a user namespace", .systemCallFilter,
            """
            if call(56, NEWUSER | signal.SIGCHLD, 0, 0, 0, 0) == 0: os._exit(0)
            broke()
            """),
        Attempt(
            "does so by a call whose flags lie in memory", .systemCallFilter,
            """
            arguments = struct.pack('8Q', NEWUSER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
            if call(435, arguments, 64) == 0: os._exit(0)  # clone3
            broke()
            """),
        Attempt(
            "mounts in a namespace of its own", .systemCallFilter,
            "call(272, NEWUSER | NEWNS); call(165, b'none', b'/tmp', b'tmpfs', 0, 0); broke()"),
        Attempt(
            "sends packets of its own making", .systemCallFilter,
            "call(272, NEWUSER | NEWNET); socket.socket(17, socket.SOCK_RAW, 0); broke()"),
        Attempt(
            "enters another process's namespace", .systemCallFilter,
            """
            mine, theirs = socket.socketpair()
            def body():
                call(272, NEWUSER)
                socket.send_fds(theirs, [b'+'], [os.open('/proc/self/ns/user', os.O_RDONLY)])
            child(body)
            call(308, socket.recv_fds(mine, 1, 1)[1][0], NEWUSER)
            broke()
            """),
    ]

    private static let processes = [
        Attempt("traces another process", .systemCallFilter, "call(101, 0x4206, child(), 0, 0); broke()"),
        Attempt(
            "reads another process's memory", .systemCallFilter,
            """
            mine = ctypes.create_string_buffer(4)
            def body(): mine.raw = b'bait'
            vector = struct.pack('QQ', ctypes.addressof(mine), 4)
            call(310, child(body), vector, 1, vector, 1, 0)
            if mine.raw == b'bait': broke()
            """),
        Attempt(
            "takes another process's descriptor", .systemCallFilter, "call(438, call(434, child(), 0), 0, 0); broke()"),
        Attempt(
            "compares what processes hold in the kernel", .systemCallFilter,
            "call(312, os.getpid(), child(), 0, 1, 1); broke()"),
        Attempt(
            "types into its terminal for somebody else", .systemCallFilter, "fcntl.ioctl(0, 0x5412, b'x'); broke()"
        ) {
            $0.onTerminal = true
            $0.isPossible = setting("dev/tty/legacy_tiocsti", "1")
        },
        Attempt(
            "changes its terminal's line discipline", .systemCallFilter,
            """
            for discipline in (27, 0): fcntl.ioctl(0, 0x5423, struct.pack('i', discipline))  # TIOCSETD, N_NULL
            broke()
            """
        ) { $0.onTerminal = true },
        Attempt(
            "makes all that it can read executable", .systemCallFilter, "call(135, 0x400000); broke()  # personality"),
    ]

    private static let machinery = [
        Attempt("keeps a key in the kernel", .systemCallFilter, "call(248, b'user', b'k', b'v', 1, -2); broke()"),
        Attempt(
            "makes a ring for calls that no filter sees", .systemCallFilter,
            "call(425, 1, ctypes.create_string_buffer(120)); broke()  # io_uring_setup"
        ) { $0.isPossible = setting("kernel/io_uring_disabled", "0") },
        Attempt("halts the kernel at a page fault", .systemCallFilter, "call(323, 1); broke()  # userfaultfd"),
        Attempt(
            "counts what the processor does", .systemCallFilter,
            """
            event = struct.pack('IIQQQQQIIQ', 1, 64, 0, 0, 0, 0, 0x60, 0, 0, 0)
            call(298, event, 0, -1, -1, 0)  # perf_event_open
            broke()
            """
        ) { $0.isPossible = setting("kernel/perf_event_paranoid", "-", "0", "1", "2") },
        Attempt(
            "gets a handle that opens a file past its directories", .systemCallFilter,
            """
            handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 136)
            call(303, -100, b'/tmp', handle, ctypes.byref(ctypes.c_int()), 0)  # name_to_handle_at
            broke()
            """),
        Attempt(
            "watches what others do to files", .systemCallFilter, "call(300, 0x200, 0); broke()  # fanotify_init"),
        Attempt(
            "changes its segment descriptors", .systemCallFilter,
            "call(154, 0, ctypes.create_string_buffer(16), 16); broke()  # modify_ldt"),
        Attempt(
            "calls the kernel by its 32-bit entry", .systemCallFilter,
            """
            def body():
                page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
                page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')  # mov eax, 20 (getpid); int 0x80; ret
                ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
            if status_of(body) == 0: broke()
            """
        ) { $0.isPossible = { Files.exists("/proc/sys/abi/vsyscall32") } },
    ]

    static let sockets = [
        Attempt(
            "dials the hypervisor", .systemCallFilter, "socket.socket(40, socket.SOCK_STREAM); broke()  # AF_VSOCK"
        ) { $0.isPossible = opens(40, SOCK_STREAM.rawValue, 0) },
        Attempt(
            "uses the kernel's ciphers", .systemCallFilter,
            "socket.socket(38, socket.SOCK_SEQPACKET); broke()  # AF_ALG"
        ) { $0.isPossible = opens(38, SOCK_SEQPACKET.rawValue, 0) },
        Attempt(
            "listens to the machine's devices", .systemCallFilter,
            "socket.socket(16, socket.SOCK_RAW, 15); broke()  # NETLINK_KOBJECT_UEVENT"
        ) { $0.isPossible = opens(16, SOCK_RAW.rawValue, 15) },
        Attempt(
            "asks the kernel about all sockets", .systemCallFilter,
            "socket.socket(16, socket.SOCK_RAW, 4); broke()  # NETLINK_SOCK_DIAG"
        ) { $0.isPossible = opens(16, SOCK_RAW.rawValue, 4) },
    ]

    /// Whether this kernel has such sockets.
    private static func opens(_ family: CInt, _ type: UInt32, _ protocolNumber: CInt) -> @Sendable () -> Bool {
        {
            let raw = socket(family, CInt(type), protocolNumber)
            if raw >= 0 { close(raw) }
            return raw >= 0
        }
    }
}
