import CoteEnvironments
import CoteJournal
import CoteModel
import CoteSystem
import FoundationEssentials
import Glibc
import Synchronization

/// What people and programs see of `cote` itself: results on stdout, everything else on stderr.
@MainThread
enum Terminal {
    static func print(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// One line of JSON.
    static func print(json value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { return }
        write(String(decoding: data, as: UTF8.self) + "\n", to: STDOUT_FILENO)
    }

    static func note(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    /// `error: <verb> <object>: <reason>`, and what to do next where that is known.
    static func report(_ error: CoteError, verb: String, asJSON: Bool) {
        Progress.clear()
        if asJSON {
            var writer = JSONWriter()
            writer.object {
                $0.key("error")
                $0.object {
                    $0.field("code", error.code.rawValue)
                    $0.field("message", error.message)
                    $0.field("hint", error.hint)
                }
            }
            return note(String(decoding: writer.bytes, as: UTF8.self))
        }
        note("error: \(oneLine(verb)): \(oneLine(error.message))")
        if let hint = error.hint { note("hint: \(oneLine(hint))") }
    }

    /// Text from anywhere, safe to show: what could drive the terminal or turn text round is written out.
    nonisolated static func oneLine(_ text: String) -> String {
        let line = String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 })
        return String(decoding: TerminalText.escaped(Array(line.utf8)), as: UTF8.self)
    }

    /// Columns that line up, two spaces apart.
    static func print(table rows: [[String]]) {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            var line = Substring(cells.joined(separator: "  "))
            while line.last == " " { line.removeLast() }
            print(String(line))
        }
    }

    private static func write(_ text: String, to raw: CInt) {
        let bytes = Array(text.utf8)
        writeAll(bytes, to: raw)
    }

    /// Blocks until all is written or nobody reads any more; the main thread has nothing else to do.
    static func writeAll(_ bytes: [UInt8], to raw: CInt) {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(raw, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EAGAIN {
                    var entry = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
                    poll(&entry, 1, -1)
                } else if errno != EINTR {
                    return
                }
            }
        }
    }
}

/// A line on stderr about a step that takes longer than half a second, while it does; only for a person, on a terminal.
@MainThread
enum Progress {
    /// Off where a program reads what this one says.
    static var isWanted = isatty(STDERR_FILENO) == 1
    private static var isShown = false
    private nonisolated static let latest = Mutex<EnvironmentProgress?>(nil)

    /// Takes, from any thread, what a step that takes long has come to.
    nonisolated static func tell(_ progress: EnvironmentProgress) { latest.withLock { $0 = progress } }

    static func during<Value>(
        _ step: String, _ body: () async throws(CoteError) -> Value
    ) async throws(CoteError) -> Value {
        guard isWanted else { return try await body() }
        latest.withLock { $0 = nil }
        let ticker = Task { @MainThread in
            try await Task.sleep(for: .milliseconds(500))
            let frames = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇"]
            var width = 0
            for count in 0... {
                isShown = true
                let text = latest.withLock { $0 }.map(Self.line) ?? "\(step)… "
                // Over what was longer.
                let rest = String(repeating: " ", count: max(0, width - text.count))
                width = text.count
                let line = "\r\(frames[count % frames.count]) \(text)\(rest)"
                Terminal.writeAll(Array(line.utf8), to: STDERR_FILENO)
                try await Task.sleep(for: .milliseconds(120))
            }
        }
        defer {
            ticker.cancel()
            clear()
        }
        return try await body()
    }

    /// The step, a bar where its end is known, and the bytes.
    nonisolated static func line(_ progress: EnvironmentProgress) -> String {
        let step = Terminal.oneLine(progress.step)
        guard progress.done > 0 else { return step + "… " }
        guard let total = progress.total, total > 0 else { return "\(step) \(Shown.size(progress.done)) " }
        let filled = Int(20 * min(1, Double(progress.done) / Double(total)))
        let bar = String(repeating: "━", count: filled) + String(repeating: "╌", count: 20 - filled)
        return "\(step) \(bar) \(Shown.size(progress.done)) of \(Shown.size(total)) "
    }

    static func clear() {
        guard isShown else { return }
        isShown = false
        Terminal.writeAll(Array("\r\u{1b}[K".utf8), to: STDERR_FILENO)
    }
}
