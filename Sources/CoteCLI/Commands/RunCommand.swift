import ArgumentParser
import CoteEngine
import CoteModel

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run one command in a sandbox of its own.",
        discussion: "The sandbox is gone when the command ends; its journal stays, for cote logs.")

    @Argument(help: Environments.argument)
    var environment: String
    @OptionGroup var sandbox: SandboxOptions
    @OptionGroup var options: CommandOptions
    @OptionGroup var output: OutputOptions
    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The command, behind --; the image's own where none is given.", valueName: "cmd"))
    var command: [String] = []

    @MainThread
    func run() async throws {
        let signals = try Attachment.holdSignals()
        let command = try options.command(command, mayBeEmpty: environment != "host")
        let request = try sandbox.request(environment, lifetime: nil)
        let engine = try Engine()
        try await Environments.prepare(environment, engine)
        let result = try await engine.run(command, in: request) { _, execution throws(CoteError) in
            try await Progress.during("starting a sandbox") { () async throws(CoteError) in
                try await execution.started()
            }
            return try await Attachment(execution: execution, command: command).run(signals)
        }
        throw ProgramEnd(code: Outcome.report(result, asJSON: output.json))
    }
}

/// How the end of a command is told.
@MainThread
enum Outcome {
    /// Says on stderr what the exit code alone does not, and returns that code.
    static func report(_ result: CommandResult, asJSON: Bool) -> Int32 {
        if result.timedOut { say(.timedOut, asJSON) }
        if result.outputLimit { say(.outputLimit, asJSON) }
        if result.outOfMemory { say(.outOfMemory, asJSON) }
        return result.shellCode
    }

    private enum Cause { case timedOut, outputLimit, outOfMemory }

    private static func say(_ cause: Cause, _ asJSON: Bool) {
        switch cause {
        case .timedOut: Terminal.note("cote: the command was ended: its time was over")
        case .outputLimit:
            let error = CoteError(
                .outputLimit, "the command was ended: the journal has reached its limit",
                hint: "--journal-limit raises it")
            Terminal.report(error, verb: "exec", asJSON: asJSON)
        case .outOfMemory: Terminal.note("cote: the kernel ended a process: the sandbox's memory was used up")
        }
    }
}
