import CLinux
import Glibc
import Synchronization

/// Watches a child become its program. Until it has, the child may be using memory that this keeps.
public final class ChildStart: Sendable {
    /// How far it is.
    public enum Outcome: Equatable, Sendable {
        case pending
        case running
        case failed(SpawnFailure)
    }

    /// Readable once there is an outcome.
    public let status: Descriptor
    private let pid: Int32
    private let state: Mutex<(side: ChildSide?, outcome: Outcome)>

    init(_ pid: Int32, status: consuming Descriptor, _ side: ChildSide) {
        self.pid = pid
        self.status = status
        state = Mutex((side, .pending))
    }

    /// A child that nobody waits for any more is ended, so that the memory it uses can go.
    deinit {
        if outcome() == .pending {
            // It has not ended, for that would end the pipe: the number is still its own.
            kill(pid, SIGKILL)
        }
        guard state.withLock({ $0.side != nil }) else { return }
        var rest: UInt64 = 0
        while read(status.raw, &rest, 8) > 0 || errno == EINTR { errno = 0 }
    }

    /// Waits until there is an outcome. Call from a thread that may block.
    public func wait() -> Outcome {
        var entry = pollfd(fd: status.raw, events: Int16(POLLIN), revents: 0)
        while true {
            let outcome = outcome()
            if outcome != .pending { return outcome }
            poll(&entry, 1, -1)
        }
    }

    /// The outcome, if there is one. The pipe ends without a byte when exec succeeded, and otherwise says the stage and
    /// the error as two 32-bit numbers.
    public func outcome() -> Outcome {
        state.withLock { state in
            guard state.outcome == .pending else { return state.outcome }
            var entry = pollfd(fd: status.raw, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 0) == 1 else { return .pending }
            var report: (Int32, Int32) = (0, 0)
            let count = withUnsafeMutableBytes(of: &report) { read(status.raw, $0.baseAddress, $0.count) }
            if count < 0 { return .pending }
            if count == 0 {
                state = (nil, .running)
            } else {
                let stage = SpawnFailure.Stage(rawValue: report.0) ?? .exec
                // It still has to exit, on its stack.
                state.outcome = .failed(SpawnFailure(stage: stage, code: report.1))
            }
            return state.outcome
        }
    }
}

/// Everything the child reads and writes before exec, and the stack it does so on. Stays where it is until freed.
final class ChildSide: @unchecked Sendable {
    // INVARIANT: written only here, before the child exists; afterwards only the child touches it.
    let request: UnsafeMutablePointer<cl_spawn>
    private let strings: [CStringVector]
    private let descriptors: UnsafeMutableBufferPointer<cl_descriptor>
    private let limits: UnsafeMutableBufferPointer<cl_limit>
    private let groups: UnsafeMutableBufferPointer<UInt32>
    private let stack: UnsafeMutableRawBufferPointer

    private static let stackSize = 32 << 10

    init(_ spawn: SpawnRequest, status: CInt) {
        let arguments = CStringVector(spawn.arguments)
        let environment = CStringVector(spawn.environment)
        let paths = CStringVector([spawn.path] + (spawn.directory.map { [$0] } ?? []))
        strings = [arguments, environment, paths]
        descriptors = Self.copy(
            spawn.descriptors.sorted { $0.key < $1.key }.map { cl_descriptor(source: $0.value, target: $0.key) })
        limits = Self.copy(spawn.limits.map { cl_limit(resource: $0.resource, soft: $0.soft, hard: $0.hard) })
        groups = Self.copy(spawn.credentials?.groups ?? [])
        stack = .allocate(byteCount: Self.stackSize, alignment: 16)
        request = .allocate(capacity: 1)
        var child = cl_spawn()
        child.path = UnsafePointer(paths.pointers[0])
        child.directory = spawn.directory == nil ? nil : UnsafePointer(paths.pointers[1])
        child.arguments = arguments.base
        child.environment = environment.base
        child.status = status
        child.stack = stack.baseAddress
        child.stack_size = stack.count
        request.initialize(to: child)
        setDescriptors(spawn)
        setPrivileges(spawn)
    }

    deinit {
        request.deallocate()
        descriptors.deallocate()
        limits.deallocate()
        groups.deallocate()
        stack.deallocate()
    }

    private func setDescriptors(_ spawn: SpawnRequest) {
        request.pointee.clone_flags = spawn.namespaces
        request.pointee.descriptors = UnsafePointer(descriptors.baseAddress)
        request.pointee.descriptor_count = descriptors.count
        request.pointee.keep_others = spawn.keepsOtherDescriptors ? 1 : 0
        request.pointee.new_session = spawn.newSession ? 1 : 0
        request.pointee.controlling_terminal = spawn.controllingTerminal ?? -1
        request.pointee.limits = UnsafePointer(limits.baseAddress)
        request.pointee.limit_count = limits.count
        request.pointee.parent_death_signal = spawn.parentDeathSignal
    }

    private func setPrivileges(_ spawn: SpawnRequest) {
        request.pointee.set_credentials = spawn.credentials == nil ? 0 : 1
        request.pointee.user = spawn.credentials?.user ?? 0
        request.pointee.group = spawn.credentials?.group ?? 0
        request.pointee.groups = UnsafePointer(groups.baseAddress)
        request.pointee.group_count = groups.count
        request.pointee.file_mode_mask = spawn.fileModeMask.map { CInt($0) } ?? -1
        request.pointee.drop_capabilities = spawn.dropCapabilities ? 1 : 0
        request.pointee.drop_bounding = spawn.dropCapabilities ? Processes.boundingSet : 0
        request.pointee.no_new_privileges = spawn.noNewPrivileges ? 1 : 0
    }

    private static func copy<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
        let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
        _ = buffer.initialize(from: elements)
        return buffer
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
