import CLinux
import Glibc

/// Calls about this process and its children.
public enum Processes {
    private static let dumpable: CInt = 4  // PR_SET_DUMPABLE
    private static let dropBounding: CInt = 24  // PR_CAPBSET_DROP
    private static let ambient: CInt = 47  // PR_CAP_AMBIENT
    private static let clearAll: UInt = 4  // PR_CAP_AMBIENT_CLEAR_ALL
    private static let noNewPrivileges: CInt = 38  // PR_SET_NO_NEW_PRIVS

    /// The kernel kills this process when the thread that started it ends. A change of user takes that back.
    public static func endWithParent() { _ = cl_prctl(setParentDeathSignal, UInt(SIGKILL), 0, 0, 0) }

    private static let setParentDeathSignal: CInt = 1  // PR_SET_PDEATHSIG

    /// Takes this process's memory and `/proc` files from other processes of its user.
    public static func setUndumpable() throws(SystemError) { try set(dumpable, 0) }

    /// From here on no program that this process or a child starts gains privileges; there is no way back.
    public static func setNoNewPrivileges() throws(SystemError) { try set(noNewPrivileges, 1) }

    private static func set(_ option: CInt, _ value: UInt) throws(SystemError) {
        try check("prctl") { cl_prctl(option, value, 0, 0, 0) }
    }

    /// Gives every signal its standard action, whatever started this program with. For programs that start others.
    public static func resetSignals() { cl_reset_signals() }

    /// Empties every capability set of this process, the bounding set too.
    public static func dropCapabilities() throws(SystemError) {
        dropBoundingSet()
        try check("capset") { cl_capabilities_clear() }
    }

    /// From here on no program that this process or a child starts gains a capability; this process keeps its own.
    public static func dropBoundingSet() {
        for capability in UInt(0)..<64 {
            // Numbers that this kernel does not know are refused, and are not held either.
            _ = cl_prctl(dropBounding, capability, 0, 0, 0)
        }
        _ = cl_prctl(ambient, clearAll, 0, 0, 0)
    }

    /// Keeps exactly `capabilities` (bit = the kernel's number) and lets no program started gain others.
    public static func keepCapabilities(_ capabilities: UInt64) throws(SystemError) {
        for capability in UInt(0)..<64 where capabilities & (1 << capability) == 0 {
            _ = cl_prctl(dropBounding, capability, 0, 0, 0)
        }
        _ = cl_prctl(ambient, clearAll, 0, 0, 0)
        try check("capset") { cl_capabilities_keep(capabilities) }
    }

    /// Closes all descriptors of this process but 0, 1, 2 and `kept`.
    public static func closeDescriptors(except kept: [CInt]) throws(SystemError) {
        var next: CInt = 3
        for descriptor in Set(kept).sorted() + [.max] where descriptor >= next {
            let (first, last) = (UInt32(next), UInt32(descriptor) - 1)
            if first <= last { try check("close_range") { cl_close_range(first, last) } }
            next = descriptor == .max ? descriptor : descriptor + 1
        }
    }

    /// Limits this process and those it starts, for good.
    public static func limit(_ resource: CommandResource, to most: UInt64) throws(SystemError) {
        let most = min(most, limit(of: resource).hard)
        var new = rlimit(rlim_cur: rlim_t(most), rlim_max: rlim_t(most))
        try check("setrlimit") { setrlimit(resource.rawValue, &new) }
    }

    /// Collects one child that has ended, if there is one.
    /// - Parameter waiting: waits for one to end as long as there are any.
    public static func reapAny(waiting: Bool = false) -> (pid: Int32, status: ExitStatus)? {
        var status: CInt = 0
        let pid = cl_wait(-1, &status, waiting ? 0 : WNOHANG)
        return pid > 0 ? (pid, ExitStatus(waitStatus: status)) : nil
    }

    /// Sends a signal to a whole process group; false where there is none: it is gone, or not made yet.
    @discardableResult
    public static func signalGroup(_ leader: Int32, _ signal: CInt) -> Bool { kill(-leader, signal) == 0 }

    /// A descriptor for a process that need not be a child, readable once it has ended.
    public static func open(_ pid: Int32) throws(SystemError) -> Descriptor {
        Descriptor(owning: try check("pidfd_open") { cl_pidfd_open(pid) })
    }

    /// This process's own limits of `resource`.
    public static func limit(of resource: CommandResource) -> ResourceLimit {
        var limit = rlimit()
        getrlimit(resource.rawValue, &limit)
        return ResourceLimit(
            resource: resource.rawValue, soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
    }

    /// Lets this process hold `wanted` descriptors, or as many as its hard limit allows; never fewer than before.
    public static func raiseDescriptorLimit(to wanted: UInt64) {
        let now = limit(of: .nofile)
        guard now.soft < min(wanted, now.hard) else { return }
        var raised = rlimit(rlim_cur: rlim_t(min(wanted, now.hard)), rlim_max: rlim_t(now.hard))
        setrlimit(now.resource, &raised)
    }
}

/// A limit of `setrlimit`, by the kernel's number.
public enum CommandResource: CInt, Sendable {
    case cpu = 0
    case fsize, data, stack, core
    case nproc = 6
    case nofile = 7
    case addressSpace = 9
}

extension Processes {
    /// When a process started, in clock ticks since boot; `nil` when it is gone. `process` is a pid or `self`.
    public static func startTime(of process: String) -> UInt64? {
        guard let text = try? Files.readText("/proc/\(process)/stat", limit: 4096) else { return nil }
        // The second field is a name in parentheses that may hold anything, so count from the last one.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}

extension Processes {
    /// Collects `pid` if it is a child that has ended.
    public static func reap(_ pid: Int32) {
        var status: CInt = 0
        _ = cl_wait(pid, &status, WNOHANG)
    }
}
