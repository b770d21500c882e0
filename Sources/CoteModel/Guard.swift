/// One thing that keeps hostile code in its box. The shipped programs hold all of them; the security suite starts
/// programs of its own that leave one out, to show that each attempt it makes fails because of that guard.
public enum Guard: String, Sendable, CaseIterable {
    // Held by the keeper through the runtime's configuration.
    case userNamespace = "user-namespace"
    case pidNamespace = "pid-namespace"
    case networkNamespace = "network-namespace"
    case ipcNamespace = "ipc-namespace"
    case hostnameNamespace = "hostname-namespace"
    case readOnlyRoot = "read-only-root"
    case maskedPaths = "masked-paths"
    case readOnlyKernel = "read-only-kernel"
    case minimalDevices = "minimal-devices"
    case privateTemporary = "private-temporary"
    case noSetuidFiles = "no-setuid-files"
    case memoryLimit = "memory-limit"
    case processLimit = "process-limit"
    case agentCapabilities = "agent-capabilities"

    // Held by the agent.
    case systemCallFilter = "system-call-filter"
    case undumpable
    case commandCapabilities = "command-capabilities"
    case noNewPrivileges = "no-new-privileges"
    case closedDescriptors = "closed-descriptors"
    case commandOOMScore = "command-oom-score"
    case ownSession = "own-session"
    case endsWithChannel = "ends-with-channel"
}

/// The guards that a program holds.
public struct GuardSet: Sendable {
    private let left: Set<Guard>

    /// What the shipped programs hold.
    public static let all = GuardSet(without: [])

    /// All guards but these. Only the security suite's own programs call this.
    public init(without left: Set<Guard>) { self.left = left }

    /// Whether the program is to keep this guard up.
    public func holds(_ one: Guard) -> Bool { !left.contains(one) }
}
