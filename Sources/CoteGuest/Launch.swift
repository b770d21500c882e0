import CoteModel
import CoteSystem
import CoteWire
import Glibc

/// A request on its way to becoming a process: resolved, forked, and watched until exec succeeded or failed.
/// The agent never waits for exec: a hostile neighbour may stop the child in between.
final class Launch {
    enum Outcome {
        case pending
        case running
        case failed(CoteError)
    }

    let pid: Int32
    let timeout: TimeSpan?
    let terminal: Terminal?
    private let command: Command
    private let status: Descriptor
    private var outputs: [(Frame.Kind, SharedDescriptor)]
    private var input: SharedDescriptor?
    private var result: Outcome = .pending

    init(_ request: OpenRequest, agent: Agent) throws(CoteError) {
        command = Self.command(for: request)
        timeout = command.timeout
        var spawn = try CommandPlan(command, descriptors: agent.inheritedDescriptors, guards: agent.guards).spawn
        do throws(SystemError) {
            let streams = try CommandDescriptors(command, nothing: agent.nothing)
            spawn.descriptors = streams.child
            spawn.controllingTerminal = command.terminal == nil ? nil : 0
            outputs = streams.outputs
            input = streams.input
            terminal = streams.terminal
            let child = try Self.start(spawn)
            pid = child.process.pid
            status = child.takeStatus()
            streams.closeChildSide()
        } catch {
            throw CoteError(.limitReached, "cannot start a command: \(error)")
        }
    }

    private static func start(_ spawn: SpawnRequest) throws(SystemError) -> PendingChild {
        do { return try spawn.start() } catch { throw SystemError("clone", code: error.code) }
    }

    /// A transfer is the agent's own program, run like any command: no capability, the same filter.
    private static func command(for request: OpenRequest) -> Command {
        switch request {
        case .command(let command): return command
        case .transfer(let transfer):
            let arguments = ["/.cote/agent"] + FileVerbs.arguments(transfer)
            return Command(arguments, directory: "/", takesInput: true)
        }
    }

    func takeOutputs() -> [(Frame.Kind, SharedDescriptor)] {
        defer { outputs = [] }
        return outputs
    }

    func takeInput() -> SharedDescriptor? {
        defer { input = nil }
        return input
    }

    func watch(on loop: EventLoop, _ action: @escaping () -> Void) throws(SystemError) {
        try status.setNonblocking()
        try loop.add(status, .read) { _ in action() }
    }

    func unwatch(on loop: EventLoop) { loop.remove(status) }

    /// Reads what the child said, if it has said it.
    func outcome() -> Outcome {
        guard case .pending = result else { return result }
        var report: (Int32, Int32) = (0, 0)
        let outcome = withUnsafeMutableBytes(of: &report) { try? status.read(into: $0) }
        switch outcome {
        case .wouldBlock: return .pending
        case .bytes(8): result = .failed(Self.error(report.0, report.1, command))
        default: result = .running
        }
        return result
    }

    private static func error(_ stage: Int32, _ code: CInt, _ command: Command) -> CoteError {
        let program = command.arguments[0]
        let reason = SystemError("exec", code: code).reason
        switch SpawnFailure.Stage(rawValue: stage) {
        case .exec where code == ENOENT || code == ENOTDIR:
            return CoteError(.commandNotFound, "\(program): not found, or the interpreter it names is not")
        case .exec where code == E2BIG:
            return CoteError(.requestTooLarge, "\(program): the arguments and environment are too large")
        case .exec: return CoteError(.commandNotExecutable, "\(program): \(reason)")
        case .directory: return CoteError(.badDirectory, "\(command.directory ?? "/"): \(reason)")
        default: return CoteError(.limitReached, "\(program): cannot be started: \(reason)")
        }
    }
}

/// The pipes or the terminal of one command, both sides.
final class CommandDescriptors {
    private(set) var child: [CInt: CInt] = [:]
    private(set) var outputs: [(Frame.Kind, SharedDescriptor)] = []
    private(set) var input: SharedDescriptor?
    private(set) var terminal: Terminal?
    private var childSide: [SharedDescriptor] = []

    init(_ command: Command, nothing: borrowing Descriptor) throws(SystemError) {
        if let size = command.terminal {
            var pair = try Terminals.openPair()
            let controller = SharedDescriptor(pair.takeFirst())
            let program = SharedDescriptor(pair.takeSecond())
            let terminal = Terminal(controller)
            terminal.resize(size)
            child = [0: program.descriptor.raw, 1: program.descriptor.raw, 2: program.descriptor.raw]
            childSide = [program]
            outputs = [(.output, controller)]
            input = SharedDescriptor(try controller.descriptor.duplicate())
            self.terminal = terminal
            return
        }
        if command.takesInput {
            var pipe = try Descriptor.pipe()
            child[0] = place(pipe.takeFirst())
            input = SharedDescriptor(pipe.takeSecond())
        } else {
            child[0] = nothing.raw
        }
        for (target, kind) in [(CInt(1), Frame.Kind.output), (2, .errorOutput)] {
            var pipe = try Descriptor.pipe()
            outputs.append((kind, SharedDescriptor(pipe.takeFirst())))
            child[target] = place(pipe.takeSecond())
        }
    }

    private func place(_ descriptor: consuming Descriptor) -> CInt {
        let shared = SharedDescriptor(descriptor)
        childSide.append(shared)
        return shared.descriptor.raw
    }

    /// Once the child has its copies; otherwise the output would never end.
    func closeChildSide() { childSide = [] }
}
