public import ArgumentParser
import CoteEngine
public import CoteModel

extension ByteCount: ExpressibleByArgument {
    /// As `init(parsing:)` reads it.
    public init?(argument: String) { self.init(parsing: argument) }
}

extension TimeSpan: ExpressibleByArgument {
    /// As `init(parsing:)` reads it.
    public init?(argument: String) { self.init(parsing: argument) }
}

struct OutputOptions: ParsableArguments {
    @Flag(help: "Write JSON.")
    var json = false
}

/// What a new sandbox is and may use.
struct SandboxOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A name for the sandbox.", valueName: "name"))
    var name: String?

    @Option(name: .customLong("label"), help: ArgumentHelp("A label; may be repeated.", valueName: "key=value"))
    var labels: [String] = []

    @Option(name: .customLong("class"), help: ArgumentHelp("How it is isolated.", valueName: "class"))
    var sandboxClass = SandboxClass.container.rawValue

    @Option(help: ArgumentHelp("Processors, such as 0.5 or 2.", valueName: "number"))
    var cpus: Double?

    @Option(help: ArgumentHelp("Memory, such as 512m or 4g (default 2g).", valueName: "size"))
    var memory: ByteCount?

    @Option(help: ArgumentHelp("Processes and threads (default 1024).", valueName: "count"))
    var pids: UInt32?

    @Option(help: ArgumentHelp("What may be written to files that outlive a command, such as 1g.", valueName: "size"))
    var disk: ByteCount?

    @Option(help: ArgumentHelp("Bytes of journal, after which commands are ended (default 1g).", valueName: "size"))
    var journalLimit: ByteCount?

    @Flag(help: "Show this machine's /opt in a host sandbox too.")
    var showOpt = false

    func request(_ environment: String, lifetime: TimeSpan?) throws(CoteError) -> SandboxRequest {
        var limits = Limits(lifetime: lifetime)
        if let cpus {
            guard cpus.isFinite, cpus > 0, cpus <= 4096 else {
                throw CoteError(.usage, "--cpus \(cpus) is out of range")
            }
            limits.milliCPUs = UInt32(cpus * 1000)
        }
        if let memory { limits.memory = memory }
        if let pids { limits.processes = pids }
        limits.disk = disk
        if let journalLimit { limits.journal = journalLimit }
        return SandboxRequest(
            environment: environment, name: name, labels: try Pairs.parse(labels, "--label"),
            sandboxClass: sandboxClass, limits: limits, showsOpt: showOpt)
    }
}

/// How a command runs.
struct CommandOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Directory to start in (default /workspace).", valueName: "path"))
    var cwd: String?

    @Option(name: .customLong("env"), help: ArgumentHelp("A variable; may be repeated.", valueName: "key=value"))
    var variables: [String] = []

    @Option(help: ArgumentHelp("User, or user:group, by name or number.", valueName: "user"))
    var user: String?

    @Option(help: ArgumentHelp("End the command after this long, such as 30s or 5m.", valueName: "time"))
    var timeout: TimeSpan?

    @Option(
        name: .customLong("ulimit"),
        help: ArgumentHelp(
            "A soft limit of the command, such as nofile=256; may be repeated.", valueName: "name=number"))
    var limits: [String] = []

    @Flag(name: [.customShort("t"), .long], help: "Run on a terminal.")
    var tty = false

    @Flag(name: [.customShort("n"), .long], help: "Give the command an empty stdin.")
    var noStdin = false

    /// - Parameter mayBeEmpty: the sandbox may have a command of its own.
    func command(_ arguments: [String], mayBeEmpty: Bool = false) throws(CoteError) -> Command {
        guard mayBeEmpty || !arguments.isEmpty else {
            throw CoteError(.usage, "no command", hint: "put it behind --, as in: -- ls -l")
        }
        var command = Command(arguments, directory: cwd, user: user, timeout: timeout)
        command.environment = try Pairs.parse(variables, "--env")
        command.takesInput = !noStdin
        for (name, value) in try Pairs.parse(limits, "--ulimit") {
            guard let limit = CommandLimit(rawValue: name), let number = UInt64(value) else {
                let known = CommandLimit.allCases.map(\.rawValue).joined(separator: ", ")
                throw CoteError(.usage, "--ulimit \(name)=\(value): expected a number for one of \(known)")
            }
            command.resourceLimits[limit] = number
        }
        if tty { command.terminal = LocalTerminal.size }
        return command
    }
}

/// `KEY=VALUE` arguments.
enum Pairs {
    static func parse(_ texts: [String], _ option: String) throws(CoteError) -> [String: String] {
        var pairs: [String: String] = [:]
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !text.utf8.contains(0) else {
                throw CoteError(.usage, "\(option) '\(text)' is not KEY=VALUE")
            }
            pairs[String(parts[0])] = String(parts[1])
        }
        return pairs
    }
}
