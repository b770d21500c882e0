import CoteArchive
import Glibc

/// Finds the zeros of a file. What counts is content and not what the disk has of it, which a copy may change.
enum SparseScan {
    private static let block: UInt64 = 4096
    /// Shorter runs of zeros are not worth a piece.
    private static let shortestHole: UInt64 = 64 << 10
    private static let mostExtents = 1 << 16

    /// Where the content is; `nil` where there are no holes worth the map.
    static func extents(of file: CInt, size: UInt64, _ path: FilePath) throws(UnpackFailure) -> [ArchiveExtent]? {
        if size < shortestHole { return nil }
        var data: [ArchiveExtent] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while offset < size {
            offset = skipHole(file, offset, size)
            if offset >= size { break }
            let count = try attempt("pread", path) { pread(file, buffer.baseAddress, buffer.count, off_t(offset)) }
            if count == 0 { break }
            let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            for start in stride(from: 0, to: count, by: Int(block)) {
                let end = min(start + Int(block), count)
                if isZero(UnsafeRawBufferPointer(rebasing: piece[start..<end])) { continue }
                add(offset + UInt64(start), offset + UInt64(end), size, &data)
            }
            offset += UInt64(count)
        }
        return finished(data, size)
    }

    /// On to where the disk has something, in whole blocks.
    private static func skipHole(_ file: CInt, _ offset: UInt64, _ size: UInt64) -> UInt64 {
        let next = lseek(file, off_t(clamping: offset), 3)  // SEEK_DATA
        if next < 0 { return errno == ENXIO ? size : offset }
        return max(offset, UInt64(next) / block * block)
    }

    private static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count % 8 == 0 else { return bytes.allSatisfy { $0 == 0 } }
        var any: UInt64 = 0
        for index in stride(from: 0, to: bytes.count, by: 8) {
            any |= bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        }
        return any == 0
    }

    private static func add(_ start: UInt64, _ end: UInt64, _ size: UInt64, _ data: inout [ArchiveExtent]) {
        let end = min(end, size)
        // The first hole counts from the file's beginning.
        let last = data.last.map { $0.offset + $0.length } ?? 0
        if start - last < shortestHole {
            if data.isEmpty {
                data.append(ArchiveExtent(offset: 0, length: end))
            } else {
                data[data.count - 1].length = end - data[data.count - 1].offset
            }
        } else {
            data.append(ArchiveExtent(offset: start, length: end - start))
        }
    }

    private static func finished(_ data: [ArchiveExtent], _ size: UInt64) -> [ArchiveExtent]? {
        var data = data
        let end = data.last.map { $0.offset + $0.length } ?? 0
        if size - end < shortestHole, !data.isEmpty { data[data.count - 1].length += size - end }
        let stored = data.reduce(0) { $0 + $1.length }
        return stored == size || data.count > mostExtents ? nil : data
    }
}
