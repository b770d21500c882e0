import ArgumentParser
import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import Glibc

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Show the journal of a sandbox, also of one that is gone.",
        discussion: "Without --json, control characters in a command's output are shown escaped.")

    @Argument(help: ArgumentHelp("Name or id.", valueName: "id"))
    var sandbox: String
    @Option(name: .customLong("exec"), help: ArgumentHelp("Only the command with this number.", valueName: "n"))
    var execution: UInt32?
    @Flag(name: [.customShort("f"), .long], help: "Wait for more until the sandbox has ended.")
    var follow = false
    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        if follow {
            let follower = try engine.followJournal(of: sandbox)
            while let record = try Self.read({ () throws(SystemError) in try follower.next() }) { show(record) }
            report(damaged: follower.damaged)
        } else {
            let reader = try engine.journal(of: sandbox)
            while let record = try Self.read({ () throws(SystemError) in try reader.next() }) { show(record) }
            report(damaged: reader.damaged)
        }
    }

    private static func read(
        _ next: () throws(SystemError) -> JournalRecord?
    ) throws(CoteError) -> JournalRecord? {
        do { return try next() } catch { throw CoteError(.badState, "the journal cannot be read: \(error)") }
    }

    @MainThread
    private func report(damaged: Int) {
        if damaged > 0 { Terminal.note("cote: \(damaged) lines of the journal could not be read and were left out") }
    }

    @MainThread
    private func show(_ record: JournalRecord) {
        guard execution == nil || record.n == execution else { return }
        if output.json { return Terminal.writeAll(record.line + [0x0a], to: STDOUT_FILENO) }
        Terminal.writeAll(JournalText.lines(record), to: STDOUT_FILENO)
    }
}

/// Journal records as people read them: one line each, or the lines of a command's output behind its number.
enum JournalText {
    static func lines(_ record: JournalRecord) -> [UInt8] {
        let time = record.timestamp.dropFirst(11).prefix(12)
        let number = record.n.map { " [\($0)]" } ?? ""
        guard let data = record.data else {
            return TerminalText.escaped(Array("\(time)\(number) \(record.kind)\(details(record))".utf8)) + [0x0a]
        }
        let mark = record.kind == "stderr" ? "!" : "|"
        var text: [UInt8] = []
        var lines = data.split(separator: 0x0a, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for line in lines {
            text += Array("\(time)\(number) \(mark) ".utf8) + TerminalText.escaped(Array(line)) + [0x0a]
        }
        return text
    }

    private static func details(_ record: JournalRecord) -> String {
        if let command = record.strings("cmd") { return ": " + command.joined(separator: " ") }
        var parts: [String] = []
        for name in ["reason", "path", "phase", "code", "message", "detail"] {
            if let text = record.string(name) { parts.append("\(name)=\(text)") }
        }
        for name in ["exit", "signal", "bytes", "duration_us", "duration_ms"] {
            if let number = record.integer(name) { parts.append("\(name)=\(number)") }
        }
        for name in ["oom", "timed_out"] where record.flag(name) == true { parts.append(name) }
        return parts.isEmpty ? "" : ": " + parts.joined(separator: " ")
    }
}
