import CoteArchive
import CoteWorker
import Glibc

/// Bytes that are read once, from the first to the last.
package protocol ByteSource: AnyObject {
    /// Reads at least one byte, or none at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int
}

/// A file that was handed over, of which so many bytes are meant.
final class FileSource: ByteSource {
    private let descriptor: CInt
    private var left: UInt64

    /// - Parameter size: of the whole; `nil` takes what there is.
    init(_ descriptor: CInt, size: UInt64?) throws(UnpackFailure) {
        self.descriptor = descriptor
        var status = stat()
        try attempt("fstat") { fstat(descriptor, &status) }
        if let size, status.st_mode & S_IFMT == S_IFREG, UInt64(clamping: status.st_size) != size {
            throw .refused(.sizeLie, FilePath(""), "has \(status.st_size) bytes and not \(size)")
        }
        left = size ?? .max
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        let wanted = min(buffer.count, Int(clamping: left))
        if wanted == 0 { return 0 }
        let count = try attempt("read") { Glibc.read(descriptor, buffer.baseAddress, wanted) }
        left -= UInt64(count)
        return count
    }
}

/// What has been read of a source and not been used yet.
final class BufferedInput {
    private let source: any ByteSource
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    private var range = 0..<0
    private var isOver = false
    /// Bytes used.
    private(set) var used: UInt64 = 0

    init(_ source: any ByteSource) { self.source = source }

    deinit { buffer.deallocate() }

    var unread: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[range]) }

    func use(_ count: Int) {
        range = range.lowerBound + count..<range.upperBound
        used += UInt64(count)
    }

    /// Reads more unless there is something unread; false at the end.
    func fill() throws(UnpackFailure) -> Bool { try have(1) }

    /// Reads on until `count` bytes, a few, are unread; false where there are not as many any more.
    func have(_ count: Int) throws(UnpackFailure) -> Bool {
        while range.count < count, !isOver {
            if range.lowerBound > 0 {
                buffer.copyMemory(from: unread)
                range = 0..<range.count
            }
            let got = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[range.upperBound...]))
            if got == 0 { isOver = true }
            range = 0..<range.upperBound + got
        }
        return range.count >= count
    }
}
