import ArgumentParser
import CoteEngine
import CoteModel
import CoteSystem

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List sandboxes.")

    @Flag(name: [.customShort("a"), .long], help: "Those that have ended too.")
    var all = false
    @Option(
        name: .customLong("label"), help: ArgumentHelp("Only with this label; may be repeated.", valueName: "key=value")
    )
    var labels: [String] = []
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let wanted = try Pairs.parse(labels, "--label")
        let sandboxes = try Engine().list().filter { summary in
            (all || summary.state.phase.isAlive) && wanted.allSatisfy { summary.spec.labels[$0.key] == $0.value }
        }
        if output.json { return Terminal.print(json: sandboxes) }
        var rows = [["ID", "NAME", "ENVIRONMENT", "CLASS", "STATE", "AGE"]]
        for summary in sandboxes {
            let spec = summary.spec
            rows.append([
                spec.id.text, spec.name?.text ?? "-", spec.environment, spec.sandboxClass.rawValue,
                Shown.state(summary.state), Shown.age(since: spec.createdAt),
            ])
        }
        Terminal.print(table: rows)
    }
}

struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything about a sandbox.")

    @Argument(help: ArgumentHelp("Names or ids.", valueName: "id"))
    var sandboxes: [String]
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        for reference in sandboxes {
            let summary = try engine.show(reference)
            output.json ? Terminal.print(json: summary) : Terminal.print(table: Self.rows(summary))
        }
    }

    private static func rows(_ summary: SandboxSummary) -> [[String]] {
        let spec = summary.spec
        let limits = spec.limits
        var rows = [
            ["id", spec.id.text], ["name", spec.name?.text ?? "-"], ["environment", spec.environment],
            ["class", spec.sandboxClass.rawValue], ["state", Shown.state(summary.state)],
        ]
        if let detail = summary.state.detail { rows.append(["detail", Terminal.oneLine(detail)]) }
        if let keeper = summary.state.keeper { rows.append(["keeper", "pid \(keeper)"]) }
        rows += [
            ["created", Shown.age(since: spec.createdAt) + " ago"],
            ["cpus", limits.milliCPUs.map { "\(Double($0) / 1000)" } ?? "unlimited"],
            ["memory", limits.memory?.description ?? "unlimited"],
            ["pids", limits.processes?.description ?? "unlimited"],
            ["lifetime", limits.lifetime?.description ?? "unlimited"], ["journal limit", limits.journal.description],
            ["network", "off (loopback only)"], ["users", "\(spec.userBase)+\(SandboxSpec.userCount)"],
        ]
        for (key, value) in spec.labels.sorted(by: { $0.key < $1.key }) {
            rows.append(["label", Terminal.oneLine("\(key)=\(value)")])
        }
        return rows
    }
}

/// Values as people read them.
enum Shown {
    static func state(_ state: SandboxState) -> String {
        state.reason.map { "\(state.phase.rawValue) (\($0.rawValue))" } ?? state.phase.rawValue
    }

    /// Bytes, in the unit that leaves few digits.
    static func size(_ bytes: UInt64) -> String {
        switch bytes {
        case ..<10_240: "\(bytes) B"
        case ..<10_485_760: "\(bytes >> 10) KiB"
        case ..<10_737_418_240: "\(bytes >> 20) MiB"
        default: "\(bytes >> 30) GiB"
        }
    }

    static func age(since nanoseconds: UInt64) -> String {
        let now = SystemClock.wall() / 1_000_000_000
        let seconds = now > nanoseconds / 1_000_000_000 ? now - nanoseconds / 1_000_000_000 : 0
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<7200: return "\(seconds / 60)m"
        case ..<172_800: return "\(seconds / 3600)h"
        default: return "\(seconds / 86_400)d"
        }
    }
}
