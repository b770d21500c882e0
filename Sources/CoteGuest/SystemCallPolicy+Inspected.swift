import CoteSystem

import Glibc

extension SystemCallPolicy {
    /// Calls whose arguments decide.
    static let inspected: [(call: SystemCall, verdict: SystemCallVerdict)] = [
        (.clone, clone), (.socket, socket), (.socketpair, socketPair), (.ioctl, ioctl), (.personality, personality),
        (.mknod, nodes(modeAt: 1)), (.mknodat, nodes(modeAt: 2)), (.prlimit64, limits),
    ]

    /// Processes and threads, but no new namespace (`CLONE_NEW…`).
    private static let clone = SystemCallVerdict.inspect(
        [SystemCallCase(tests: [ArgumentTest(index: 0, mask: 0x7e02_0000, value: 0)], verdict: .allow)],
        otherwise: .fail(EPERM))

    /// `AF_UNIX`, `AF_INET`, `AF_INET6`, and of netlink the route protocol alone, which lists the interfaces.
    private static let socket = SystemCallVerdict.inspect(
        [
            // With the ancient SOCK_PACKET, the kernel takes AF_INET to mean AF_PACKET.
            SystemCallCase(tests: [ArgumentTest(index: 1, mask: 0xf, value: 10)], verdict: .fail(EAFNOSUPPORT)),
            SystemCallCase(tests: [ArgumentTest(index: 0, value: 1)], verdict: .allow),
            SystemCallCase(tests: [ArgumentTest(index: 0, value: 2)], verdict: .allow),
            SystemCallCase(tests: [ArgumentTest(index: 0, value: 10)], verdict: .allow),
            SystemCallCase(
                tests: [ArgumentTest(index: 0, value: 16), ArgumentTest(index: 2, value: 0)], verdict: .allow),
        ], otherwise: .fail(EAFNOSUPPORT))

    private static let socketPair = SystemCallVerdict.inspect(
        [SystemCallCase(tests: [ArgumentTest(index: 0, value: 1)], verdict: .allow)], otherwise: .fail(EAFNOSUPPORT))

    /// All but typing into a terminal for somebody else (`TIOCSTI`, `TIOCLINUX`) and changing its line discipline
    /// (`TIOCSETD`), behind which lie parsers of the kernel that nothing here needs.
    private static let ioctl = SystemCallVerdict.inspect(
        [0x5412, 0x541c, 0x5423].map {
            SystemCallCase(tests: [ArgumentTest(index: 1, value: $0)], verdict: .fail(EPERM))
        }, otherwise: .allow)

    /// Asking (`0xffffffff`), Linux as it is, the looks of a 32-bit or a 2.6 machine, and no address randomisation:
    /// thread sanitizers and some Lisps start themselves anew with it, and it weakens only the process that asks.
    private static let personality = SystemCallVerdict.inspect(
        [0xffff_ffff, 0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000].map {
            SystemCallCase(tests: [ArgumentTest(index: 0, value: $0)], verdict: .allow)
        }, otherwise: .fail(EPERM))

    /// One's own: the kernel lets whoever has the agent's user id lower the agent's limits, and knows it by the number
    /// of each of its threads.
    private static let limits = SystemCallVerdict.inspect(
        [SystemCallCase(tests: [ArgumentTest(index: 0, value: 0)], verdict: .allow)], otherwise: .fail(EPERM))

    /// Regular files, sockets and fifos; devices need a capability as well, which commands do not have.
    private static func nodes(modeAt index: UInt32) -> SystemCallVerdict {
        // The bits that S_IFCHR and S_IFBLK share and no other type has.
        let device = ArgumentTest(index: index, mask: 0xb000, value: 0x2000)
        return .inspect([SystemCallCase(tests: [device], verdict: .fail(EPERM))], otherwise: .allow)
    }
}
