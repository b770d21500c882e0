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
    public let events: EventLoop
    public let reaper: ChildReaper

    public init(events: EventLoop, reaper: ChildReaper) {
        self.events = events
        self.reaper = reaper
    }
}

/// Why a sandbox could not be started; becomes `died (start-failed)`.
public struct StartFailure: Error, Sendable {
    /// One line, from the runtime where it said something.
    public let message: String

    public init(_ message: String) { self.message = message }
}

/// One sandbox, resolved for a driver. Paths are those of the keeper's own root.
public struct SandboxPlan: Sendable {
    public var id: SandboxID
    public var hostname: String
    public var limits: Limits
    public var userBase: UInt32
    /// The runtime's program, verified.
    public var runtime: String
    /// The sandbox's assembled root directory.
    public var root: String
    /// An empty directory for the runtime's own files, gone with the keeper.
    public var scratch: String
    /// What the first process runs.
    public var arguments: [String]
    public var environment: [String]
    /// The agent's end of the channel.
    public var channel: CInt
    public var guards: GuardSet

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
