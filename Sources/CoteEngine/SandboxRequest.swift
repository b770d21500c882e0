public import CoteModel

/// What a caller wants of a new sandbox.
public struct SandboxRequest: Hashable, Sendable {
    public var environment: String
    public var name: String?
    public var labels: [String: String]
    public var sandboxClass: String
    public var limits: Limits
    /// Shows the machine's `/opt` in a `host` sandbox too.
    public var showsOpt: Bool

    public init(
        environment: String = "host", name: String? = nil, labels: [String: String] = [:],
        sandboxClass: String = SandboxClass.container.rawValue, limits: Limits = Limits(), showsOpt: Bool = false
    ) {
        self.environment = environment
        self.name = name
        self.labels = labels
        self.sandboxClass = sandboxClass
        self.limits = limits
        self.showsOpt = showsOpt
    }
}

/// A sandbox as `list` and `show` see it.
public struct SandboxSummary: Hashable, Sendable, Codable {
    public var spec: SandboxSpec
    public var state: SandboxState
}
