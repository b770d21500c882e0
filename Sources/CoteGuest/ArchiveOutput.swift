import CoteArchive
import CoteSystem
import Glibc

/// A stream of bytes out, written in large pieces.
struct ArchiveOutput: ~Copyable {
    private let descriptor: Descriptor
    private var pending: [UInt8] = []
    private static let limit = 128 << 10
    private static let name = FilePath("output")

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
        pending.reserveCapacity(Self.limit)
    }

    mutating func write(_ bytes: [UInt8]) throws(FileFailure) {
        if pending.count + bytes.count > Self.limit { try flush() }
        pending += bytes
    }

    /// Copies exactly `count` bytes of `file`.
    /// - Throws: when it has fewer; what it has more is left out.
    mutating func copy(_ file: borrowing Descriptor, count: UInt64, _ path: FilePath) throws(FileFailure) {
        var left = count
        while left > 0 {
            if pending.count >= Self.limit { try flush() }
            let used = pending.count
            let wanted = min(Int(clamping: left), Self.limit - used)
            pending.append(contentsOf: repeatElement(0, count: wanted))
            let got = try readPending(file, from: used, path)
            if got == 0 { throw FileFailure(path, "became shorter while it was read") }
            pending.removeLast(wanted - got)
            left -= UInt64(got)
        }
    }

    private mutating func readPending(
        _ file: borrowing Descriptor, from start: Int, _ path: FilePath
    ) throws(FileFailure) -> Int {
        let number = file.raw
        return try attempt(path) {
            pending.withUnsafeMutableBytes { buffer in
                read(number, buffer.baseAddress?.advanced(by: start), buffer.count - start)
            }
        }
    }

    mutating func flush() throws(FileFailure) {
        do { try descriptor.write(all: pending) } catch { throw FileFailure(error, Self.name) }
        pending.removeAll(keepingCapacity: true)
    }
}
