import CLinux
import Glibc

extension UserNamespace {
    /// Makes this process the root of `namespace` and nobody outside, with all capabilities in it and none elsewhere.
    /// Call while there is one thread.
    public static func enter(_ namespace: borrowing Descriptor) throws(SystemError) {
        let number = namespace.raw
        try check("setns") { cl_setns(number, Namespaces.user.rawValue) }
        try check("setresuid") { cl_become(0, 0) }
    }

    /// A new user namespace with this process in it, in which it is whom it was, and which knows nobody else. For a
    /// process without privileges. Call while there is one thread.
    public static func enterOwn() throws(SystemError) {
        let (user, group) = (geteuid(), getegid())
        try Namespaces.leave([.user])
        try Files.overwrite("/proc/self/setgroups", "deny")
        try Files.overwrite("/proc/self/uid_map", "\(user) \(user) 1")
        try Files.overwrite("/proc/self/gid_map", "\(group) \(group) 1")
    }
}

/// What a process sees of the machine: the kernel's `CLONE_NEW…` flags.
public struct Namespaces: OptionSet, Sendable {
    /// As the kernel has them.
    public let rawValue: CInt
    /// As the kernel has them.
    public init(rawValue: CInt) { self.rawValue = rawValue }

    /// Mounts.
    public static let mounts = Namespaces(rawValue: 0x0002_0000)
    /// The machine's name.
    public static let hostname = Namespaces(rawValue: 0x0400_0000)
    /// Shared memory, semaphores and queues.
    public static let interprocess = Namespaces(rawValue: 0x0800_0000)
    /// Users and groups.
    public static let user = Namespaces(rawValue: 0x1000_0000)
    /// Networks.
    public static let network = Namespaces(rawValue: 0x4000_0000)

    /// This process gets new ones of its own.
    public static func leave(_ namespaces: Namespaces) throws(SystemError) {
        try check("unshare") { cl_unshare(namespaces.rawValue) }
    }
}
