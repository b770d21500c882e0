import CoteModel
import CoteSandbox
import CoteSystem
import Glibc

/// Whether this host's control groups can hold a sandbox to its limits.
enum HostLimits {
    /// Sees to it that they can.
    /// - Throws: `limitUnsupported` where a controller is missing that `limits` need, or is not to be had.
    static func prepare(_ limits: Limits) throws(CoteError) {
        let missing = Cgroup.missingControllers().filter { isNeeded($0, limits) }.map(\.rawValue)
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
