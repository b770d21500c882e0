import ArgumentParser
import CoteContent
import CoteEngine
import CoteEnvironments
import CoteModel

/// What the verbs that start sandboxes say and do about environments.
@MainThread
enum Environments {
    nonisolated static let argument = ArgumentHelp(
        "An image's name or digest, or 'host', this machine's own /usr, read-only.", valueName: "env")

    /// Makes an environment's root where there is none yet, which may take a while.
    static func prepare(_ name: String, _ engine: Engine) async throws(CoteError) {
        try await Progress.during("making the root of \(Terminal.oneLine(name))") { () async throws(CoteError) in
            try await engine.prepare(environment: name, progress: Progress.tell)
        }
    }
}

struct EnvironmentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env", abstract: "Images that sandboxes are made of.",
        subcommands: [
            EnvironmentImportCommand.self, EnvironmentListCommand.self, EnvironmentShowCommand.self,
            EnvironmentPullCommand.self, EnvironmentPushCommand.self, EnvironmentVerifyCommand.self,
            EnvironmentRemoveCommand.self,
        ])
}

struct EnvironmentImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Bring an image from this machine's files.",
        discussion: """
            PATH is an OCI layout, an OCI or Docker archive, a tar archive of a root file system, or a directory of \
            one; archives may be compressed by gzip or zstd. Prints the digest.
            """)

    @Argument(help: ArgumentHelp("What to bring.", valueName: "path"))
    var path: String
    @Option(help: ArgumentHelp("What to call it, such as debian:12.", valueName: "name"))
    var name: String?
    @Option(help: ArgumentHelp("Which image, where there are several.", valueName: "name"))
    var ref: String?
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        let request = ImportRequest(path: path, name: name, reference: ref)
        let summary = try await Progress.during("importing \(path)") { () async throws(CoteError) in
            try await engine.importEnvironment(request, progress: Progress.tell)
        }
        if output.json { return Terminal.print(json: summary) }
        Terminal.print(summary.digest.text)
    }
}

struct EnvironmentListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List environments.")

    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        let environments = engine.listEnvironments()
        if output.json { return Terminal.print(json: environments) }
        var rows = [["NAME", "DIGEST", "SIZE", "ROOT", "AGE"]]
        for environment in environments {
            rows.append([
                environment.name, environment.digest.short, environment.size.map { Shown.size($0) } ?? "damaged",
                environment.rootSize.map { Shown.size($0) } ?? "-", Shown.age(since: environment.namedAt),
            ])
        }
        Terminal.print(table: rows)
        let usage = engine.contentUsage()
        let extra = usage.quarantined > 0 ? ", \(usage.quarantined) set aside as damaged" : ""
        if usage.blobs > 0 {
            Terminal.note("\(usage.blobs) blobs, \(Shown.size(usage.bytes + usage.partial)) on disk\(extra)")
        }
    }
}

struct EnvironmentShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything about an environment.")

    @Argument(help: ArgumentHelp("Name, digest, or the beginning of one.", valueName: "env"))
    var environment: String
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let summary = try Engine().showEnvironment(environment)
        if output.json { return Terminal.print(json: summary) }
        let use = summary.use
        let variables = (use?.environment ?? [:]).map { "\($0.key)=\($0.value)" }.sorted()
        let rows: [(String, String?)] = [
            ("name", summary.name), ("digest", summary.digest.text), ("from", Self.origin(summary.origin)),
            ("platform", summary.platform), ("created", summary.created), ("size", summary.size.map { Shown.size($0) }),
            ("root", summary.rootSize.map { "\(summary.rootForm ?? ""), \(Shown.size($0))" } ?? "not made yet"),
            ("command", use.map { $0.arguments.joined(separator: " ") }), ("user", use?.user),
            ("directory", use?.directory), ("volumes", use.map { $0.volumes.joined(separator: " ") }),
        ]
        let shown = rows.compactMap { row in row.1.flatMap { $0.isEmpty ? nil : [row.0, Terminal.oneLine($0)] } }
        Terminal.print(table: shown)
        for variable in variables { Terminal.print("env  \(Terminal.oneLine(variable))") }
        for layer in summary.layers { Terminal.print("layer  \(layer)") }
    }

    private static func origin(_ origin: EnvironmentOrigin) -> String {
        switch origin {
        case .path(let path): path
        case .registry(let reference): reference
        }
    }
}

struct EnvironmentRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Take names from environments; what nothing needs any more goes with prune.")

    @Argument(help: ArgumentHelp("Names or digests.", valueName: "env"))
    var environments: [String]
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        for name in environments {
            for summary in try engine.removeEnvironment(name) {
                output.json ? Terminal.print(json: ["removed": summary.name]) : Terminal.print(summary.name)
            }
        }
    }
}
