import CoteArchive
import CoteContent
import CoteModel
import Glibc

/// A layer on its way to its file, hashed and written in large pieces.
final class LayerOutput {
    private let descriptor: CInt
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    private var used = 0
    private var hash = ContentHash()
    private var count: UInt64 = 0

    init(_ descriptor: CInt) { self.descriptor = descriptor }

    deinit { buffer.deallocate() }

    func write(_ bytes: [UInt8]) throws(UnpackFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if used == buffer.count { try flush() }
            let piece = rest.prefix(buffer.count - used)
            UnsafeMutableRawBufferPointer(rebasing: buffer[used...]).copyBytes(from: piece)
            used += piece.count
            rest = rest.dropFirst(piece.count)
        }
    }

    /// Copies a piece of a file.
    /// - Throws: where the file ends before it.
    func copy(_ file: CInt, _ extent: ArchiveExtent, _ path: FilePath) throws(UnpackFailure) {
        var (offset, left) = (extent.offset, extent.length)
        while left > 0 {
            if used == buffer.count { try flush() }
            let wanted = min(Int(clamping: left), buffer.count - used)
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[used..<used + wanted])
            let got = try attempt("pread", path) { pread(file, room.baseAddress, room.count, off_t(clamping: offset)) }
            if got == 0 { throw .failed("became shorter while it was read:", path, code: EAGAIN) }
            used += got
            offset += UInt64(got)
            left -= UInt64(got)
        }
    }

    /// The digest of all that was written, and its bytes.
    func finish() throws(UnpackFailure) -> (digest: Digest, bytes: UInt64) {
        try flush()
        return (hash.digest(), count)
    }

    private func flush() throws(UnpackFailure) {
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<used])
        hash.update(bytes)
        try FileContent.write(bytes, to: descriptor, FilePath("layer"))
        count += UInt64(used)
        used = 0
    }
}
