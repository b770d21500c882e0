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
    /// What the child has as descriptors 0, 1, 2 and on, by their numbers here. All others are closed.
    public var descriptors: [CInt] = []
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
    /// −1000 to 1000, as `/proc/self/oom_score_adj` takes it; inherited where absent.
    public var oomScore: CInt?
    /// An open directory, a `/proc`, through which the score is written; the one at its place where absent.
    public var processes: CInt?
    /// Keeps the memory that the child shares with this process untraceable when the child changes its user.
    public var undumpable = false
    /// Empties every capability set but the bounding set; for that see `Processes.dropBoundingSet`.
    public var dropCapabilities = false
    /// The v2 control group, an open directory, that the child is born into.
    public var controlGroup: CInt?
    /// The `tasks` files, open for writing, of the v1 control groups that the child enters.
    public var taskLists: [CInt] = []
    /// Whether this process may have handlers for signals, which the child must not run.
    public var catchesSignals = true
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

/// The pid of a child, known before it has become its program: 0 until then.
public final class EarlyPid: @unchecked Sendable {
    // INVARIANT: written by the kernel once, in one store, and read only.
    fileprivate let pointer = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

    /// Of a child that has not been started.
    public init() { pointer.initialize(to: 0) }

    deinit { pointer.deallocate() }

    /// 0 as long as there is no child.
    public var value: Int32 { pointer.pointee }
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
        case session, descriptors, limits, credentials, directory, exec
    }

    /// The step that failed.
    public let stage: Stage
    /// The value of `errno` there.
    public let code: CInt

    /// What the child left behind, if it failed.
    fileprivate init?(_ failure: cl_failure) {
        guard failure.stage != 0 else { return nil }
        self.init(stage: Stage(rawValue: failure.stage) ?? .exec, code: failure.error)
    }

    /// As the child reported it, or the call that was to make it.
    public init(stage: Stage, code: CInt) {
        self.stage = stage
        self.code = code
    }
}

extension SpawnRequest {
    /// Starts the program and waits until it runs. On failure the child has been collected.
    public func run() throws(SpawnFailure) -> ChildProcess {
        var pidfd: CInt = -1
        var failure = cl_failure()
        let pid = withChildSide { cl_spawn($0, &failure, &pidfd, nil) }
        guard pid > 0 else { throw SpawnFailure(stage: .clone, code: errno) }
        let child = ChildProcess(pid: pid, pidfd: Descriptor(owning: pidfd))
        if let failure = SpawnFailure(failure) {
            _ = try? child.wait()
            throw failure
        }
        return child
    }

    /// The same for whoever collects all children by their pid, that of one that failed too.
    /// - Parameter pid: set before the child does anything, for other threads to see.
    public func run(_ pid: EarlyPid) throws(SpawnFailure) {
        var failure = cl_failure()
        let result = withChildSide { cl_spawn($0, &failure, nil, pid.pointer) }
        guard result > 0 else { throw SpawnFailure(stage: .clone, code: errno) }
        if let failure = SpawnFailure(failure) { throw failure }
    }

    private func withChildSide<Result>(_ body: (UnsafePointer<cl_spawn>) -> Result) -> Result {
        let argumentVector = CStringVector(arguments)
        let environmentVector = CStringVector(environment)
        let limits = limits.map { cl_limit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
        let groups = credentials?.groups ?? []
        let directory = directory.map { CStringVector([$0]) }
        let path = CStringVector([path])
        return descriptors.withUnsafeBufferPointer { descriptors in
            limits.withUnsafeBufferPointer { limits in
                groups.withUnsafeBufferPointer { groups in
                    taskLists.withUnsafeBufferPointer { taskLists in
                        var request = cl_spawn()
                        request.path = UnsafePointer(path.pointers[0])
                        request.arguments = argumentVector.base
                        request.environment = environmentVector.base
                        request.directory = directory.flatMap { UnsafePointer($0.pointers[0]) }
                        request.clone_flags = namespaces
                        request.descriptors = descriptors.baseAddress
                        request.descriptor_count = descriptors.count
                        request.limits = limits.baseAddress
                        request.limit_count = limits.count
                        request.keep_others = keepsOtherDescriptors ? 1 : 0
                        request.new_session = newSession ? 1 : 0
                        request.controlling_terminal = controllingTerminal ?? -1
                        request.set_credentials = credentials == nil ? 0 : 1
                        request.user = credentials?.user ?? 0
                        request.group = credentials?.group ?? 0
                        request.groups = groups.baseAddress
                        request.group_count = groups.count
                        request.file_mode_mask = fileModeMask.map { CInt($0) } ?? -1
                        request.oom_score = oomScore ?? CInt.min
                        request.processes = processes ?? -1
                        request.drop_capabilities = dropCapabilities ? 1 : 0
                        request.parent_death_signal = parentDeathSignal
                        request.control_group = controlGroup ?? -1
                        request.task_lists = taskLists.baseAddress
                        request.task_list_count = taskLists.count
                        request.undumpable = undumpable ? 1 : 0
                        request.no_handlers = catchesSignals ? 0 : 1
                        return withExtendedLifetime((argumentVector, environmentVector, directory, path)) {
                            withUnsafePointer(to: request, body)
                        }
                    }
                }
            }
        }
    }
}

/// C strings in a null-terminated array, alive as long as this is.
private final class CStringVector {
    let pointers: UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>

    init(_ strings: [String]) {
        pointers = .allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() { pointers.initializeElement(at: index, to: strdup(string)) }
        pointers.initializeElement(at: strings.count, to: nil)
    }

    var base: UnsafePointer<UnsafeMutablePointer<CChar>?>? { UnsafePointer(pointers.baseAddress) }

    deinit {
        for pointer in pointers { free(pointer) }
        pointers.deallocate()
    }
}
