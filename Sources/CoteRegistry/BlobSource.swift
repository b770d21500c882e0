import CoteContent
import CoteModel
import CoteSystem
import CoteWorker
import NIOCore
import Synchronization

/// The file that a blob is sent from, and the hash of what has been read of it: each byte counts the first time, also
/// when it has to be sent twice.
final class BlobSource: Sendable {
    private let file: SharedDescriptor
    let size: UInt64
    private let hashed = Mutex(Hashed())

    private struct Hashed {
        var hash = ContentHash()
        var count: UInt64 = 0
    }

    init(_ file: SharedDescriptor, size: UInt64) {
        self.file = file
        self.size = size
    }

    /// What has been read, if it was everything.
    var digest: Digest? { hashed.withLock { $0.count == size ? $0.hash.digest() : nil } }

    /// The next piece from `offset` on, at most `limit` bytes; never empty.
    func read(at offset: UInt64, limit: Int) throws -> ByteBuffer {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count: Int
        do { count = try file.descriptor.read(into: &bytes, from: 0, at: offset) } catch {
            throw RegistryFailure.localFile(error)
        }
        guard count > 0 else { throw RegistryFailure(.localFile, "the file on this machine is shorter than it was") }
        hashed.withLock { hashed in
            let known = hashed.count
            guard offset <= known, known < offset + UInt64(count) else { return }
            bytes.withUnsafeBytes {
                hashed.hash.update(UnsafeRawBufferPointer(rebasing: $0[Int(known - offset)..<count]))
            }
            hashed.count = offset + UInt64(count)
        }
        return ByteBuffer(bytes: bytes[..<count])
    }

    /// A part of it as the body of a request.
    struct Pieces: AsyncSequence, Sendable {
        typealias Element = ByteBuffer

        let source: BlobSource
        let range: Range<UInt64>
        /// Told how far it is, before each piece.
        let passed: @Sendable (_ offset: UInt64, _ count: Int) -> Void

        private static let longest: UInt64 = 256 << 10

        func makeAsyncIterator() -> Iterator { Iterator(pieces: self, offset: range.lowerBound) }

        struct Iterator: AsyncIteratorProtocol {
            let pieces: Pieces
            var offset: UInt64

            mutating func next() async throws -> ByteBuffer? {
                guard offset < pieces.range.upperBound else { return nil }
                let limit = Int(Swift.min(Pieces.longest, pieces.range.upperBound - offset))
                let piece = try pieces.source.read(at: offset, limit: limit)
                pieces.passed(offset, piece.readableBytes)
                offset += UInt64(piece.readableBytes)
                return piece
            }
        }
    }
}
