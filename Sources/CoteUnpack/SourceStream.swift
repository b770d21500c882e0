/// The bytes of a source as a stream, on one thread.
package final class SourceStream: ByteStream {
    private let source: any ByteSource
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 64)
    private var unread = 0..<0

    package init(_ source: any ByteSource) { self.source = source }

    deinit { buffer.deallocate() }

    package func next(_ limit: Int) throws(UnpackFailure) -> UnsafeRawBufferPointer {
        if unread.isEmpty { unread = 0..<(try source.read(into: buffer)) }
        let count = min(unread.count, limit)
        let range = unread.lowerBound..<unread.lowerBound + count
        unread = range.upperBound..<unread.upperBound
        return UnsafeRawBufferPointer(rebasing: buffer[range])
    }
}
