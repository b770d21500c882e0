import CoteModel

// Attempts on the agent and on other commands, with what a command was born with.

extension Attempt {
    static let capabilities = [
        Attempt(
            "gives a file away", .commandCapabilities,
            "open('/workspace/mine', 'w'); os.chown('/workspace/mine', 1000, 1000); broke()"),
        Attempt(
            "reads another user's file", .commandCapabilities, "open('/workspace/private').read(); broke()"
        ) { $0.preparation = [Command(["sh", "-c", "umask 077; echo secret > private"], user: "cote")] },
        Attempt("becomes another user", .commandCapabilities, "os.setuid(1000); broke()"),
        Attempt(
            "mounts a file system", .agentCapabilities, also: [.commandCapabilities, .systemCallFilter],
            "call(165, b'none', b'/workspace', b'tmpfs', 0, 0); broke()"),
        Attempt(
            "changes its root", .agentCapabilities, also: [.commandCapabilities, .systemCallFilter],
            "os.chroot('/workspace'); broke()"),
        // The sandbox's own network, which nothing else is in.
        Attempt(
            "configures a network interface", .agentCapabilities, also: [.commandCapabilities],
            """
            request = struct.pack('16sI20x', b'lo', 4096)
            fcntl.ioctl(socket.socket(socket.AF_INET), 0x8922, request)  # SIOCSIFMTU
            broke()
            """),
    ]

    static let agent = [
        Attempt(
            "reads the agent's memory", .undumpable, also: [.commandCapabilities],
            """
            start = int(open('/proc/1/maps').readline().split('-')[0], 16)
            if os.pread(os.open('/proc/1/mem', os.O_RDONLY), 4, start) == b'\\x7fELF': broke()
            """),
        Attempt(
            "opens the agent's memory for writing", .undumpable, also: [.commandCapabilities, .readOnlyKernel],
            "os.open('/proc/1/mem', os.O_RDWR); broke()"),
        Attempt(
            "reads the agent's environment", .undumpable, also: [.commandCapabilities],
            "open('/proc/1/environ').read(); broke()"),
        Attempt(
            "sees the agent's descriptors", .undumpable, also: [.commandCapabilities],
            "if os.readlink('/proc/1/fd/3').startswith('socket:'): broke()"),
        Attempt(
            "steals the channel", .undumpable, also: [.commandCapabilities, .systemCallFilter],
            """
            stolen = call(438, call(434, 1, 0), 3, 0)  # pidfd_getfd of pidfd_open
            if stat.S_ISSOCK(os.fstat(stolen).st_mode): broke()
            """),
        Attempt(
            "copies the agent's memory", .undumpable, also: [.commandCapabilities, .systemCallFilter],
            """
            start = int(open('/proc/1/maps').readline().split('-')[0], 16)
            mine = ctypes.create_string_buffer(4)
            here = struct.pack('QQ', ctypes.addressof(mine), 4)
            call(310, 1, here, 1, struct.pack('QQ', start, 4), 1, 0)  # process_vm_readv
            if mine.raw == b'\\x7fELF': broke()
            """),
        Attempt(
            "traces the agent", .undumpable, also: [.commandCapabilities, .systemCallFilter],
            "call(101, 0x4206, 1, 0, 0); broke()  # PTRACE_SEIZE"),
        Attempt(
            "inherits the channel", .closedDescriptors,
            """
            for number in map(int, os.listdir('/proc/self/fd')):
                try:
                    if stat.S_ISSOCK(os.fstat(number).st_mode): broke()
                except OSError:
                    pass  # the listing's own
            """),
        Attempt(
            "takes the agent's descriptors away by a limit", .systemCallFilter,
            """
            for thread in os.listdir('/proc/1/task'):
                try:
                    call(302, int(thread), 7, struct.pack('QQ', 3, 3), 0)  # prlimit64
                    broke()
                except OSError:
                    pass
            """),
    ]
}
