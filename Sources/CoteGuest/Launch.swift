import CoteModel
import CoteSystem
import CoteWire
import Glibc

/// A request on its way to becoming a process: resolved, then started by a call that may take long, for the kernel
/// reads the program before it returns, and a hostile neighbour may stop the child on its way.
final class Launch {
    let timeout: TimeSpan?
    let terminal: Terminal?
    private(set) var failure: CoteError?
    private let command: Command
    private let spawn: SpawnRequest
    private let early = EarlyPid()
    private var outputs: [(Frame.Kind, SharedDescriptor)]
    private var input: SharedDescriptor?
    private var childSide: [SharedDescriptor]

    init(_ request: OpenRequest, agent: Agent) throws(CoteError) {
        command = Self.command(for: request)
        timeout = command.timeout
        var spawn = try CommandPlan(command, descriptors: agent.inheritedDescriptors, guards: agent.guards).spawn
        do throws(SystemError) {
            let streams = try CommandDescriptors(command, nothing: agent.nothing, agent.pipes)
            spawn.descriptors = streams.child
            spawn.processes = agent.processes?.descriptor.raw
            spawn.controllingTerminal = command.terminal == nil ? nil : 0
            terminal = streams.terminal
            (outputs, input, childSide) = (streams.outputs, streams.input, streams.childSide)
        } catch {
            throw CoteError(.limitReached, "cannot start a command: \(error)")
        }
        self.spawn = spawn
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

    /// The command's, from the moment it is there; 0 before.
    var pid: Int32 { early.value }

    /// The side of stdin, stdout, stderr or the terminal that is not the command's; once.
    func takeStreams() -> (outputs: [(Frame.Kind, SharedDescriptor)], input: SharedDescriptor?) {
        defer { (outputs, input) = ([], nil) }
        return (outputs, input)
    }

    /// Starts the command. Nothing else of this is touched meanwhile, but for `pid`.
    func run() {
        do throws(SpawnFailure) { try spawn.run(early) } catch { failure = Self.error(error, command) }
    }

    /// Afterwards: what only the command needs is the command's alone, or its output would never end.
    func finish() { childSide = [] }

    private static func error(_ failure: SpawnFailure, _ command: Command) -> CoteError {
        let program = command.arguments[0]
        let code = failure.code
        let reason = SystemError("exec", code: code).reason
        switch failure.stage {
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
struct CommandDescriptors {
    private(set) var child: [CInt] = []
    private(set) var outputs: [(Frame.Kind, SharedDescriptor)] = []
    private(set) var input: SharedDescriptor?
    private(set) var terminal: Terminal?
    private(set) var childSide: [SharedDescriptor] = []

    init(_ command: Command, nothing: borrowing Descriptor, _ stock: PipeStock) throws(SystemError) {
        if let size = command.terminal {
            var pair = try Terminals.openPair()
            let controller = SharedDescriptor(pair.takeFirst())
            let program = SharedDescriptor(pair.takeSecond())
            let terminal = Terminal(controller)
            terminal.resize(size)
            child = [program.descriptor.raw, program.descriptor.raw, program.descriptor.raw]
            childSide = [program]
            outputs = [(.output, controller)]
            input = SharedDescriptor(try controller.descriptor.duplicate())
            try controller.descriptor.setNonblocking()
            self.terminal = terminal
            return
        }
        if command.takesInput {
            var pipe = try Descriptor.pipe()
            let reader = SharedDescriptor(pipe.takeFirst())
            let writer = SharedDescriptor(pipe.takeSecond())
            try writer.descriptor.setNonblocking()
            (child, input) = ([reader.descriptor.raw], writer)
            childSide.append(reader)
        } else {
            child = [nothing.raw]
        }
        for kind in [Frame.Kind.output, .errorOutput] {
            let pipe = try stock.take()
            outputs.append((kind, pipe.reader))
            childSide.append(pipe.writer)
            child.append(pipe.writer.descriptor.raw)
        }
    }
}

/// Pipes for the output of the next command, made when nobody waits for them.
final class PipeStock {
    struct Pipe {
        /// Does not block.
        let reader: SharedDescriptor
        let writer: SharedDescriptor

        init() throws(SystemError) {
            var pair = try Descriptor.pipe()
            reader = SharedDescriptor(pair.takeFirst())
            writer = SharedDescriptor(pair.takeSecond())
            try reader.descriptor.setNonblocking()
        }
    }

    private var pipes: [Pipe] = []

    func take() throws(SystemError) -> Pipe {
        if let pipe = pipes.popLast() { return pipe }
        return try Pipe()
    }

    /// As many as one command takes; where there are none to be had, that command will say so.
    func refill() {
        while pipes.count < 2, let pipe = try? Pipe() { pipes.append(pipe) }
    }
}
