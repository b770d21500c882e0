import ArgumentParser
import CoteEngine
import CoteModel

struct ExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a command in a sandbox.")

    @Argument(help: ArgumentHelp("Name or id.", valueName: "id"))
    var sandbox: String
    @OptionGroup var options: CommandOptions
    @OptionGroup var output: OutputOptions
    @Argument(parsing: .postTerminator, help: ArgumentHelp("The command, behind --.", valueName: "cmd"))
    var command: [String] = []

    @MainThread
    func run() async throws {
        let signals = try Attachment.holdSignals()
        let command = try options.command(command)
        let execution = try Engine().sandbox(sandbox).start(command)
        let result = try await Attachment(execution: execution, command: command).run(signals)
        throw ProgramEnd(code: Outcome.report(result, asJSON: output.json))
    }
}

struct ShellCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell", abstract: "Open an interactive shell in a sandbox.")

    @Argument(help: ArgumentHelp("Name or id.", valueName: "id"))
    var sandbox: String
    @Option(help: ArgumentHelp("User, or user:group, by name or number.", valueName: "user"))
    var user: String?

    @MainThread
    func run() async throws {
        let signals = try Attachment.holdSignals()
        let script = "if command -v bash >/dev/null; then exec bash -i; else exec sh -i; fi"
        let command = Command(
            ["/bin/sh", "-c", script], user: user, terminal: LocalTerminal.size, takesInput: true)
        let execution = try Engine().sandbox(sandbox).start(command)
        let result = try await Attachment(execution: execution, command: command).run(signals)
        throw ProgramEnd(code: Outcome.report(result, asJSON: false))
    }
}
