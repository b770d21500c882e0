public import CoteSystem
public import Glibc

/// Reads the lines of a journal in their order, whoever has had the file in between: what is no line of a journal is
/// counted and passed over, and memory is bounded by the longest line.
public final class JournalReader {
    /// Rubbish passed over so far, in lines.
    public private(set) var damaged = 0
    let file: Descriptor
    /// Where in the file the bytes after `buffer[end]` come from.
    private var offset: UInt64 = 0
    private var buffer = [UInt8](repeating: 0, count: 128 << 10)
    private var start = 0
    private var end = 0
    /// Whether the line being read is too long and its beginning has been let go.
    private var isOverlong = false

    /// Opens the journal at `path`, to be read from its first line on.
    public init(_ path: String, at directory: CInt = AT_FDCWD) throws(SystemError) {
        file = try Descriptor.open(path, O_RDONLY | O_NONBLOCK, at: directory)
    }

    /// The next line; `nil` at the end of the file, where a last line without a newline is not one yet. More lines
    /// written after that are given by later calls.
    public func next() throws(SystemError) -> JournalRecord? {
        while true {
            guard let line = takeLine() else {
                if try fill() { continue }
                return nil
            }
            if isOverlong {
                isOverlong = false
            } else if let record = JournalRecord(line: Array(buffer[line])) {
                return record
            }
            damaged += 1
        }
    }

    private func takeLine() -> Range<Int>? {
        let length = buffer.withUnsafeBytes { bytes -> Int? in
            guard let base = bytes.baseAddress, start < end else { return nil }
            let found = memchr(base + start, CInt(JournalFormat.newline), end - start)
            return found.map { UnsafeRawPointer($0) - (base + start) }
        }
        guard let length else { return nil }
        defer { start += length + 1 }
        return start..<start + length
    }

    /// Reads more behind the unfinished line in the buffer. False at the end of the file.
    private func fill() throws(SystemError) -> Bool {
        if end - start >= JournalFormat.longestLine { isOverlong = true }
        if isOverlong { start = end }
        buffer.withUnsafeMutableBytes { bytes in
            bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        }
        end -= start
        start = 0
        if end == buffer.count { buffer.append(contentsOf: repeatElement(0, count: buffer.count)) }
        let count = try file.read(into: &buffer, from: end, at: offset)
        offset += UInt64(count)
        end += count
        if count > 0 { return true }
        // The writer may cut an unfinished line off and write another in its place: read it again next time.
        offset -= UInt64(end)
        end = 0
        return false
    }
}
