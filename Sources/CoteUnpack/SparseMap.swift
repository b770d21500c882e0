import CoteArchive
import CoteWorker

/// Where the bytes that an archive has of a sparse file belong.
struct SparseMap {
    /// Of the whole file.
    var size: UInt64 = 0
    private var extents: [ArchiveExtent] = []
    private let limit: Int

    /// - Parameter limit: a file of more pieces is refused.
    init(limit: Int) { self.limit = limit }

    mutating func add(_ offset: UInt64?, _ length: UInt64?, of entry: FilePath) throws(UnpackFailure) {
        guard let offset, let length else { throw .refused(.badSparse, entry, "has a map that is not numbers") }
        if extents.count >= limit { throw .refused(.badSparse, entry, "has more than \(limit) pieces") }
        extents.append(ArchiveExtent(offset: offset, length: length))
    }

    /// Pairs of numbers in a block; one with nothing in it ends them.
    mutating func add(
        _ block: ArchiveHeader, from start: Int, count: Int, of entry: FilePath
    ) throws(UnpackFailure) {
        for index in 0..<count {
            let place = start + index * 24
            if block.block[place] == 0 { return }
            try add(block.number(place..<place + 12), block.number(place + 12..<place + 24), of: entry)
        }
    }

    /// Formats 0.0, a record for each number, and 0.1, one list with commas.
    mutating func add(_ records: ArchiveRecords, of entry: FilePath) throws(UnpackFailure) {
        var numbers: [UInt64?] = []
        for (key, value) in records.list {
            switch key {
            case "GNU.sparse.offset":
                if numbers.count % 2 != 0 { throw .refused(.badSparse, entry, "has a map with a piece missing") }
                numbers.append(ArchiveHeader.number(value, radix: 10))
            case "GNU.sparse.numbytes":
                if numbers.count % 2 != 1 { throw .refused(.badSparse, entry, "has a map with a piece missing") }
                numbers.append(ArchiveHeader.number(value, radix: 10))
            case "GNU.sparse.map":
                numbers = value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
                    ArchiveHeader.number($0, radix: 10)
                }
            default: break
            }
        }
        if numbers.count % 2 != 0 { throw .refused(.badSparse, entry, "has a map with a piece missing") }
        for index in stride(from: 0, to: numbers.count, by: 2) {
            try add(numbers[index], numbers[index + 1], of: entry)
        }
    }

    /// The pieces, one behind the other within the file, and together all that is stored.
    func checked(stored: UInt64, of entry: FilePath) throws(UnpackFailure) -> [ArchiveExtent] {
        guard size <= UInt64(Int64.max) else { throw .refused(.badSparse, entry, "claims \(size) bytes") }
        var end: UInt64 = 0
        var sum: UInt64 = 0
        for extent in extents {
            let (last, overflow) = extent.offset.addingReportingOverflow(extent.length)
            guard !overflow, extent.offset >= end, last <= size else {
                throw .refused(.badSparse, entry, "has pieces that overlap or lie outside")
            }
            end = last
            sum += extent.length
        }
        guard sum == stored else { throw .refused(.badSparse, entry, "has \(stored) bytes for \(sum)") }
        return extents.filter { $0.length > 0 }
    }
}

/// Reads the map of format 1.0: how many pieces, then offset and length of each, every number on a line.
struct SparseMapLines {
    private var number: [UInt8] = []
    private var missing: UInt64?
    private var offset: UInt64?

    var isComplete: Bool { missing == 0 }

    mutating func add(_ block: [UInt8], to map: inout SparseMap, of entry: FilePath) throws(UnpackFailure) {
        for byte in block where !isComplete {
            if byte != UInt8(ascii: "\n") {
                number.append(byte)
                if number.count > 20 { throw .refused(.badSparse, entry, "has a map that is not numbers") }
                continue
            }
            guard let value = ArchiveHeader.number(number, radix: 10) else {
                throw .refused(.badSparse, entry, "has a map that is not numbers")
            }
            number = []
            if let missing {
                if let offset {
                    try map.add(offset, value, of: entry)
                    self.missing = missing - 1
                    self.offset = nil
                } else {
                    offset = value
                }
            } else {
                missing = value
            }
        }
    }
}
