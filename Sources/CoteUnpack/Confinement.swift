package import CoteSystem
import CoteWorker
import Glibc

/// What the worker gives up before it reads anything that a stranger wrote.
package struct Confinement {
    /// One thing given up. The shipped program holds all; the tests' own leave one out, to show what it holds.
    package enum Guard: String, CaseIterable, Sendable {
        case descriptors, namespaces, root, user, limits, capabilities
        case noNewPrivileges = "no-new-privileges"
        case calls
    }

    /// The id outside that becomes this process's root; `nil` leaves it whom it is.
    package var userBase: UInt32?
    /// What stays open besides 0, 1 and 2.
    package var descriptors: [CInt]
    /// What can still be named; nothing at all where empty. Where it is not, this process may start a program, which
    /// then has the same limits.
    var shown: [Shown] = []
    /// Left out by tests alone.
    package var without: Set<Guard> = []

    package init(userBase: UInt32?, descriptors: [CInt]) {
        self.userBase = userBase
        self.descriptors = descriptors
    }

    /// Ids of a sandbox.
    private static let userCount: UInt32 = 65_536
    private static let mostDescriptors: UInt64 = 4096
    /// Names of the layer at hand, windows of decoders, stacks.
    private static let addressSpace: UInt64 = 4 << 30
    /// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP: what restoring files takes.
    private static let capabilities: UInt64 = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 31

    /// Call while there is one thread.
    /// - Throws: the step that failed; the process must not go on then.
    package func apply() throws(SystemError) {
        if holds(.descriptors) { try Processes.closeDescriptors(except: descriptors) }
        if userBase == nil, geteuid() != 0 { try UserNamespace.enterOwn() }
        let users = try userBase.map { base throws(SystemError) in
            SharedDescriptor(try UserNamespace.make(base: base, count: Self.userCount))
        }
        try leaveNamespaces()
        if holds(.root) { try changeRoot() }
        if holds(.user), let users { try UserNamespace.enter(users.descriptor) }
        WorkerChannel.endWithParent()
        try giveUpPower()
    }

    private func holds(_ one: Guard) -> Bool { !without.contains(one) }

    private func leaveNamespaces() throws(SystemError) {
        // Of its own mounts the process needs a namespace in any case, to change its root.
        let others: Namespaces = holds(.namespaces) ? [.network, .interprocess, .hostname] : []
        try Namespaces.leave(others.union(.mounts))
        try Mounts.makePrivate()
    }

    /// Nothing of the host but what is shown can be named any more.
    private func changeRoot() throws(SystemError) {
        let place = "/tmp"
        // While their names are not covered.
        var sources: [SharedDescriptor] = []
        for one in shown { sources.append(SharedDescriptor(try one.open())) }
        try Mounts.mountNew(
            "tmpfs", at: place, options: "size=1m,nr_inodes=64,mode=755", flags: [.noSetuid, .noDevices])
        for (one, source) in zip(shown, sources) { try one.mount(source.descriptor, below: place) }
        try Mounts.changeRoot(to: place)
        try Mounts.makeReadOnly("/")
    }

    private func giveUpPower() throws(SystemError) {
        if holds(.limits) {
            try Processes.limit(.core, to: 0)
            try Processes.limit(.nofile, to: Self.mostDescriptors)
            try Processes.limit(.addressSpace, to: Self.addressSpace)
        }
        if holds(.capabilities) { try Processes.keepCapabilities(Self.capabilities) }
        if holds(.noNewPrivileges) { try Processes.setNoNewPrivileges() }
        if holds(.calls) { try (shown.isEmpty ? WorkerCalls.alone : WorkerCalls.withPrograms).install() }
    }
}
