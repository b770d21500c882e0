import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// What a person can get wrong, and what the program answers: an exit code, a line, a stable code for programs, and
/// nothing left behind.
@Suite(.requires(.root, .crun)) struct BadInputTests {
    private struct Mistake: CustomTestStringConvertible {
        var arguments: [String]
        var exit: Int32
        var code: ErrorCode
        /// A word that the message must have.
        var names: String

        init(_ arguments: [String], _ exit: Int32, _ code: ErrorCode, names: String) {
            (self.arguments, self.exit, self.code, self.names) = (arguments, exit, code, names)
        }

        var testDescription: String { arguments.map { String($0.prefix(40)) }.joined(separator: " ") }
    }

    private static let long = String(repeating: "x", count: 120 << 10)

    /// Those for which no sandbox is ever started. `box` is a sandbox that runs.
    private static let mistakes: [Mistake] =
        usage + limits + [
            Mistake(["create", "nowhere"], 125, .unknownEnvironment, names: "nowhere"),
            Mistake(["run", "nowhere", "--", "true"], 125, .unknownEnvironment, names: "nowhere"),
            Mistake(["create", "host", "--class", "prison"], 125, .unknownClass, names: "prison"),
            Mistake(["run", "host", "--class", "prison", "--", "true"], 125, .unknownClass, names: "prison"),
            Mistake(["class", "show", "prison"], 125, .unknownClass, names: "prison"),
            Mistake(["exec", "nobody", "--", "true"], 125, .unknownSandbox, names: "nobody"),
            Mistake(["shell", "nobody"], 125, .unknownSandbox, names: "nobody"),
            Mistake(["show", "nobody"], 1, .unknownSandbox, names: "nobody"),
            Mistake(["stop", "nobody"], 1, .unknownSandbox, names: "nobody"),
            Mistake(["start", "nobody"], 1, .unknownSandbox, names: "nobody"),
            Mistake(["remove", "nobody"], 1, .unknownSandbox, names: "nobody"),
            Mistake(["remove", "--force", "nobody"], 1, .unknownSandbox, names: "nobody"),
            Mistake(["logs", "nobody"], 1, .unknownSandbox, names: "nobody"),
            Mistake(["logs", "--follow", "nobody"], 1, .unknownSandbox, names: "nobody"),
            Mistake(["show", "c1\u{9b}31m\u{202e}"], 1, .unknownSandbox, names: "c1"),
            Mistake(["show", "../sandboxes"], 1, .unknownSandbox, names: "../sandboxes"),
            Mistake(["create", "host", "--name", "box"], 1, .nameTaken, names: "box"),
            Mistake(["run", "host", "--name", "box", "--", "true"], 125, .nameTaken, names: "box"),
            Mistake(["start", "box"], 1, .wrongState, names: "ready"),
            Mistake(["remove", "box"], 1, .wrongState, names: "ready"),
            Mistake(["exec", "box", "--", "no-such"], 127, .commandNotFound, names: "no-such"),
            Mistake(["exec", "box", "--", "/no/such"], 127, .commandNotFound, names: "/no/such"),
            Mistake(["exec", "box", "--", ""], 127, .commandNotFound, names: "empty"),
            Mistake(["exec", "box", "--", "/usr"], 126, .commandNotExecutable, names: "/usr"),
            Mistake(["exec", "box", "--", "/etc/passwd"], 126, .commandNotExecutable, names: "/etc/passwd"),
            Mistake(["run", "host", "--", "no-such"], 127, .commandNotFound, names: "no-such"),
            Mistake(["run", "host", "--", "/usr"], 126, .commandNotExecutable, names: "/usr"),
            Mistake(["exec", "box", "--cwd", "/no/such", "--", "true"], 125, .badDirectory, names: "/no/such"),
            Mistake(["exec", "box", "--user", "stranger", "--", "true"], 125, .unknownUser, names: "stranger"),
            Mistake(["exec", "box", "--", "true", long, long, long], 125, .requestTooLarge, names: "bytes"),
            Mistake(["run", "host", "--", "true", long, long, long], 125, .requestTooLarge, names: "bytes"),
            Mistake(
                ["exec", "box", "--ulimit", "nofile=999999999999", "--", "true"], 125, .limitUnsupported,
                names: "nofile"),
        ]

    private static let usage = [
        Mistake(["frobnicate"], 2, .usage, names: "frobnicate"),
        Mistake(["two\nlines\u{1b}[2J"], 2, .usage, names: "two"),
        Mistake(["--bad"], 2, .usage, names: "--bad"),
        Mistake(["create"], 2, .usage, names: "env"),
        Mistake(["create", "host", "--bad"], 2, .usage, names: "--bad"),
        Mistake(["create", "host", "more"], 2, .usage, names: "more"),
        Mistake(["create", "host", "--name"], 2, .usage, names: "--name"),
        Mistake(["create", "host", "--name", "A b"], 2, .usage, names: "A b"),
        Mistake(["create", "host", "--name", ""], 2, .usage, names: "name"),
        Mistake(["create", "host", "--name", "../up"], 2, .usage, names: "../up"),
        Mistake(["create", "host", "--name", "0123456789ab"], 2, .usage, names: "0123456789ab"),
        Mistake(["create", "host", "--label", "x"], 2, .usage, names: "--label"),
        Mistake(["create", "host", "--label", "=x"], 2, .usage, names: "--label"),
        Mistake(["list", "--label", "x"], 2, .usage, names: "--label"),
        Mistake(["show"], 2, .usage, names: "id"),
        Mistake(["stop", "box", "--grace", "soon"], 2, .usage, names: "--grace"),
        Mistake(["logs", "box", "--exec", "first"], 2, .usage, names: "--exec"),
        Mistake(["class", "frobnicate"], 2, .usage, names: "frobnicate"),
        Mistake(["run", "host"], 2, .usage, names: "no command"),
        Mistake(["run", "host", "--"], 2, .usage, names: "no command"),
        Mistake(["run", "host", "true"], 2, .usage, names: "true"),
        Mistake(["exec", "box"], 2, .usage, names: "no command"),
        Mistake(["exec", "box", "--"], 2, .usage, names: "no command"),
        Mistake(["exec", "box", "ls"], 2, .usage, names: "ls"),
        Mistake(["exec", "box", "--env", "novalue", "--", "true"], 2, .usage, names: "--env"),
        Mistake(["exec", "box", "--env", "=x", "--", "true"], 2, .usage, names: "--env"),
        Mistake(["exec", "box", "--timeout", "0", "--", "true"], 2, .usage, names: "--timeout"),
        Mistake(["exec", "box", "--timeout", "soon", "--", "true"], 2, .usage, names: "--timeout"),
        Mistake(["exec", "box", "--ulimit", "nofile", "--", "true"], 2, .usage, names: "--ulimit"),
        Mistake(["exec", "box", "--ulimit", "nofile=many", "--", "true"], 2, .usage, names: "--ulimit"),
        Mistake(["exec", "box", "--ulimit", "patience=1", "--", "true"], 2, .usage, names: "patience"),
    ]

    private static let limits: [Mistake] = [
        ("--cpus", ["0", "-1", "nan", "inf", "few", "0.001", "5000", ""]),
        ("--memory", ["0", "-1", "1k", "5m", "much", "1.5g", "m", "99999999999t", "16777215t", ""]),
        ("--pids", ["0", "-1", "many", "4194304", "99999999999", ""]),
        ("--journal-limit", ["0", "1k", "-1", "much", ""]),
        ("--timeout", ["0", "0s", "-1", "soon", "99999999h", "1.5s", ""]),
    ].flatMap { option, values in
        values.map { Mistake(["create", "host", "\(option)=\($0)"], 2, .usage, names: option) }
    }

    @Test func `every mistake is told in a line, by a code, and leaves nothing behind`() async throws {
        try await Workbench.with { bench in
            let box = try await bench.cote(["create", "host", "--name", "box"])
            #expect(box.code == 0)
            for mistake in Self.mistakes {
                let named = Comment(rawValue: mistake.testDescription)
                let result = try await bench.cote(mistake.arguments)
                #expect(result.code == mistake.exit, named)
                #expect(result.output.isEmpty, named)
                let told = result.told
                #expect(told != nil, "\(mistake.testDescription): \(result.errors)")
                #expect(told?.message.contains(mistake.names) == true, "\(mistake.testDescription): \(result.errors)")

                // A shell is for people alone.
                if mistake.arguments.first == "shell" { continue }
                let asObject = try await bench.cote(Self.withJSON(mistake.arguments))
                #expect(asObject.code == mistake.exit, named)
                #expect(
                    asObject.toldJSON?.code == mistake.code.rawValue, "\(mistake.testDescription): \(asObject.errors)")
            }
            let left = try await bench.cote(["list", "--all"])
            #expect(left.output.split(separator: "\n").count == 2, "the header and the box")
            #expect(try await bench.cote(["remove", "--force", "box"]).code == 0)
            #expect(bench.leaks().isEmpty)
        }
    }

    /// Before whatever belongs to a command in a sandbox.
    private static func withJSON(_ arguments: [String]) -> [String] {
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        return arguments[..<end] + ["--json"] + arguments[end...]
    }

    @Test func `of two programs that want one name exactly one gets it`() async throws {
        try await Workbench.with { bench in
            async let first = bench.cote(["create", "host", "--name", "wanted"])
            async let second = bench.cote(["create", "host", "--name", "wanted"])
            let results = try await [first, second].sorted { $0.code < $1.code }
            #expect(results.map(\.code) == [0, 1])
            #expect(results[1].told?.message.contains("wanted") == true)
            #expect(results[1].told?.hint?.contains("cote remove") == true)
            let list = try await bench.cote(["list", "--all"]).output
            #expect(list.split(separator: "\n").count == 2)
        }
    }

    @Test func `an ambiguous beginning of an id says so`() async throws {
        try await Workbench.with { bench in
            for twin in ["aaaa11111111", "aaaa22222222"] {
                try Files.makeDirectories("\(bench.home)/journals/\(twin)")
                try Files.create("\(bench.home)/journals/\(twin)/log.jsonl", [])
            }
            let result = try await bench.cote(["logs", "aaaa"])
            #expect(result.code == 1)
            #expect(result.told?.message == "'aaaa' begins 2 ids")
            #expect(try await bench.cote(["logs", "--json", "aaaa"]).toldJSON?.code == "ambiguous-sandbox")
            #expect(try await bench.cote(["logs", "aaaa1"]).code == 0)
        }
    }
}
