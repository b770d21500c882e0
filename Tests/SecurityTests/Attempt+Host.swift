import CoteEngine
import CoteModel
import Glibc

// Attempts on the machine: its files, its kernel's settings, its devices, and what else runs on it.

extension Attempt {
    static let files = [
        Attempt("writes a file in /etc", .readOnlyRoot, "open('/etc/mark', 'w'); broke()"),
        Attempt("replaces the list of users", .readOnlyRoot, "os.rename('/etc/group', '/etc/passwd'); broke()"),
        Attempt("puts a program beside the agent", .readOnlyRoot, "open('/.cote/more', 'w'); broke()"),
        Attempt(
            "reads a file in the machine's /tmp", .privateTemporary, "open('/tmp/' + bait['NAME']).read(); broke()"),
        Attempt("leaves a file that belongs to the machine's root", .userNamespace, "open('/workspace/mark', 'w')") {
            $0.evidence = .trace { try $0.owner(of: "/workspace/mark") == 0 }
        },
        // Without no_new_privs the agent cannot install the filter, so the two go together.
        Attempt(
            "becomes root by a setuid program", .noSetuidFiles, also: [.noNewPrivileges, .systemCallFilter],
            "os.execv('/workspace/p', ['p', '-c', 'import os; print([\"HELD\", \"BROKE\"][os.geteuid() == 0])'])"
        ) {
            $0.user = "cote"
            $0.preparation = [Command(["sh", "-c", "cp /usr/bin/python3 p; chmod 4755 p"])]
        },
        Attempt(
            "joins root's group by a setgid program", .noNewPrivileges, also: [.noSetuidFiles, .systemCallFilter],
            "os.execv('/workspace/p', ['p', '-c', 'import os; print([\"HELD\", \"BROKE\"][os.getegid() == 0])'])"
        ) {
            $0.user = "cote"
            $0.preparation = [Command(["sh", "-c", "cp /usr/bin/python3 p; chmod 2755 p"])]
        },
    ]

    /// Settings are opened for writing and closed again: nothing is ever written to one.
    static let kernel = [
        Attempt(
            "opens the settings of its shared memory for writing", .readOnlyKernel,
            "os.open('/proc/sys/kernel/shmmax', os.O_WRONLY); broke()"),
        Attempt(
            "opens the machine's settings for writing", .readOnlyKernel, also: [.userNamespace],
            "os.open('/proc/sys/vm/swappiness', os.O_WRONLY); broke()"
        ) { $0.isPossible = { Privilege.current == .root } },
        Attempt(
            "makes the agent the first to be killed for memory", .readOnlyKernel,
            """
            for thread in os.listdir('/proc/1/task'):
                try:
                    os.write(os.open(f'/proc/{thread}/oom_score_adj', os.O_WRONLY), b'1000')
                    broke()
                except OSError:
                    pass
            """),
        Attempt(
            "reads the machine's interrupts", .maskedPaths, "if open('/proc/interrupts').read(1): broke()"),
        Attempt("reads the names in the kernel", .maskedPaths, "if open('/proc/kallsyms').read(1): broke()"),
        Attempt("lists the kernel's modules", .maskedPaths, "if os.listdir('/sys/module'): broke()"),
        Attempt("lists the kernel's own tree", .maskedPaths, "if os.listdir('/sys/kernel'): broke()"),
    ]

    /// Without their guard the machine's devices are there, read-only mounted, and only the test's terminal is opened.
    static let devices = [
        Attempt(
            "finds the machine's devices", .minimalDevices,
            """
            usual = {'null', 'zero', 'full', 'tty', 'random', 'urandom', 'console'}
            for name in set(os.listdir('/dev')) - usual:
                mode = os.lstat('/dev/' + name).st_mode
                if stat.S_ISCHR(mode) or stat.S_ISBLK(mode): broke()
            """),
        Attempt(
            "writes to a terminal of the machine", .minimalDevices,
            "os.write(os.open(bait['TERMINAL'], os.O_WRONLY | os.O_NOCTTY), b'escaped')"
        ) { $0.evidence = .trace { $0.terminalWasWritten } },
        Attempt(
            "reads what the machine's programs share", .minimalDevices,
            "open('/dev/shm/' + bait['NAME']).read(); broke()"),
    ]

    static let neighbours = [
        Attempt(
            "sees its keeper", .pidNamespace, also: [.userNamespace],
            """
            for pid in filter(str.isdigit, os.listdir('/proc')):
                if open(f'/proc/{pid}/comm').read() == 'cote-keeper\\n': broke()
            """),
        Attempt(
            "may send its keeper signals", .pidNamespace, also: [.userNamespace],
            """
            for pid in filter(str.isdigit, os.listdir('/proc')):
                if open(f'/proc/{pid}/comm').read() == 'cote-keeper\\n':
                    os.kill(int(pid), 0)
                    broke()
            """),
        Attempt(
            "kills the agent", .pidNamespace, also: [.userNamespace],
            "os.kill(os.getppid(), signal.SIGKILL); time.sleep(0.3)"
        ) {
            $0.evidence = .death
        },
        Attempt(
            "reaches a server on the machine's loopback", .networkNamespace,
            "socket.create_connection(('127.0.0.1', int(bait['PORT'])))"
        ) { $0.evidence = .trace { $0.loopbackWasReached } },
        Attempt(
            "reaches an abstract socket of the machine", .networkNamespace,
            "socket.socket(socket.AF_UNIX).connect('\\0' + bait['NAME'])"
        ) { $0.evidence = .trace { $0.abstractWasReached } },
        Attempt(
            "writes to shared memory of the machine", .ipcNamespace,
            """
            segment = check(libc.shmget(int(bait['KEY']), 8, 0))
            ctypes.memset(check(libc.shmat(segment, None, 0)), 0x45, 8)
            """
        ) { $0.evidence = .trace { $0.segmentWasWritten } },
        Attempt(
            "takes a message from a queue of the machine", .ipcNamespace,
            """
            queue = check(libc.msgget(int(bait['KEY']), 0))
            check(libc.msgrcv(queue, ctypes.create_string_buffer(64), ctypes.c_size_t(56), ctypes.c_long(0), 0o4000))
            """
        ) { $0.evidence = .trace { $0.queueWasRead } },
        Attempt(
            "reads the machine's name", .hostnameNamespace, "if os.uname().nodename == bait['HOST']: broke()"),
    ]

    static let limits = [
        Attempt(
            "uses more memory than it has", .memoryLimit,
            "if status_of(lambda: bytearray(b'x') * (160 << 20)) == 0: broke()"),
        Attempt(
            "starts more processes than it may", .processLimit,
            """
            for _ in range(64): child()
            broke()
            """),
        Attempt("runs on after its time", .ownSession, "time.sleep(1); broke()") {
            $0.timeout = TimeSpan(milliseconds: 300)
            $0.evidence = .wordOrSignal
        },
        Attempt(
            "is killed for memory no sooner than the agent", .commandOOMScore,
            """
            own, agent = [int(open(f'/proc/{pid}/oom_score_adj').read()) for pid in ('self', '1')]
            if own <= agent: broke()
            """),
    ]
}
