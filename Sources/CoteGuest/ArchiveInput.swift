import CoteArchive
import CoteSystem

/// A stream of bytes in, read in large pieces.
struct ArchiveInput: ~Copyable {
    private let descriptor: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer
    private var unread = 0..<0
    private static let name = FilePath("input")

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
        buffer = .allocate(byteCount: 128 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// What comes next, at least one byte and at most `limit`, valid until the next call; empty at the end.
    mutating func next(_ limit: UInt64) throws(FileFailure) -> UnsafeRawBufferPointer {
        if unread.isEmpty { unread = 0..<(try descriptor.readSome(into: buffer, Self.name)) }
        let count = min(unread.count, Int(clamping: limit))
        let piece = unread.lowerBound..<unread.lowerBound + count
        unread = piece.upperBound..<unread.upperBound
        return UnsafeRawBufferPointer(rebasing: buffer[piece])
    }

    /// Exactly `count` bytes, or `nil` when the end comes first.
    mutating func bytes(_ count: Int) throws(FileFailure) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            let piece = try next(UInt64(count - result.count))
            if piece.isEmpty { return nil }
            result += piece
        }
        return result
    }
}
