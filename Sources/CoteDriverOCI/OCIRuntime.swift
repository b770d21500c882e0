/// A program that speaks the OCI runtime interface, as far as the driver knows its ways.
public enum OCIRuntime: String, Sendable, CaseIterable {
    // In the order in which they are preferred: crun starts a sandbox in a quarter of the time.
    case crun
    case runc

    /// The one that a path names by its last part; `nil` where the driver does not know it.
    public init?(program path: String) {
        guard let name = path.split(separator: "/").last else { return nil }
        self.init(rawValue: String(name))
    }

    /// What comes before the verb to have it leave the control groups alone, which are the keeper's.
    ///
    /// runc has no word for that. As long as it is asked for neither a group nor a limit, it goes on where it cannot
    /// make one if it believes to be without privilege; and the keeper shows it all control groups read-only.
    var leavesControlGroups: String {
        switch self {
        case .crun: "--cgroup-manager=disabled"
        case .runc: "--rootless=true"
        }
    }
}
