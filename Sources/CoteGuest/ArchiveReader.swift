import CoteArchive
import Glibc

/// The members of a tar stream in ustar, pax, GNU or the old format, one after the other; hostile until proved
/// otherwise.
///
/// Memory is bounded by one extended header. Whatever this cannot read exactly it refuses, with the member's name.
struct ArchiveReader: ~Copyable {
    private var input: ArchiveInput
    /// Bytes of the current member, and of the padding after it, that have not been read.
    private var content: UInt64 = 0
    private var padding: UInt64 = 0
    private var defaults: [String: [UInt8]] = [:]
    private var current = FilePath("the first entry")

    /// Of extended headers and long names; the longest that any program has use for is a fraction of it.
    private static let longestExtension: UInt64 = 1 << 20

    init(_ input: consuming ArchiveInput) { self.input = input }

    /// The next member, or `nil` after the last; what is left of the one before is skipped.
    mutating func next() throws(FileFailure) -> ArchiveEntry? {
        var records: [String: [UInt8]] = [:]
        var isExtended = false
        while true {
            try skip()
            guard let header = try header() else {
                if isExtended { throw FileFailure(current, "the archive ends within an entry") }
                try drain()
                return nil
            }
            switch header.kind {
            case UInt8(ascii: "x"): records.merge(try extendedRecords(header).values) { $1 }
            case UInt8(ascii: "g"): defaults.merge(try extendedRecords(header).values) { $1 }
            case UInt8(ascii: "L"): records["path"] = try longText(header)
            case UInt8(ascii: "K"): records["linkpath"] = try longText(header)
            default: return try entry(header, defaults.merging(records) { $1 })
            }
            isExtended = true
        }
    }

    /// The next piece of the current member's content, valid until the next call; empty at its end.
    mutating func piece() throws(FileFailure) -> UnsafeRawBufferPointer {
        if content == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let piece = try input.next(content)
        if piece.isEmpty { throw truncated }
        content -= UInt64(piece.count)
        return piece
    }

    // MARK: Blocks

    private var truncated: FileFailure { FileFailure(current, "the archive is truncated") }

    private mutating func skip() throws(FileFailure) {
        while !(try piece().isEmpty) {}
        while padding > 0 {
            let count = UInt64(try input.next(padding).count)
            if count == 0 { throw truncated }
            padding -= count
        }
    }

    /// `nil` at the block of zeros that ends an archive. One that lacks it has lost its end.
    private mutating func header() throws(FileFailure) -> ArchiveHeader? {
        guard let block = try input.bytes(ArchiveHeader.blockSize) else { throw truncated }
        if block.allSatisfy({ $0 == 0 }) { return nil }
        let header = ArchiveHeader(block: block)
        guard header.isIntact else { throw FileFailure(current, "followed by a header with a bad checksum") }
        return header
    }

    /// Reads what comes after the end, so that its writer never meets a closed pipe.
    private mutating func drain() throws(FileFailure) {
        while !(try input.next(.max).isEmpty) {}
    }

    private mutating func setContent(_ size: UInt64) {
        content = size
        let block = UInt64(ArchiveHeader.blockSize)
        padding = (block - size % block) % block
    }

    // MARK: Extensions

    private mutating func extensionBytes(_ header: ArchiveHeader) throws(FileFailure) -> [UInt8] {
        guard let size = header.number(ArchiveHeader.Field.size), size <= Self.longestExtension else {
            throw FileFailure(current, "followed by an extended header that is too long")
        }
        setContent(size)
        guard let bytes = try input.bytes(Int(size)) else { throw truncated }
        content = 0
        return bytes
    }

    private mutating func extendedRecords(_ header: ArchiveHeader) throws(FileFailure) -> ArchiveRecords {
        guard let records = ArchiveRecords(try extensionBytes(header)) else {
            throw FileFailure(current, "followed by an extended header that cannot be read")
        }
        return records
    }

    private mutating func longText(_ header: ArchiveHeader) throws(FileFailure) -> [UInt8] {
        Array(try extensionBytes(header).prefix { $0 != 0 })
    }

    // MARK: Members

    private mutating func entry(
        _ header: ArchiveHeader, _ records: [String: [UInt8]]
    ) throws(FileFailure) -> ArchiveEntry {
        let stored = records["path"].map { FilePath($0) } ?? header.name
        current = stored
        let kind = try kind(header, stored, records)
        var size: UInt64 = 0
        if kind == .regular { size = try number(header, ArchiveHeader.Field.size, records["size"], "size") }
        // Padding must not carry the sum past what can be counted.
        guard size <= UInt64(Int64.max) else { throw FileFailure(stored, "the size is not one a file can have") }
        setContent(size)
        let link = records["linkpath"].map { FilePath($0) } ?? header.link
        let mode = UInt32(truncatingIfNeeded: try number(header, ArchiveHeader.Field.mode, nil, "mode")) & 0o7777
        var entry = ArchiveEntry(
            kind: kind, path: stored, mode: mode, modified: try modified(header, records["mtime"]))
        entry.link = link
        entry.size = size
        return entry
    }

    private func kind(
        _ header: ArchiveHeader, _ path: FilePath, _ records: [String: [UInt8]]
    ) throws(FileFailure) -> ArchiveEntry.Kind {
        if records.keys.contains(where: { $0.hasPrefix("GNU.sparse.") }) {
            throw FileFailure(path, "a sparse file is not supported")
        }
        switch header.kind {
        case UInt8(ascii: "0"), UInt8(ascii: "7"), 0:
            // The old format knows a directory by its slash.
            return path.bytes.last == FilePath.slash ? .directory : .regular
        case UInt8(ascii: "1"): return .hardLink
        case UInt8(ascii: "2"): return .symbolicLink
        case UInt8(ascii: "5"): return .directory
        case UInt8(ascii: "3"), UInt8(ascii: "4"): throw FileFailure(path, "a device is not unpacked")
        case UInt8(ascii: "6"): throw FileFailure(path, "a fifo is not unpacked")
        case UInt8(ascii: "S"): throw FileFailure(path, "a sparse file is not supported")
        default: throw FileFailure(path, "an entry of an unknown kind, number \(header.kind)")
        }
    }

    private func number(
        _ header: ArchiveHeader, _ field: Range<Int>, _ record: [UInt8]?, _ what: String
    ) throws(FileFailure) -> UInt64 {
        let value = record.map { ArchiveHeader.number($0, radix: 10) } ?? header.number(field)
        guard let value else { throw FileFailure(current, "the \(what) is not a number") }
        return value
    }

    private func modified(_ header: ArchiveHeader, _ record: [UInt8]?) throws(FileFailure) -> timespec {
        if let record {
            guard let time = timespec(decimal: record) else {
                throw FileFailure(current, "the time of modification is not a number")
            }
            return time
        }
        let seconds = try number(header, ArchiveHeader.Field.modified, nil, "time of modification")
        return timespec(tv_sec: Int(clamping: min(seconds, 1 << 40)), tv_nsec: 0)
    }
}
