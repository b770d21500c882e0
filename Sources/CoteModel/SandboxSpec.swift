/// What a sandbox is to be, resolved: stored before any effect, and enough to start it again.
public struct SandboxSpec: Hashable, Sendable, Codable {
    /// Names its directories and its control group.
    public var id: SandboxID
    /// What a person calls it, if anything.
    public var name: SandboxName?
    /// Whatever the creator wants to find it by.
    public var labels: [String: String]
    /// The environment's name as it was given; `host` is the machine's own.
    public var environment: String
    /// What its root is made of; `nil` for the machine's own `/usr`.
    public var image: SandboxImage?
    /// How it is isolated.
    public var sandboxClass: SandboxClass
    /// What it may use at most.
    public var limits: Limits
    /// How what it writes is kept.
    public var volume: VolumeKind
    /// First of the 65,536 host user ids that are this sandbox's own.
    public var userBase: UInt32
    /// Gone, with its volume, when its one command has ended or its client has.
    public var isOneShot: Bool
    /// Whether `host` also shows the machine's `/opt`.
    public var showsOpt: Bool
    /// Nanoseconds since 1970.
    public var createdAt: UInt64

    /// Every field as it is to be stored; nothing is checked.
    public init(
        id: SandboxID, name: SandboxName? = nil, labels: [String: String] = [:], environment: String,
        image: SandboxImage? = nil, sandboxClass: SandboxClass, limits: Limits, volume: VolumeKind = .directory,
        userBase: UInt32, isOneShot: Bool,
        showsOpt: Bool = false,
        createdAt: UInt64
    ) {
        self.id = id
        self.name = name
        self.labels = labels
        self.environment = environment
        self.image = image
        self.sandboxClass = sandboxClass
        self.limits = limits
        self.volume = volume
        self.userBase = userBase
        self.isOneShot = isOneShot
        self.showsOpt = showsOpt
        self.createdAt = createdAt
    }

    /// How many user and group ids a sandbox has.
    public static let userCount: UInt32 = 65_536
    /// The last of them, which no command runs as: what belongs to it is the agent's alone.
    public static let reservedUser: UInt32 = userCount - 1
}

/// A named isolation implementation.
public enum SandboxClass: String, Sendable, Codable, CaseIterable {
    /// Linux namespaces, through an OCI runtime.
    case container
}
