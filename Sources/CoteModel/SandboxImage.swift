/// The image that a sandbox's root is made of, and what it says of commands.
public struct SandboxImage: Hashable, Sendable, Codable {
    /// Of the image's manifest; names the environment.
    public var digest: Digest
    /// What the image runs where the caller names no command; empty where it says nothing.
    public var arguments: [String]
    /// Variables of every command, below the caller's own.
    public var environment: [String: String]
    /// Where commands start; `nil` where the image leaves it open.
    public var directory: String?
    /// Whom commands run as, as `Command.user` has it; `nil` for root.
    public var user: String?
    /// Directories, besides those of every sandbox, that commands may write to: absolute, without `.` and `..`.
    public var volumes: [String]

    /// An image that says nothing beyond its digest, unless more is given.
    public init(
        digest: Digest, arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
        user: String? = nil, volumes: [String] = []
    ) {
        self.digest = digest
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.user = user
        self.volumes = volumes
    }

    /// A command with what the image says of all commands, where the caller says nothing.
    public func completing(_ command: Command) -> Command {
        var command = command
        if command.arguments.isEmpty { command.arguments = arguments }
        command.environment.merge(environment) { own, _ in own }
        command.directory = command.directory ?? directory
        command.user = command.user ?? user
        return command
    }
}

/// What a keeper makes a sandbox's root of. Paths are those of the host.
public enum RootSource: Hashable, Sendable {
    /// The machine's own `/usr`.
    case host
    /// An erofs image on a block device, whose owners begin with 0.
    case device(String)
    /// A directory, whose owners begin with `userBase`.
    case directory(String, userBase: UInt32)

    /// Where it is, for a directory.
    public var directory: String? {
        if case .directory(let path, _) = self { path } else { nil }
    }
}
