public import CoteSystem
import Glibc

/// What a control group can limit, by the kernel's name for it.
public enum CgroupController: String, Sendable, CaseIterable {
    case cpu
    case memory
    case pids
}

extension Cgroup {
    /// What groups at `base` cannot limit: the kernel does not, or whoever handed this tree down keeps it.
    public static func missingControllers(at base: String = mountPoint) -> [CgroupController] {
        switch layout(at: base) {
        case .absent, .foreign: CgroupController.allCases
        case .legacy, .hybrid: CgroupController.allCases.filter { !Files.exists("\(base)/\($0.rawValue)") }
        case .unified: lacking("cgroup.controllers", base)
        }
    }

    /// Lets groups at `base` have limits. With v2 a controller works in a group only when the one above hands it down,
    /// and there is nobody to see to that where systemd does not run; with v1 there is nothing to do.
    ///
    /// Except at the root of all, a group that hands memory down has no processes of its own. Where it has some, in a
    /// container with a tree of its own, they are moved into a group `init` beside the sandboxes'.
    /// - Throws: what the kernel says when it will not.
    public static func handDownControllers(at base: String = mountPoint) throws(SystemError) {
        guard layout(at: base) == .unified else { return }
        let file = "cgroup.subtree_control"
        let missing = lacking("cgroup.controllers", base)
        let wanted = lacking(file, base).filter { !missing.contains($0) }
        guard !wanted.isEmpty else { return }
        // All at once: processor time and processes alone it would hand down, and then never memory.
        let text = wanted.map { "+\($0.rawValue)" }.joined(separator: " ")
        for _ in 0..<8 {
            do { return try Files.overwrite("\(base)/\(file)", text) } catch {
                guard error.code == EBUSY else { throw error }
            }
            // A process that was born meanwhile is moved the next time.
            try moveProcesses(base)
        }
        try Files.overwrite("\(base)/\(file)", text)
    }

    private static func lacking(_ file: String, _ base: String) -> [CgroupController] {
        let text = (try? Files.readText("\(base)/\(file)")) ?? ""
        let names = text.split { $0 == " " || $0 == "\n" }
        return CgroupController.allCases.filter { !names.contains(Substring($0.rawValue)) }
    }

    private static func moveProcesses(_ base: String) throws(SystemError) {
        let place = base + "/init"
        do { try Files.makeDirectory(place, mode: 0o755) } catch {
            guard error.code == EEXIST else { throw error }
        }
        // 0 stands for one that this process cannot see.
        for pid in try Files.readText(base + "/cgroup.procs").split(separator: "\n") where pid != "0" {
            try? Files.overwrite(place + "/cgroup.procs", String(pid))
        }
    }
}
