import CoteSystem
import FoundationEssentials
import Glibc

/// All rows, as a table for people and as JSON for programs.
struct Report {
    let rows: [Row]
    let machine: String
    let runs: Int

    var isMet: Bool { rows.allSatisfy { $0.bars.allSatisfy(\.isMet) } }

    var table: String {
        var lines: [[String]] = [["row", "unit", "side", "median", "minimum", "runs", "bar", ""]]
        for row in rows {
            for (index, side) in ([row.cote] + row.peers).enumerated() {
                let first = index == 0
                let bar = row.bars.indices.contains(index) ? row.bars[index] : nil
                lines.append([
                    first ? row.name : "", first ? row.unit : "", side.name, side.median.short, side.minimum.short,
                    "\(side.values.count)", bar?.text ?? "", bar.map { $0.isMet ? "met" : "MISSED" } ?? "",
                ])
            }
            for bar in row.bars.dropFirst(1 + row.peers.count) {
                lines.append(["", "", "", "", "", "", bar.text, bar.isMet ? "met" : "MISSED"])
            }
        }
        let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        var text = "\(machine)\n"
        for line in lines {
            let cells = zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            text += cells.joined(separator: "  ").trimmed + "\n"
        }
        for row in rows {
            for note in row.notes { text += "\n\(row.name): \(note)" }
        }
        return text
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let bytes = try encoder.encode(Encoded(self))
        try Files.replace(path, mode: 0o644, durable: false, Array(bytes) + [0x0a])
    }

    /// The kernel, the processors and how busy they are: numbers of a busy machine are worth little.
    static func machine() -> String {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let load = ((try? Files.readText("/proc/loadavg")) ?? "").split(separator: " ").first ?? "?"
        return "Linux \(release), \(sysconf(CInt(_SC_NPROCESSORS_ONLN))) processors, load \(load)"
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

/// The form of the JSON file.
private struct Encoded: Encodable {
    struct Side: Encodable {
        let side: String
        let median: Double
        let minimum: Double
        /// In the order of the runs.
        let values: [Double]
    }

    struct Check: Encodable {
        let bar: String
        let value: Double
        let met: Bool
    }

    struct Line: Encodable {
        let row: String
        let unit: String
        let sides: [Side]
        let bars: [Check]
        let notes: [String]
    }

    let machine: String
    let met: Bool
    let rows: [Line]

    init(_ report: Report) {
        machine = report.machine
        met = report.isMet
        rows = report.rows.map { row in
            Line(
                row: row.name, unit: row.unit,
                sides: ([row.cote] + row.peers).filter { !$0.values.isEmpty }.map {
                    Side(side: $0.name, median: $0.median, minimum: $0.minimum, values: $0.values)
                },
                bars: row.bars.map { Check(bar: $0.text, value: $0.value, met: $0.isMet) }, notes: row.notes)
        }
    }
}
