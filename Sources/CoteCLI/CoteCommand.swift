public import ArgumentParser
import CoteEngine
import CoteModel
import CoteSystem
import Glibc

/// `cote`: the table of its commands, from which help and completions come.
public struct CoteCommand: AsyncParsableCommand {
    /// The verbs, in the groups and the order in which help shows them.
    public static let configuration = CommandConfiguration(
        commandName: "cote",
        abstract: "Sealed sandboxes for coding agents and CI, on this machine.",
        version: "cote 0.1.0",
        groupedSubcommands: [
            CommandGroup(name: "Host", subcommands: [DoctorCommand.self, ClassCommand.self]),
            CommandGroup(name: "Commands", subcommands: [RunCommand.self, ExecCommand.self, ShellCommand.self]),
            CommandGroup(
                name: "Sandboxes",
                subcommands: [
                    CreateCommand.self, ListCommand.self, ShowCommand.self, LogsCommand.self, StopCommand.self,
                    StartCommand.self, RemoveCommand.self, PruneCommand.self,
                ]),
            CommandGroup(name: "Environments", subcommands: [EnvironmentCommand.self]),
        ])

    /// For the argument parser, which fills in the rest.
    public init() {}

    /// The verbs that do more than to look at sandboxes and to talk to them.
    private static let privilegedVerbs = ["doctor", "class", "run", "create", "start", "remove", "prune", "env"]

    /// Lets a user without root do what a verb needs. Must come before any other thread exists. What is lacking is told
    /// by the verb, once it is known to be a proper one.
    public static func acquirePrivilege() {
        guard let verb = CommandLine.arguments.dropFirst().first, privilegedVerbs.contains(verb) else { return }
        try? Privilege.acquire()
    }

    /// Parses the arguments and runs the verb. The program's exit code is that of ARCHITECTURE's table.
    @MainThread
    public static func runAndExit() async -> Never {
        ignoreBrokenPipes()
        let arguments = Array(CommandLine.arguments.dropFirst())
        if wantsJSON(arguments) { Progress.isWanted = false }
        do {
            var command = try parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            finish(0)
        } catch let end as ProgramEnd {
            finish(end.code)
        } catch let error as CoteError {
            let runsCommands = ["run", "exec", "shell"].contains(arguments.first)
            Terminal.report(error, verb: arguments.first ?? "cote", asJSON: wantsJSON(arguments))
            finish(runsCommands ? error.code.commandExitCode : error.code.exitCode)
        } catch {
            finishParsing(error, arguments)
        }
    }

    @MainThread
    private static func finishParsing(_ error: any Error, _ arguments: [String]) -> Never {
        if exitCode(for: error).isSuccess {
            Terminal.print(fullMessage(for: error))
            finish(0)
        }
        let given = arguments.first { !$0.hasPrefix("-") }
        let verbs = configuration.groupedSubcommands.flatMap { $0.subcommands.map { $0._commandName } }
        let verb = verbs.first { $0 == given }
        // What follows an empty line is about usage; a hint leads there.
        let lines = message(for: error).split(separator: "\n", omittingEmptySubsequences: false).prefix { !$0.isEmpty }
        let usage = CoteError(
            .usage, lines.isEmpty ? "bad arguments" : lines.joined(separator: " "),
            hint: ["cote help", verb].compactMap(\.self).joined(separator: " "))
        Terminal.report(usage, verb: verb ?? "cote", asJSON: wantsJSON(arguments))
        finish(ErrorCode.usage.exitCode)
    }

    /// What follows `--` belongs to the sandbox's command.
    private static func wantsJSON(_ arguments: [String]) -> Bool {
        arguments.prefix { $0 != "--" }.contains("--json")
    }

    private static func finish(_ code: Int32) -> Never {
        Glibc.exit(code)
    }
}

/// Ends the program with a command's own exit code.
struct ProgramEnd: Error {
    let code: Int32
}
