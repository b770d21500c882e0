import CZlib
import CZstd
import CoteArchive
import CoteWorker
import Glibc

/// Layers and archives as they are stored: compressed by gzip or zstd, or not, which their first bytes say.
package enum Compression {
    /// The bytes as they were before.
    package static func open(_ stored: any ByteSource, _ limit: DecodingLimit) throws(UnpackFailure) -> any ByteSource {
        let input = BufferedInput(stored)
        _ = try input.have(4)
        let head = input.unread.prefix(4)
        if head.starts(with: [0x1f, 0x8b]) { return LimitedSource(try GzipSource(input), input, limit) }
        // A frame, or one of those that are to be skipped.
        let isZstd = head.elementsEqual([0x28, 0xb5, 0x2f, 0xfd])
        let isSkipped = head.count == 4 && head[0] & 0xf0 == 0x50 && head.dropFirst().elementsEqual([0x2a, 0x4d, 0x18])
        if isZstd || isSkipped { return LimitedSource(try ZstdSource(input), input, limit) }
        return LimitedSource(PlainSource(input), input, limit)
    }
}

/// How much may come out of compressed bytes.
package struct DecodingLimit: Sendable {
    /// Bytes in all.
    package var bytes: UInt64
    /// Up to here no ratio is too good: zeros of a small file.
    package var free: UInt64 = 256 << 20
    /// Past `free`, bytes that one compressed byte may become. What is honest is rarely above 20.
    package var ratio: UInt64 = 200

    package init(bytes: UInt64) { self.bytes = bytes }
}

/// Refuses a bomb as soon as it is one.
private final class LimitedSource: ByteSource {
    private let source: any ByteSource
    private let input: BufferedInput
    private let limit: DecodingLimit
    private var produced: UInt64 = 0

    init(_ source: any ByteSource, _ input: BufferedInput, _ limit: DecodingLimit) {
        self.source = source
        self.input = input
        self.limit = limit
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        let count = try source.read(into: buffer)
        produced += UInt64(count)
        let nothing = FilePath("")
        if produced > limit.bytes { throw .refused(.bomb, nothing, "has more than \(limit.bytes) bytes") }
        if produced > limit.free, (produced - limit.free) / limit.ratio > input.used {
            throw .refused(.bomb, nothing, "\(input.used) bytes became more than \(produced)")
        }
        return count
    }
}

private final class PlainSource: ByteSource {
    private let input: BufferedInput

    init(_ input: BufferedInput) { self.input = input }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        guard try input.fill() else { return 0 }
        let count = min(buffer.count, input.unread.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: input.unread[..<count]))
        input.use(count)
        return count
    }
}

/// RFC 1952, members one after the other.
private final class GzipSource: ByteSource {
    private let input: BufferedInput
    /// zlib remembers its address.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private var isOver = false
    /// 15 bits of window, and 16 for gzip's header and trailer.
    private static let windowBits: CInt = 15 + 16

    init(_ input: BufferedInput) throws(UnpackFailure) {
        self.input = input
        stream.initialize(to: z_stream())
        let size = CInt(MemoryLayout<z_stream>.size)
        guard inflateInit2_(stream, Self.windowBits, ZLIB_VERSION, size) == Z_OK else {
            throw .failed("inflateInit2", code: ENOMEM)
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        while !isOver {
            guard try input.fill() else {
                throw .refused(.truncated, FilePath(""), "the compressed bytes end too early")
            }
            let count = try inflate(into: buffer)
            if count > 0 { return count }
        }
        return 0
    }

    private func inflate(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        let bytes = input.unread.assumingMemoryBound(to: UInt8.self)
        stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
        stream.pointee.avail_in = UInt32(bytes.count)
        stream.pointee.next_out = buffer.assumingMemoryBound(to: UInt8.self).baseAddress
        stream.pointee.avail_out = UInt32(clamping: buffer.count)
        let before = stream.pointee.avail_out
        let code = CZlib.inflate(stream, Z_NO_FLUSH)
        input.use(bytes.count - Int(stream.pointee.avail_in))
        switch code {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: try endMember()
        case Z_MEM_ERROR: throw .failed("inflate", code: ENOMEM)
        default:
            let detail = stream.pointee.msg.map { String(cString: $0) } ?? "code \(code)"
            throw .refused(.badCompression, FilePath(""), "not gzip: \(detail)")
        }
        return Int(before - stream.pointee.avail_out)
    }

    /// Zeros after the last member are padding, as of a tape; anything else but a member is not.
    private func endMember() throws(UnpackFailure) {
        inflateReset(stream)
        if try input.fill(), input.unread[0] == 0x1f { return }
        isOver = true
        while try input.fill() {
            if input.unread.contains(where: { $0 != 0 }) {
                throw .refused(.trailingData, FilePath(""), "something follows the compressed bytes")
            }
            input.use(input.unread.count)
        }
    }
}

/// RFC 8878, frames one after the other.
private final class ZstdSource: ByteSource {
    private let input: BufferedInput
    private let context: OpaquePointer
    private var isBetweenFrames = true
    private var frames = 0
    /// What an encoder uses unless it is asked for more, and what the format's own programs take: 128 MiB.
    private static let largestWindow: CInt = 27

    init(_ input: BufferedInput) throws(UnpackFailure) {
        self.input = input
        guard let context = ZSTD_createDCtx() else { throw .failed("ZSTD_createDCtx", code: ENOMEM) }
        self.context = context
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.largestWindow)
    }

    deinit { ZSTD_freeDCtx(context) }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        while true {
            let isMore = try input.fill()
            if !isMore, isBetweenFrames { return 0 }
            let count = try decode(into: buffer)
            if count > 0 { return count }
            if !isMore, !isBetweenFrames {
                throw .refused(.truncated, FilePath(""), "the compressed bytes end too early")
            }
        }
    }

    private func decode(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        let unread = input.unread
        var from = ZSTD_inBuffer(src: unread.baseAddress, size: unread.count, pos: 0)
        var to = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
        let wasBetween = isBetweenFrames
        let result = ZSTD_decompressStream(context, &to, &from)
        input.use(from.pos)
        if ZSTD_isError(result) != 0 {
            let detail = String(cString: ZSTD_getErrorName(result))
            let reason: UnpackRefusal = wasBetween && frames > 0 ? .trailingData : .badCompression
            throw .refused(reason, FilePath(""), "not zstd: \(detail)")
        }
        isBetweenFrames = result == 0
        if isBetweenFrames { frames += 1 }
        return to.pos
    }
}
