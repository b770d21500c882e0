import ArgumentParser
import CoteEngine
import CoteEnvironments
import CoteModel

struct CreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a sandbox and leave it running.",
        discussion: "Prints its id.")

    @Argument(help: Environments.argument)
    var environment: String
    @OptionGroup var sandbox: SandboxOptions
    @Option(help: ArgumentHelp("How long the sandbox lives, such as 2h.", valueName: "time"))
    var timeout: TimeSpan?
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let request = try sandbox.request(environment, lifetime: timeout)
        let engine = try Engine()
        try await Environments.prepare(environment, engine)
        let created = try await Progress.during("creating a sandbox") { () async throws(CoteError) in
            try await engine.create(request)
        }
        output.json ? Terminal.print(json: try engine.show(created.id.text)) : Terminal.print(created.id.text)
    }
}

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start a sandbox that has stopped or died, with the files it had.")

    @Argument(help: ArgumentHelp("Names or ids.", valueName: "id"))
    var sandboxes: [String]
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        for reference in sandboxes {
            let sandbox = try await Progress.during("starting \(reference)") { () async throws(CoteError) in
                try await engine.start(reference)
            }
            output.json ? Terminal.print(json: try engine.show(sandbox.id.text)) : Terminal.print(sandbox.id.text)
        }
    }
}

struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stop sandboxes; their files stay.")

    @Argument(help: ArgumentHelp("Names or ids.", valueName: "id"))
    var sandboxes: [String]
    @Option(help: ArgumentHelp("How long commands have after TERM (default 2s).", valueName: "time"))
    var grace: TimeSpan?
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        for reference in sandboxes {
            let summary = try engine.show(reference)
            if summary.state.phase.isAlive {
                let sandbox = try engine.sandbox(summary.spec.id.text)
                try await Progress.during("stopping \(reference)") { () async throws(CoteError) in
                    try await sandbox.stop(grace: grace ?? .seconds(2))
                }
            }
            let id = summary.spec.id.text
            output.json ? Terminal.print(json: try engine.show(id)) : Terminal.print(id)
        }
    }
}

struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove sandboxes and their files; their journals stay until prune.")

    @Argument(help: ArgumentHelp("Names or ids.", valueName: "id"))
    var sandboxes: [String]
    @Flag(name: [.customShort("f"), .long], help: "Stop what is running; remove what cannot be read.")
    var force = false
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        for reference in sandboxes {
            try await Progress.during("removing \(reference)") { () async throws(CoteError) in
                try await engine.remove(reference, force: force)
            }
            output.json ? Terminal.print(json: ["removed": reference]) : Terminal.print(reference)
        }
    }
}

struct PruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove what has ended: sandboxes, journals without a sandbox, images without a name, leftovers.")

    @Flag(name: [.customShort("n"), .long], help: "Only say what would be removed.")
    var dryRun = false
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        try Privilege.require()
        let pruned = try Engine().prune(dryRun: dryRun)
        if output.json { return Terminal.print(json: pruned) }
        for (word, ids) in [
            ("sandbox", pruned.sandboxes), ("journal", pruned.journals), ("leftover", pruned.leftovers),
        ] {
            for id in ids { Terminal.print("\(word) \(id)") }
        }
        let environments = pruned.environments
        for digest in environments.environments { Terminal.print("environment \(digest.short)") }
        for digest in environments.blobs { Terminal.print("blob \(digest.short)") }
        if environments.bytes > 0 { Terminal.note("cote: \(Shown.size(environments.bytes)) of images") }
        if let problem = environments.problem {
            Terminal.note("cote: images stay: \(Terminal.oneLine(problem))")
        }
        if environments.isBusy { Terminal.note("cote: images are being used; their leftovers stay for the next time") }
    }
}
