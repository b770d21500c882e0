import CoteSystem

/// Where a journal that exists goes on.
///
/// A line's number never exceeds the file's size when it is written: lines are longer than one byte, and a count that
/// is lost goes on from the size. So a larger number is rubbish, and the size is always safe to go on from.
struct JournalTail {
    /// Bytes in the file.
    let end: UInt64
    let lastNumber: UInt64
    /// Whether the file ends in something without a newline that is no torn line of ours, because it is too long.
    let isTorn: Bool

    /// Reads the end of the file, as much as one line can be, and cuts a torn last line off.
    init(of file: borrowing Descriptor) throws(SystemError) {
        let size = try file.fileSize()
        let tail = try Self.read(file, size: size)
        guard let newline = tail.lastIndex(of: JournalFormat.newline) else {
            let isWhole = UInt64(tail.count) == size
            if isWhole, size > 0 { try file.truncate(to: 0) }
            end = isWhole ? 0 : size
            lastNumber = end
            isTorn = !isWhole
            return
        }
        let torn = tail.count - newline - 1
        end = size - UInt64(torn)
        if torn > 0 { try file.truncate(to: end) }
        lastNumber = Self.lastNumber(in: tail[..<newline], atMost: end) ?? end
        isTorn = false
    }

    private static func read(_ file: borrowing Descriptor, size: UInt64) throws(SystemError) -> [UInt8] {
        let count = Int(min(size, UInt64(JournalFormat.longestLine)))
        var tail = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = try file.read(into: &tail, from: filled, at: size - UInt64(count - filled))
            if got == 0 { break }
            filled += got
        }
        return tail
    }

    /// The number of the last readable one of some lines, the newline of the last one left out.
    private static func lastNumber(in lines: ArraySlice<UInt8>, atMost most: UInt64) -> UInt64? {
        var rest = lines
        while true {
            let newline = rest.lastIndex(of: JournalFormat.newline)
            let line = rest[(newline.map { $0 + 1 } ?? rest.startIndex)...]
            if let record = JournalRecord(line: Array(line)), record.seq <= most { return record.seq }
            guard let newline else { return nil }
            rest = rest[..<newline]
        }
    }
}
