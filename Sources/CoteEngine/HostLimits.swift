import CoteModel
import CoteSandbox
import CoteSystem
import Glibc

/// Whether this host's control groups can hold a sandbox to its limits.
enum HostLimits {
    /// What a new sandbox is held to. Root's sandboxes have the defaults, and none where they cannot be held; without
    /// root there are none to be had, and only what is asked for is refused.
    static func resolved(_ request: SandboxRequest) -> Limits {
        var defaults = request.defaults
        if Cgroup.layout() == .foreign { defaults = Limits(lifetime: defaults.lifetime) }
        return request.limits.completed(by: defaults)
    }

    /// Sees to it that they can.
    /// - Throws: `limitUnsupported` where a controller is missing that `limits` need, or is not to be had.
    static func prepare(_ limits: Limits) throws(CoteError) {
        let missing = Cgroup.missingControllers().filter { isNeeded($0, limits) }.map(\.rawValue)
        guard missing.isEmpty || Cgroup.layout() != .foreign else {
            throw CoteError(
                .limitUnsupported,
                "without root there is no limit of \(missing.joined(separator: ", "))",
                hint: "leave it out, or run cote as root")
        }
        guard missing.isEmpty else {
            throw CoteError(
                .limitUnsupported, "the control groups here do not limit \(missing.joined(separator: ", "))",
                hint: "cote doctor says more")
        }
        do { try Cgroup.handDownControllers() } catch {
            if error.code == EACCES { throw Store.translated("cannot change control groups", error) }
            throw CoteError(
                .limitUnsupported, "no limits below \(Cgroup.mountPoint): \(error.reason)",
                hint: error.code == EBUSY ? "move the processes in its cgroup.procs to a group of their own" : nil)
        }
    }

    private static func isNeeded(_ controller: CgroupController, _ limits: Limits) -> Bool {
        switch controller {
        case .cpu: limits.milliCPUs != nil
        case .memory: limits.memory != nil
        case .pids: limits.processes != nil
        }
    }
}
