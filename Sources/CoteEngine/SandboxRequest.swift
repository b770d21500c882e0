public import CoteModel

/// What a caller wants of a new sandbox.
public struct SandboxRequest: Hashable, Sendable {
    /// `host`, the machine's own `/usr`, is the only one there is.
    public var environment: String
    /// For people to call it by; checked as `SandboxName` is.
    public var name: String?
    /// Kept with the sandbox for `list` to choose by; no meaning to Cote.
    public var labels: [String: String]
    /// The name of a `SandboxClass`.
    public var sandboxClass: String
    /// What it may use at most. What is asked for here and cannot be held is refused.
    public var limits: Limits
    /// What holds where `limits` says nothing. Without root control groups hold nothing, and these do not apply.
    public var defaults: Limits
    /// Shows the machine's `/opt` in a `host` sandbox too.
    public var showsOpt: Bool

    /// Defaults: the machine's own `/usr`, class `container`, 2 GiB of memory and 1,024 processes where that can be
    /// held.
    public init(
        environment: String = "host", name: String? = nil, labels: [String: String] = [:],
        sandboxClass: String = SandboxClass.container.rawValue, limits: Limits = Limits(),
        defaults: Limits = .standard, showsOpt: Bool = false
    ) {
        self.environment = environment
        self.name = name
        self.labels = labels
        self.sandboxClass = sandboxClass
        self.limits = limits
        self.defaults = defaults
        self.showsOpt = showsOpt
    }
}

/// A sandbox as `list` and `show` see it.
public struct SandboxSummary: Hashable, Sendable, Codable {
    /// What it was created as.
    public var spec: SandboxSpec
    /// What it is now: true at the moment of asking.
    public var state: SandboxState
}
