public import CoteModel
public import CoteSystem
public import Glibc

/// The one writer of a journal: every line is one write(2), and what is in the file is always whole lines.
///
/// Output of a command passes through here in chunks. A character that a chunk's end cuts in two is held until its rest
/// comes; `heldSince` says when it must go out without it. Everything else is in the file when a call returns.
public final class JournalWriter {
    /// Bytes of whole lines in the file.
    public private(set) var size: UInt64
    private let file: Descriptor
    private let limit: ByteCount
    private let clock: () -> UInt64
    private var wasRefused = false
    private var nextNumber: UInt64
    /// Whether the file ends in the middle of a line that could not be cut off.
    private var isTorn: Bool
    private var line = JSONWriter()
    private var held: [HeldOutput] = []
    /// Held bytes and the chunk that follows them.
    private var joined: [UInt8] = []

    /// Opens the journal at `path`, or creates it for this user alone. Of one that exists, a torn last line is cut off,
    /// and numbers go on where they stopped; rubbish in it is left where it is and is no error.
    /// - Parameters:
    ///   - limit: the size above which `output` refuses.
    ///   - clock: gives each line's time; nothing else depends on it.
    public init(
        _ path: String, at directory: CInt = AT_FDCWD, limit: ByteCount,
        clock: @escaping () -> UInt64 = SystemClock.wall
    ) throws(SystemError) {
        let flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW
        file = try Descriptor.open(path, flags, mode: 0o600, at: directory)
        let tail = try JournalTail(of: file)
        self.limit = limit
        self.clock = clock
        size = tail.end
        nextNumber = tail.lastNumber + 1
        isTorn = tail.isTorn
    }

    /// Whether output was refused or would be.
    public var limitReached: Bool { wasRefused || size >= limit.bytes }

    /// Writes one line about something that happened; `fields` follow `seq`, `ts` and `kind`. The limit does not hold
    /// for it: how a command or sandbox ended must be told.
    /// - Throws: `EMSGSIZE` when the fields are too large for a line; nothing is written then.
    public func event(
        _ kind: String, _ fields: (inout JSONWriter) -> Void = { _ in }
    ) throws(SystemError) {
        compose(kind, fields)
        guard line.bytes.count <= JournalFormat.longestLine else {
            throw SystemError("write", code: EMSGSIZE, subject: kind)
        }
        try append()
    }

    /// Returns when all that has been written is on the disk.
    public func synchronize() throws(SystemError) { try file.synchronize() }

    private func compose(_ kind: String, _ fields: (inout JSONWriter) -> Void) {
        // One huge event must not stay in the memory of a keeper that lives for weeks.
        line.removeAll(keepingCapacity: line.bytes.capacity <= 8 * JournalFormat.mostData)
        if isTorn { line.endLine() }
        line.object { line in
            line.field("seq", nextNumber)
            line.field("ts", Timestamp(nanoseconds: clock()).description)
            line.field("kind", kind)
            fields(&line)
        }
        line.endLine()
    }

    /// Writes the composed line, or leaves the file as it was.
    private func append() throws(SystemError) {
        do {
            try line.bytes.span.withUnsafeBytes { bytes throws(SystemError) in try file.write(all: bytes) }
        } catch {
            do { try file.truncate(to: size) } catch {
                isTorn = true
                size = (try? file.fileSize()) ?? size
            }
            throw error
        }
        size += UInt64(line.bytes.count)
        nextNumber += 1
        isTorn = false
    }
}

// MARK: Output of commands

extension JournalWriter {
    /// Writes what command `n` wrote: one line for a chunk of up to 64 KiB, or two where a held character joins it.
    /// - Returns: false when the limit keeps it, or the lines after a first one, from being written. Then the command
    ///   has to end.
    public func output(n: UInt32, isError: Bool, _ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Bool {
        let channel = HeldOutput.Channel(n: n, isError: isError)
        guard !held.isEmpty, let fragment = held.first(where: { $0.channel == channel }) else {
            return try record(bytes, of: channel)
        }
        joined.removeAll(keepingCapacity: true)
        joined.append(contentsOf: fragment.bytes)
        joined.append(contentsOf: bytes)
        let text = joined
        return try text.span.withUnsafeBytes { text throws(SystemError) in try record(text, of: channel) }
    }

    /// Monotonic time since when the longest-held bytes wait for the rest of their character; `nil` when none do.
    public var heldSince: UInt64? { held.lazy.map(\.since).min() }

    /// Writes the bytes that have been held since `moment` or longer, without the rest of their characters.
    public func flushHeld(since moment: UInt64) throws(SystemError) { try flush { $0.since <= moment } }

    /// Writes what is held of command `n`. Belongs before the event that tells its end.
    public func finish(_ n: UInt32) throws(SystemError) { try flush { $0.channel.n == n } }

    private func flush(_ isChosen: (HeldOutput) -> Bool) throws(SystemError) {
        while let index = held.firstIndex(where: isChosen) {
            let fragment = held[index]
            fragment.bytes.withUnsafeBytes { compose($0, of: fragment.channel) }
            try append()
            held.remove(at: index)
        }
    }

    /// - Parameter text: begins with what is held of the channel.
    private func record(_ text: UnsafeRawBufferPointer, of channel: HeldOutput.Channel) throws(SystemError) -> Bool {
        var rest = text
        var since: UInt64?
        while true {
            let chunk = UnsafeRawBufferPointer(rebasing: rest.prefix(JournalFormat.mostData))
            let count = chunk.count - UTF8Boundary.unfinished(chunk)
            if count == 0 { break }
            compose(UnsafeRawBufferPointer(rebasing: chunk.prefix(count)), of: channel)
            guard size + UInt64(line.bytes.count) <= limit.bytes else {
                wasRefused = true
                return false
            }
            try append()
            held.removeAll { $0.channel == channel }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
        guard !rest.isEmpty else { return true }
        if let index = held.firstIndex(where: { $0.channel == channel }) {
            since = held.remove(at: index).since
        }
        held.append(HeldOutput(channel: channel, bytes: Array(rest), since: since ?? SystemClock.monotonic()))
        return true
    }

    private func compose(_ data: UnsafeRawBufferPointer, of channel: HeldOutput.Channel) {
        // What base64 would take, with the field that names it.
        let limit = (data.count + 2) / 3 * 4 + #","encoding":"base64""#.utf8.count
        compose(channel.isError ? "stderr" : "stdout") { line in
            line.field("n", channel.n)
            line.key("data")
            if UTF8Boundary.isValid(data), line.string(utf8: data, limit: limit) { return }
            line.base64(data)
            line.field("encoding", "base64")
        }
    }
}

/// The first bytes of a character whose rest has not come yet.
private struct HeldOutput {
    struct Channel: Equatable {
        let n: UInt32
        let isError: Bool
    }

    let channel: Channel
    /// One to three.
    let bytes: [UInt8]
    let since: UInt64
}
