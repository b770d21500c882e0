import CoteSystem
import Glibc

/// What the command line says.
struct Options {
    /// The `cote` to measure, installed: its other programs are in `../libexec/cote`.
    var cote = ""
    /// Times that each side of a row runs.
    var runs = 30
    /// Where the numbers go as JSON.
    var json: String?
    /// An OCI layout of five layers, about 500 MB unpacked, that the rows about images need.
    var image: String?
    /// Rows to measure; all where empty.
    var only: Set<String> = []
    /// Whether a bar that is missed makes the program fail.
    var mustHold = false

    static let usage = """
        usage: cote-bench COTE [--image LAYOUT] [--runs N] [--json FILE] [--only ROW,…] [--must-hold]
        rows: \(Benchmark.rows.joined(separator: ", "))
        """

    struct Wrong: Error, CustomStringConvertible {
        let description: String
    }

    init(_ arguments: some Sequence<String>) throws {
        var rest = Array(arguments)[...]
        while let word = rest.popFirst() {
            switch word {
            case "--must-hold": mustHold = true
            case "--runs":
                // Fewer than 20 say nothing about a median.
                guard let number = rest.popFirst().flatMap({ Int($0) }), number >= 20 else {
                    throw Wrong(description: "--runs takes a number of 20 or more")
                }
                runs = number
            case "--image": image = rest.popFirst()
            case "--json": json = rest.popFirst()
            case "--only": only = Set((rest.popFirst() ?? "").split(separator: ",").map(String.init))
            default:
                guard cote.isEmpty, !word.hasPrefix("-") else { throw Wrong(description: Self.usage) }
                cote = word
            }
        }
        guard Files.exists(cote), only.isSubset(of: Benchmark.rows) else { throw Wrong(description: Self.usage) }
        if !cote.hasPrefix("/") {
            cote = try Files.linkTarget("/proc/self/cwd") + "/" + cote
        }
    }

    func wants(_ row: String) -> Bool { only.isEmpty || only.contains(row) }

    var programs: String {
        let directory = cote.lastIndex(of: "/").map { String(cote[..<$0]) } ?? "."
        let installed = directory + "/../libexec/cote"
        return Files.exists(installed) ? installed : directory
    }
}
