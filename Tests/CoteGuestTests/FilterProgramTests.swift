@testable import CoteSystem
import Glibc
import Testing

@testable import CoteGuest

@Suite struct FilterProgramTests {
    private let filter = FilterInterpreter(program: SystemCallPolicy.filter.program)
    private let allow: UInt32 = 0x7fff_0000

    private func fails(_ code: CInt) -> UInt32 { 0x0005_0000 | UInt32(code) }

    @Test func `every call has exactly one verdict`() {
        let named = SystemCallPolicy.verdicts.map(\.call)
        #expect(named.count == SystemCall.allCases.count)
        #expect(Set(named) == Set(SystemCall.allCases))
    }

    @Test func `the program agrees with the table for every number`() {
        let table = Dictionary(uniqueKeysWithValues: SystemCallPolicy.verdicts.map { ($0.call.rawValue, $0.verdict) })
        let interesting: [UInt64] = [
            0, 1, 2, 3, 10, 16, 17, 40, 0x10, 0x11, 0x5412, 0x541c, 0x5423, 0x8, 0x4_0000, 0x2000, 0x6000,
            0x1_0000_5412,
            0xffff_ffff, .max, 0x7e02_0000, 0x0002_0000, 0x1000_0000, 0x0100_0000, 0x1200_0011,
        ]
        for number in 0...UInt32(1_000) {
            let verdict = table[number] ?? SystemCallPolicy.unknown
            for first in interesting {
                for second in interesting {
                    let arguments = [first, second, second == first ? 0 : second, 0, 0, 0]
                    let answer = filter.run(number, arguments)?.answer
                    if answer != verdict.answer(arguments) {
                        Issue.record("call \(number) \(arguments): \(answer ?? 0), not \(verdict)")
                    }
                }
            }
        }
    }

    @Test(arguments: [
        UInt32(335), 423, 470, 999, 0x3fff_ffff, 0x4000_0000, 0x4000_0001, 0x4000_0200, 0x7fff_ffff, 0x8000_0000,
        0xffff_ffff,
    ])
    func `a number that nobody knows, and every one of x32, is absent`(number: UInt32) {
        #expect(filter.run(number)?.answer == fails(ENOSYS))
    }

    @Test func `a call of another architecture ends the process`() {
        let (i386, arm64): (UInt32, UInt32) = (0x4000_0003, 0xc000_00b7)
        let others = [i386, arm64, 0, 0xffff_ffff]
        for architecture in others {
            for number in [UInt32(0), 1, 39, 60, 435] {
                #expect(filter.run(number, architecture: architecture)?.answer == 0x8000_0000)
            }
        }
    }

