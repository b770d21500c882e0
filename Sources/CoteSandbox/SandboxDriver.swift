public import CoteModel
public import CoteSystem

/// An isolation implementation: starts the first process of a sandbox and says what it is.
///
/// A driver gets everything resolved: the root is assembled, the binaries are chosen, the channel is open.
public protocol SandboxDriver {
    /// Starts the sandbox and returns at once. `completion` is called from the loop, once: with the first process's pid
    /// in the keeper's PID namespace, or with why there is none (`start-failed` in the error's message).
    func start(_ plan: SandboxPlan, _ loop: KeeperLoop, completion: @escaping (Result<Int32, StartFailure>) -> Void)

    /// Removes what the runtime left outside the keeper's namespaces. The first process has been reaped.
    func cleanUp(_ plan: SandboxPlan)
}

/// The keeper's one thread, as a driver may use it.
public struct KeeperLoop {
    /// For descriptors and deadlines of the driver's own.
    public let events: EventLoop
    /// For the end of every child the driver starts.
    public let reaper: ChildReaper

    /// The same two that the keeper uses itself.
    public init(events: EventLoop, reaper: ChildReaper) {
        self.events = events
        self.reaper = reaper
    }
}

/// Why a sandbox could not be started; becomes `died (start-failed)`.
public struct StartFailure: Error, Sendable {
    /// One line, from the runtime where it said something.
    public let message: String

    /// One line.
    public init(_ message: String) { self.message = message }
}

/// One sandbox, resolved for a driver. Paths are those of the keeper's own root.
public struct SandboxPlan: Sendable {
    /// Whose sandbox it is.
    public var id: SandboxID
    /// What the sandbox calls itself.
    public var hostname: String
    /// For the runtime to enforce, but for lifetime and journal, which the keeper does.
    public var limits: Limits
    /// Host user and group id that is 0 inside; 65,536 ids follow.
    public var userBase: UInt32
    /// The runtime's program, verified.
    public var runtime: String
    /// The sandbox's assembled root directory.
    public var root: String
    /// An empty directory for the runtime's own files, gone with the keeper.
    public var scratch: String
    /// What the first process runs.
    public var arguments: [String]
    /// `KEY=VALUE` for the first process; commands inherit nothing of it.
    public var environment: [String]
    /// The agent's end of the channel.
    public var channel: CInt
    /// What the runtime's configuration is to hold.
    public var guards: GuardSet

    /// Every field as the keeper resolved it.
    public init(
        id: SandboxID, hostname: String, limits: Limits, userBase: UInt32, runtime: String, root: String,
        scratch: String, arguments: [String], environment: [String], channel: CInt, guards: GuardSet
    ) {
        self.id = id
        self.hostname = hostname
        self.limits = limits
        self.userBase = userBase
        self.runtime = runtime
        self.root = root
        self.scratch = scratch
        self.arguments = arguments
        self.environment = environment
        self.channel = channel
        self.guards = guards
    }
}
