import ArgumentParser
import CoteEngine
import CoteEnvironments
import CoteModel

/// How to speak with a registry.
struct RegistryAccessOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Without a byte for this long a request is tried again (default 30s).", valueName: "time"))
    var timeout: TimeSpan?
    @Option(help: ArgumentHelp("How often a request is tried (default 5).", valueName: "count"))
    var attempts: UInt32?
    @Flag(help: "Speak HTTP; done with this machine's own registries in any case.")
    var plainHTTP = false

    func options(chunkSize: ByteCount? = nil) throws(CoteError) -> RegistryOptions {
        var options = RegistryOptions(isPlain: plainHTTP)
        if let timeout { options.timeout = timeout }
        if let attempts {
            guard (1...100).contains(attempts) else {
                throw CoteError(.usage, "--attempts \(attempts) is out of range")
            }
            options.attempts = attempts
        }
        if let chunkSize {
            guard chunkSize >= ByteCount(64 << 10), chunkSize <= .mebibytes(1024) else {
                throw CoteError(.usage, "--chunk-size \(chunkSize) is not between 64k and 1g")
            }
            options.chunkSize = chunkSize
        }
        return options
    }
}

struct EnvironmentPullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Fetch an image from a registry.",
        discussion: "Credentials are those that docker login and podman login keep. Prints the digest.")

    @Argument(help: ArgumentHelp("Such as debian:12 or registry:5000/team/app@sha256:….", valueName: "image"))
    var image: String
    @Option(help: ArgumentHelp("What to call it (default: as the image).", valueName: "name"))
    var name: String?
    @OptionGroup var access: RegistryAccessOptions
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        let options = try access.options()
        let summary = try await Progress.during("pulling \(image)") { () async throws(CoteError) in
            try await engine.pullEnvironment(image, name: name, options: options, progress: Progress.tell)
        }
        if output.json { return Terminal.print(json: summary) }
        Terminal.print(summary.digest.text)
    }
}

struct EnvironmentPushCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Send an image to a registry.",
        discussion: "Credentials are those that docker login and podman login keep.")

    @Argument(help: ArgumentHelp("Name, digest, or the beginning of one.", valueName: "env"))
    var environment: String
    @Argument(help: ArgumentHelp("Where to, such as registry:5000/team/app:1 (default: its name).", valueName: "image"))
    var target: String?
    @Option(help: ArgumentHelp("Bytes of each piece of an upload (default 8m).", valueName: "size"))
    var chunkSize: ByteCount?
    @OptionGroup var access: RegistryAccessOptions
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        let options = try access.options(chunkSize: chunkSize)
        let digest = try engine.showEnvironment(environment).digest
        try await Progress.during("pushing \(environment)") { () async throws(CoteError) in
            try await engine.pushEnvironment(environment, to: target, options: options, progress: Progress.tell)
        }
        let place = target ?? environment
        if output.json { return Terminal.print(json: ["digest": digest.text, "image": place]) }
        Terminal.print(digest.text)
    }
}

struct EnvironmentVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Hash all that environments consist of, and repair what has changed.",
        discussion: """
            What is damaged is set aside and fetched again from where the image came from. Fails when something is \
            still missing.
            """)

    @Argument(help: ArgumentHelp("Names or digests; all that is here where none is given.", valueName: "env"))
    var environments: [String] = []
    @Option(
        name: .customLong("from"), help: ArgumentHelp("A layout or archive to repair from first.", valueName: "path"))
    var source: String?
    @OptionGroup var access: RegistryAccessOptions
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        let options = try access.options()
        let report = try await Progress.during("verifying") { () async throws(CoteError) in
            try await engine.verifyEnvironments(
                environments, source: source, options: options, progress: Progress.tell)
        }
        output.json ? Terminal.print(json: report) : show(report)
        if !report.isSound { throw ProgramEnd(code: 1) }
    }

    @MainThread
    private func show(_ report: VerifyReport) {
        Terminal.print("verified  \(report.verified) blobs and roots, \(Shown.size(report.bytes))")
        for digest in report.quarantined { Terminal.print("damaged   \(digest), set aside") }
        for digest in report.roots { Terminal.print("root      \(digest) had changed and is made again when needed") }
        for digest in report.repaired { Terminal.print("repaired  \(digest)") }
        for digest in report.missing { Terminal.print("missing   \(digest)") }
        for note in report.notes { Terminal.note("cote: \(Terminal.oneLine(note))") }
    }
}
