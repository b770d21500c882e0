import CLinux
import Glibc

/// A program to start, with everything its child side does before exec. See `cl_spawn`.
public struct SpawnRequest: Sendable {
    /// What is executed; no search through `PATH`.
    public var path: String
    /// All of them, the program's name first.
    public var arguments: [String]
    /// All of it, `KEY=VALUE`.
    public var environment: [String]
    /// Where it starts; inherited where absent.
    public var directory: String?
    /// `CLONE_NEW…` flags.
    public var namespaces: UInt64 = 0
    /// The child's descriptors: number in the child → number here. All others are closed.
    public var descriptors: [CInt: CInt] = [:]
    /// Leaves descriptors that are not close-on-exec open in the child.
    public var keepsOtherDescriptors = false
    /// Set in order, before credentials change.
    public var limits: [ResourceLimit] = []
    /// Makes the child the leader of a session and process group of its own.
    public var newSession = false
    /// The child's descriptor that becomes its controlling terminal.
    public var controllingTerminal: CInt?
    /// This process's own where absent.
    public var credentials: Credentials?
    /// The umask; inherited where absent.
    public var fileModeMask: UInt32?
    /// Empties every capability set, the bounding set too.
    public var dropCapabilities = false
    /// As `Processes.setNoNewPrivileges`.
    public var noNewPrivileges = false
    /// The signal the kernel sends the child when the thread that started it ends.
    public var parentDeathSignal: CInt = 0

    /// A child that inherits everything but its environment and descriptors, unless more is said.
    public init(_ path: String, _ arguments: [String], environment: [String] = []) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
    }
}

/// Whom a command runs as, in numbers.
public struct Credentials: Equatable, Sendable {
    /// The user id.
    public var user: UInt32
    /// The first group id.
    public var group: UInt32
    /// All other groups; the child has no more than these.
    public var groups: [UInt32]

    /// Numbers as this process's user namespace has them.
    public init(user: UInt32, group: UInt32, groups: [UInt32] = []) {
        self.user = user
        self.group = group
        self.groups = groups
    }
}

/// One of the limits of `setrlimit`.
public struct ResourceLimit: Equatable, Sendable {
    /// The kernel's number, `RLIMIT_…`.
    public var resource: CInt
    /// What is enforced.
    public var soft: UInt64
    /// What the child may raise it to.
    public var hard: UInt64

    /// The kernel refuses a soft limit above the hard one, and a hard one above this process's own.
    public init(resource: CInt, soft: UInt64, hard: UInt64) {
        self.resource = resource
        self.soft = soft
        self.hard = hard
    }
}

/// A child that has been started. Not waited for when its owner goes.
public struct ChildProcess: ~Copyable, Sendable {
    /// In this process's PID namespace; free for reuse once it has been waited for.
    public let pid: Int32
    /// Becomes readable when the process ends.
    public let pidfd: Descriptor

    /// Takes over a child that was started by other means.
    public init(pid: Int32, pidfd: consuming Descriptor) {
        self.pid = pid
        self.pidfd = pidfd
    }

    /// For a caller that waits by the descriptor alone.
    public consuming func takePidfd() -> Descriptor { pidfd }

    /// Reaches this very process or, once it has ended, none.
    public func signal(_ number: CInt) { _ = cl_pidfd_send_signal(pidfd.raw, number) }

    /// Waits for the end. Call from a thread that may block.
    public func wait() throws(SystemError) -> ExitStatus {
        var status: CInt = 0
        let pid = self.pid
        try check("waitpid") { cl_wait(pid, &status, 0) }
        return ExitStatus(waitStatus: status)
    }
}

/// How a process ended.
public enum ExitStatus: Equatable, Hashable, Sendable {
    case exited(CInt)
    case signaled(CInt)

    /// Reads what `waitpid` gave.
    public init(waitStatus: CInt) {
        var signal: CInt = 0
        let code = cl_wait_status(waitStatus, &signal)
        self = signal == 0 ? .exited(code) : .signaled(signal)
    }
}

/// Why a spawned child never became the program it should be.
public struct SpawnFailure: Error, Equatable, Sendable {
    /// The child's step, as `cl_stage` numbers it.
    public enum Stage: Int32, Sendable {
        case clone = 1
        case session, descriptors, limits, credentials, privileges, directory, exec
    }

    /// The step that failed.
    public let stage: Stage
    /// The value of `errno` there.
    public let code: CInt

    /// As the child reported it, or the call that was to make it.
    public init(stage: Stage, code: CInt) {
        self.stage = stage
        self.code = code
    }
}

/// A child between clone and exec.
public struct PendingChild: ~Copyable, Sendable {
    /// Running, but perhaps not yet the program.
    public let process: ChildProcess
    /// Tells when it is.
    public let start: ChildStart

    /// Waits for exec. On failure the child has been reaped.
    public consuming func started() throws(SpawnFailure) -> ChildProcess {
        if case .failed(let failure) = start.wait() {
            _ = try? process.wait()
            throw failure
        }
        return process
    }
}

extension SpawnRequest {
    /// Starts the program and returns without waiting for its exec.
    public func start() throws(SpawnFailure) -> PendingChild {
        var pipe: DescriptorPair
        do { pipe = try Descriptor.pipe() } catch { throw SpawnFailure(stage: .clone, code: error.code) }
        let writer = pipe.takeSecond()
        let side = ChildSide(self, status: writer.raw)
        var pidfd: CInt = -1
        let pid = cl_spawn(side.request, &pidfd)
        guard pid > 0 else { throw SpawnFailure(stage: .clone, code: errno) }
        return PendingChild(
            process: ChildProcess(pid: pid, pidfd: Descriptor(owning: pidfd)),
            start: ChildStart(pid, status: pipe.takeFirst(), side))
    }

    /// Starts the program and waits until it runs.
    public func run() throws(SpawnFailure) -> ChildProcess { try start().started() }
}
