import CoteTestSupport
import Testing

/// What the program says about itself. Nothing here needs a sandbox.
@Suite struct HelpTests {
    /// The commands that a help text lists, each on a line of its own, two spaces in.
    private static func verbs(in help: String) -> [String] {
        var isListing = false
        var verbs: [String] = []
        for line in help.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasSuffix("SUBCOMMANDS:") || line.hasSuffix("COMMANDS SUBCOMMANDS:") { isListing = true }
            if line.isEmpty { isListing = false }
            let words = line.split(separator: " ")
            guard isListing, line.hasPrefix("  "), !line.hasPrefix("   "), let verb = words.first else { continue }
            verbs.append(String(verb))
        }
        return verbs
    }

    private static let expected = [
        "doctor", "class", "run", "exec", "shell", "create", "list", "show", "logs", "stop", "start", "remove", "prune",
    ]

    @Test func `help lists every command`() async throws {
        try await Workbench.with { bench in
            for arguments in [[], ["--help"], ["help"]] {
                let result = try await bench.cote(arguments)
                #expect(result.code == 0 && result.errors.isEmpty)
                #expect(Set(Self.verbs(in: result.output)).isSuperset(of: Self.expected))
            }
        }
    }

    @Test func `every command explains itself`() async throws {
        try await Workbench.with { bench in
            var waiting = Self.verbs(in: try await bench.cote(["--help"]).output).map { [$0] }
            #expect(!waiting.isEmpty)
            while let words = waiting.popLast() {
                let result = try await bench.cote(words + ["--help"])
                #expect(result.code == 0 && result.errors.isEmpty, "\(words)")
                #expect(result.output.contains("USAGE: cote \(words.joined(separator: " "))"), "\(words)")
                #expect(result.output.hasPrefix("OVERVIEW: "), "\(words)")
                #expect(try await bench.cote(["help"] + words).output == result.output, "\(words)")
                waiting += Self.verbs(in: result.output).map { words + [$0] }
            }
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `completions name every command`(shell: String) async throws {
        try await Workbench.with { bench in
            let result = try await bench.cote(["--generate-completion-script", shell])
            #expect(result.code == 0 && result.errors.isEmpty)
            let words = Set(result.output.split { !$0.isLetter && $0 != "-" }.map(String.init))
            for verb in Self.verbs(in: try await bench.cote(["--help"]).output) {
                #expect(words.contains(verb), "\(verb) in \(shell)")
            }
        }
    }

    @Test func `the program knows its version`() async throws {
        try await Workbench.with { bench in
            let result = try await bench.cote(["--version"])
            #expect(result.code == 0)
            #expect(result.output.hasPrefix("cote "))
            #expect(result.output.split(separator: "\n").count == 1)
        }
    }
}