    @Test func `a verdict takes few steps`() {
        for call in SystemCall.allCases where SystemCallPolicy.allowed.contains(call) {
            #expect((filter.run(call.rawValue)?.steps ?? .max) <= 12, "\(call)")
        }
        for number in 0...UInt32(500) { #expect((filter.run(number, [3, 3, 3])?.steps ?? .max) <= 30) }
        #expect(filter.program.instructions.count < 400)
    }

    @Test func `a tree too large for one jump still finds its verdicts`() {
        let verdicts = (0..<UInt32(2_000)).map {
            (number: $0, verdict: $0.isMultiple(of: 2) ? SystemCallVerdict.allow : .fail(CInt($0 % 100) + 1))
        }
        let program = FilterProgram(architecture: 7, verdicts: verdicts, otherwise: .fail(ENOSYS))
        let filter = FilterInterpreter(program: program)
        for (number, verdict) in verdicts {
            let outcome = filter.run(number, architecture: 7)
            #expect(outcome?.answer == verdict.answer([]))
            #expect((outcome?.steps ?? .max) <= 30)
        }
        #expect(program.instructions.contains { $0.code == 0x05 })
    }

    @Test(arguments: [
        "mount", "umount2", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick",
        "mount_setattr", "pivot_root", "chroot", "unshare", "setns", "clone3", "ptrace", "process_vm_readv",
        "process_vm_writev", "pidfd_getfd", "kcmp", "keyctl", "add_key", "request_key", "bpf", "io_uring_setup",
        "io_uring_enter", "io_uring_register", "userfaultfd", "perf_event_open", "kexec_load", "kexec_file_load",
        "init_module", "finit_module", "delete_module", "open_by_handle_at", "name_to_handle_at", "swapon", "swapoff",
        "reboot", "acct", "quotactl", "quotactl_fd", "syslog", "settimeofday", "clock_settime", "clock_adjtime",
        "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "modify_ldt", "vhangup", "nfsservctl",
        "lookup_dcookie", "fanotify_init", "process_madvise",
    ])
    func `no argument makes a dangerous call pass`(name: String) throws {
        let call = try #require(SystemCall.allCases.first { "\($0)" == name })
        for argument in [UInt64(0), 1, 0x2000_0000, .max] {
            let answer = filter.run(call.rawValue, [argument, argument, argument])?.answer
            #expect(answer == fails(EPERM) || answer == fails(ENOSYS))
        }
    }

    /// Name, arguments, expected `errno` or 0 for a call that passes.
    @Test(
        arguments: [
            ("clone", [0x11], 0), ("clone", [0x1011], 0), ("clone", [0x003d_0f00], 0), ("clone", [0x8000_0011], 0),
            ("clone", [0x2_0011], EPERM), ("clone", [0x0200_0011], EPERM), ("clone", [0x0400_0000], EPERM),
            ("clone", [0x0800_0000], EPERM), ("clone", [0x1000_0011], EPERM), ("clone", [0x2000_0011], EPERM),
            ("clone", [0x4000_0011], EPERM), ("clone", [0xffff_ffff_1000_0011], EPERM),
            ("socket", [1, 1, 0], 0), ("socket", [2, 0x8_0001, 6], 0), ("socket", [10, 2, 17], 0),
            ("socket", [16, 3, 0], 0), ("socket", [16, 3, 9], EAFNOSUPPORT), ("socket", [16, 3, 15], EAFNOSUPPORT),
            ("socket", [17, 3, 0], EAFNOSUPPORT), ("socket", [15, 3, 2], EAFNOSUPPORT),
            ("socket", [38, 5, 0], EAFNOSUPPORT),
            ("socket", [40, 1, 0], EAFNOSUPPORT), ("socket", [2, 10, 3], EAFNOSUPPORT),
            ("socket", [0, 0, 0], EAFNOSUPPORT),
            ("socket", [0x1_0000_0028, 1, 0], EAFNOSUPPORT), ("socketpair", [1, 1, 0], 0),
            ("socketpair", [30, 1, 0], EAFNOSUPPORT), ("ioctl", [0, 0x5412, 0], EPERM),
            ("ioctl", [0, 0x541c, 0], EPERM),
            ("ioctl", [0, 0x5423, 0], EPERM), ("ioctl", [0, 0x1_0000_5412, 0], EPERM), ("ioctl", [0, 0x5413, 0], 0),
            ("ioctl", [0x5412, 0x5401, 0x5412], 0), ("personality", [0], 0), ("personality", [0xffff_ffff], 0),
            ("personality", [0x4_0000], 0), ("personality", [0x40_0000], EPERM), ("personality", [0x10_0000], EPERM),
            ("mknod", [0, 0o010644], 0), ("mknod", [0, 0o644], 0), ("mknod", [0, 0o020600], EPERM),
            ("mknodat", [0, 0, 0o060600], EPERM), ("mknodat", [0, 0, 0o140600], 0),
        ] as [(String, [UInt64], CInt)])
    func `arguments decide where they must`(name: String, arguments: [UInt64], code: CInt) throws {
        let call = try #require(SystemCall.allCases.first { "\($0)" == name })
        #expect(filter.run(call.rawValue, arguments)?.answer == (code == 0 ? allow : fails(code)))
    }

    private static let header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"

    @Test(.enabled(if: access(header, R_OK) == 0, "the C library's headers are not installed"))
    func `the numbers are those of the kernel's headers`() throws {
        let file = try #require(fopen(Self.header, "r"))
        defer { fclose(file) }
        let ours = Dictionary(uniqueKeysWithValues: SystemCall.allCases.map { ("\($0)", $0.rawValue) })
        var line = [CChar](repeating: 0, count: 256)
        var compared = 0
        while fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split { $0 == " " || $0 == "\n" }
            guard words.count == 3, words[1].hasPrefix("__NR_") else { continue }
            let name = String(words[1].dropFirst(5))
            compared += 1
            #expect(ours[name] == UInt32(words[2]), "\(name)")
        }
        #expect(compared > 300)
    }
}
