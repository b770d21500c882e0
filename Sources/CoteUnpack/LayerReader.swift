package import CoteArchive
import CoteWorker
import Glibc

/// The members of a layer's tar stream in ustar, pax, GNU or the old format, one after the other; hostile until proved
/// otherwise.
///
/// Memory is bounded by a few extended headers. Whatever this cannot read exactly it refuses, with the member's name.
/// Formats: POSIX.1-2001 (pax), and GNU tar's manual, "Basic Tar Format" and "Storing Sparse Files".
package final class LayerReader {
    private let stream: any ByteStream
    private let needsEnd: Bool
    /// Bytes of the current member, and of the padding after it, that have not been read.
    private var content: UInt64 = 0
    private var padding = 0
    private var defaults = ArchiveRecords()
    private(set) var current = FilePath("")

    /// Of extended headers and long names; the longest that any program has use for is a fraction of it.
    private static let longestExtension: UInt64 = 1 << 20
    private static let mostExtensions = 16
    private static let mostExtents = 1 << 18

    /// - Parameter needsEnd: whether a stream without the blocks of zeros that end an archive is refused; not where
    ///   its digest says that nothing is missing.
    package init(_ stream: any ByteStream, needsEnd: Bool = true) {
        self.stream = stream
        self.needsEnd = needsEnd
    }

    /// The next member, or `nil` after the last; what is left of the one before is skipped.
    package func next() throws(UnpackFailure) -> ArchiveEntry? {
        var records = ArchiveRecords()
        var extensions = 0
        while true {
            try skip()
            guard let header = try header() else {
                if extensions > 0 { throw refused(.truncated, "the archive ends within a member") }
                try drain()
                return nil
            }
            switch header.kind {
            case UInt8(ascii: "x"): records.merge(try extendedRecords(header))
            case UInt8(ascii: "g"):
                defaults.merge(try extendedRecords(header))
                if defaults.bytes.count > Self.longestExtension {
                    throw refused(.badHeader, "global headers are too long")
                }
            case UInt8(ascii: "L"): records.add("path", try longText(header))
            case UInt8(ascii: "K"): records.add("linkpath", try longText(header))
            default: return try member(header, defaults.bytes.isEmpty ? records : defaults.merging(records))
            }
            extensions += 1
            if extensions > Self.mostExtensions {
                throw refused(.badHeader, "more than \(Self.mostExtensions) headers before one member")
            }
        }
    }

    /// The next piece of what the archive has of the current member's content, valid until the next call; empty at its
    /// end.
    package func piece(_ limit: Int = .max) throws(UnpackFailure) -> UnsafeRawBufferPointer {
        if content == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let piece = try stream.next(min(limit, Int(clamping: content)))
        if piece.isEmpty { throw refused(.truncated, "the archive ends within its content") }
        content -= UInt64(piece.count)
        return piece
    }

    func refused(_ reason: UnpackRefusal, _ detail: String) -> UnpackFailure { .refused(reason, current, detail) }

    // MARK: Blocks

    private func skip() throws(UnpackFailure) {
        while !(try piece().isEmpty) {}
        while padding > 0 {
            let count = try stream.next(padding).count
            if count == 0 { throw refused(.truncated, "the archive ends after its content") }
            padding -= count
        }
    }

    /// A whole block, or `nil` at the end of the stream.
    private func block() throws(UnpackFailure) -> [UInt8]? {
        let bytes = try bytes(ArchiveHeader.blockSize)
        if bytes.isEmpty { return nil }
        if bytes.count < ArchiveHeader.blockSize { throw refused(.truncated, "the archive ends within a header") }
        return bytes
    }

    /// `count` bytes, or as many as there are.
    private func bytes(_ count: Int) throws(UnpackFailure) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            let piece = try stream.next(count - result.count)
            if piece.isEmpty { break }
            result += piece
        }
        return result
    }

    /// `nil` at the end, which two blocks of zeros mark.
    private func header() throws(UnpackFailure) -> ArchiveHeader? {
        guard let block = try block() else {
            if needsEnd { throw refused(.truncated, "the archive has no end") }
            return nil
        }
        if block.allSatisfy({ $0 == 0 }) { return nil }
        let header = ArchiveHeader(block: block)
        guard header.isIntact else { throw refused(.badHeader, "followed by a header with a bad checksum") }
        return header
    }

    /// Only zeros may come after the end: something that a laxer reader would find there is not to be hidden.
    private func drain() throws(UnpackFailure) {
        while true {
            let piece = try stream.next(.max)
            if piece.isEmpty { return }
            if piece.contains(where: { $0 != 0 }) {
                throw refused(.trailingData, "something follows the archive's end")
            }
        }
    }

    private func setContent(_ size: UInt64) {
        content = size
        let block = UInt64(ArchiveHeader.blockSize)
        padding = Int((block - size % block) % block)
    }

    // MARK: Extensions

    private func extensionBytes(_ header: ArchiveHeader) throws(UnpackFailure) -> [UInt8] {
        guard let size = header.number(ArchiveHeader.Field.size), size <= Self.longestExtension else {
            throw refused(.badHeader, "followed by an extended header that is too long")
        }
        setContent(size)
        let bytes = try bytes(Int(size))
        if bytes.count < size { throw refused(.truncated, "the archive ends within an extended header") }
        content = 0
        return bytes
    }

    private func extendedRecords(_ header: ArchiveHeader) throws(UnpackFailure) -> ArchiveRecords {
        guard let records = ArchiveRecords(try extensionBytes(header)) else {
            throw refused(.badHeader, "followed by an extended header that cannot be read")
        }
        return records
    }

    private func longText(_ header: ArchiveHeader) throws(UnpackFailure) -> [UInt8] {
        Array(try extensionBytes(header).prefix { $0 != 0 })
    }

    // MARK: Members

    private func member(_ header: ArchiveHeader, _ records: ArchiveRecords) throws(UnpackFailure) -> ArchiveEntry {
        let values = records.values.filter { !$0.value.isEmpty }
        current = (values["GNU.sparse.name"] ?? values["path"]).map { FilePath($0) } ?? header.name
        var entry = ArchiveEntry(
            kind: try kind(header), path: current, mode: 0, modified: try modified(header, values["mtime"]))
        let size = try number(header, ArchiveHeader.Field.size, values["size"], "size")
        guard size <= UInt64(Int64.max) else { throw refused(.sizeLie, "claims \(size) bytes") }
        if entry.kind != .regular, size > 0 { throw refused(.sizeLie, "has content, which its kind cannot have") }
        setContent(size)
        entry.size = size
        if entry.kind == .hardLink || entry.kind == .symbolicLink {
            entry.link = values["linkpath"].map { FilePath($0) } ?? header.link
        }
        let mode = try number(header, ArchiveHeader.Field.mode, nil, "mode")
        entry.mode = UInt32(truncatingIfNeeded: mode) & 0o7777
        entry.user = try owner(header, ArchiveHeader.Field.user, values["uid"])
        entry.group = try owner(header, ArchiveHeader.Field.group, values["gid"])
        entry.attributes = try ExtendedAttributes.read(records, of: current)
        try readExtents(header, records, values, &entry)
        return entry
    }

    private func kind(_ header: ArchiveHeader) throws(UnpackFailure) -> ArchiveEntry.Kind {
        switch header.kind {
        case UInt8(ascii: "0"), UInt8(ascii: "7"), 0:
            // The old format knows a directory by its slash.
            return current.bytes.last == FilePath.slash ? .directory : .regular
        case UInt8(ascii: "S"): return .regular
        case UInt8(ascii: "1"): return .hardLink
        case UInt8(ascii: "2"): return .symbolicLink
        case UInt8(ascii: "3"), UInt8(ascii: "4"): throw refused(.deviceNode, "is a device")
        case UInt8(ascii: "5"): return .directory
        case UInt8(ascii: "6"): return .fifo
        default: throw refused(.unknownKind, "is of kind \(header.kind)")
        }
    }

    private func number(
        _ header: ArchiveHeader, _ field: Range<Int>, _ record: [UInt8]?, _ what: String
    ) throws(UnpackFailure) -> UInt64 {
        let value = record.map { ArchiveHeader.number($0, radix: 10) } ?? header.number(field)
        guard let value else {
            // Only base 256 and a sign can say less than nothing.
            let isNegative = record.map { $0.first == UInt8(ascii: "-") } ?? (header.block[field.lowerBound] == 0xff)
            throw refused(isNegative && what == "size" ? .sizeLie : .badHeader, "the \(what) is not a number")
        }
        return value
    }

    private func owner(
        _ header: ArchiveHeader, _ field: Range<Int>, _ record: [UInt8]?
    ) throws(UnpackFailure) -> UInt32 {
        let value = record.map { ArchiveHeader.number($0, radix: 10) } ?? header.number(field)
        guard let value, value < 65_536 else { throw refused(.badOwner, "has an owner that is none of 0 to 65535") }
        return UInt32(value)
    }

    private func modified(_ header: ArchiveHeader, _ record: [UInt8]?) throws(UnpackFailure) -> timespec {
        if let record {
            guard let time = timespec(decimal: record) else { throw refused(.badHeader, "the time is not a number") }
            return time
        }
        let field = ArchiveHeader.Field.modified
        // Base 256 of a moment before 1970; more than eight bytes of it are sign.
        if header.block[field.lowerBound] == 0xff {
            let low = header.block[field].suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return timespec(tv_sec: max(Int(Int64(bitPattern: low)), -(1 << 40)), tv_nsec: 0)
        }
        let seconds = try number(header, field, nil, "time")
        return timespec(tv_sec: Int(clamping: min(seconds, 1 << 40)), tv_nsec: 0)
    }

    // MARK: Sparse files

    private func readExtents(
        _ header: ArchiveHeader, _ records: ArchiveRecords, _ values: [String: [UInt8]], _ entry: inout ArchiveEntry
    ) throws(UnpackFailure) {
        let isOld = header.kind == UInt8(ascii: "S")
        guard isOld || values.keys.contains(where: { $0.hasPrefix("GNU.sparse.") }) else { return }
        if entry.kind != .regular { throw refused(.badSparse, "is sparse, which its kind cannot be") }
        var map = SparseMap(limit: Self.mostExtents)
        if isOld {
            try readOldMap(header, &map)
        } else if values["GNU.sparse.major"] == Array("1".utf8) {
            guard values["GNU.sparse.minor"] == Array("0".utf8) else {
                throw refused(.badSparse, "is sparse in an unknown way")
            }
            map.size = try sparseNumber(values["GNU.sparse.realsize"])
            try readMapInContent(&map)
        } else {
            map.size = try sparseNumber(values["GNU.sparse.size"] ?? values["GNU.sparse.realsize"])
            try map.add(records, of: current)
        }
        entry.size = map.size
        entry.data = try map.checked(stored: content, of: current)
    }

    private func sparseNumber(_ digits: [UInt8]?) throws(UnpackFailure) -> UInt64 {
        guard let digits, let value = ArchiveHeader.number(digits, radix: 10) else {
            throw refused(.badSparse, "has a map that is not numbers")
        }
        return value
    }

    /// Four pieces in the header, 21 in each block that follows as long as there are more.
    private func readOldMap(_ header: ArchiveHeader, _ map: inout SparseMap) throws(UnpackFailure) {
        guard let size = header.number(483..<495) else { throw refused(.badSparse, "has a size that is not a number") }
        map.size = size
        try map.add(header, from: 386, count: 4, of: current)
        var isMore = header.block[482] != 0
        while isMore {
            guard let block = try block() else { throw refused(.truncated, "the archive ends within a map") }
            try map.add(ArchiveHeader(block: block), from: 0, count: 21, of: current)
            isMore = block[504] != 0
            if isMore, block[0] == 0 { throw refused(.badSparse, "has a map that does not end") }
        }
    }

    /// Lines of digits at the beginning of the content, filled up to whole blocks.
    private func readMapInContent(_ map: inout SparseMap) throws(UnpackFailure) {
        var lines = SparseMapLines()
        while !lines.isComplete {
            guard content >= UInt64(ArchiveHeader.blockSize), let block = try block() else {
                throw refused(.badSparse, "has a map that does not end")
            }
            content -= UInt64(ArchiveHeader.blockSize)
            try lines.add(block, to: &map, of: current)
        }
    }
}
