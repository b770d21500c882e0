import CoteArchive
import CoteContent
package import CoteModel
import CoteSystem
import CoteWorker
import Glibc
import Synchronization

/// Bytes for whoever takes them apart.
package protocol ByteStream: AnyObject {
    /// What comes next, at least one byte and at most `limit`, valid until the next call; empty at the end.
    func next(_ limit: Int) throws(UnpackFailure) -> UnsafeRawBufferPointer
}

/// Counts down what there is, and lets whoever wants more wait. Belongs to several threads.
private final class Supply: @unchecked Sendable {
    // INVARIANT: a POSIX semaphore is made for being shared; it lives as long as this object.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ count: Int) { sem_init(semaphore, 0, UInt32(count)) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func add() { sem_post(semaphore) }
    func take() { while sem_wait(semaphore) != 0 {} }
}

/// The uncompressed bytes of a source, decoded on one thread, hashed on a second, taken apart on the caller's.
package final class LayerStream: ByteStream, @unchecked Sendable {
    // INVARIANT: a piece belongs to the thread that last took it from one of the three supplies, which are in a circle:
    // free, decoded, hashed. All other variables belong to one thread, or are passed on with a piece.
    private let pieces: [Piece]
    private let free: Supply
    private let decoded = Supply(0)
    private let hashed = Supply(0)
    private let source: any ByteSource

    private var current = -1
    private var unread = 0..<0
    private var isOver = false
    /// Bytes that came out so far.
    package private(set) var count: UInt64 = 0
    private var digest: Digest?
    private let isAbandoned = Atomic(false)

    private final class Piece {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: LayerStream.pieceSize, alignment: 64)
        var count = 0
        var failure: UnpackFailure?
        var isLast: Bool { count == 0 || failure != nil }
        deinit { buffer.deallocate() }
    }

    private static let pieceSize = 512 << 10

    /// Begins at once.
    package init(_ source: any ByteSource, pieces count: Int = 8) throws(UnpackFailure) {
        self.source = source
        pieces = (0..<count).map { _ in Piece() }
        free = Supply(count)
        try telling { () throws(SystemError) in try Thread { self.decode() }.start() }
        try telling { () throws(SystemError) in try Thread { self.hash() }.start() }
    }

    /// Told now and then how many bytes have been taken.
    package var passed: (UInt64) -> Void = { _ in }
    private var toldAt: UInt64 = 0
    private static let step: UInt64 = 8 << 20

    package func next(_ limit: Int) throws(UnpackFailure) -> UnsafeRawBufferPointer {
        if unread.isEmpty { try advance() }
        let count = min(unread.count, limit)
        let range = unread.lowerBound..<unread.lowerBound + count
        unread = range.upperBound..<unread.upperBound
        self.count += UInt64(count)
        return isOver
            ? UnsafeRawBufferPointer(start: nil, count: 0)
            : UnsafeRawBufferPointer(rebasing: pieces[current].buffer[range])
    }

    private func advance() throws(UnpackFailure) {
        if isOver { return }
        if current >= 0 { free.add() }
        if count >= toldAt + Self.step {
            toldAt = count
            passed(count)
        }
        hashed.take()
        current = (current + 1) % pieces.count
        if let failure = pieces[current].failure {
            isOver = true
            throw failure
        }
        unread = 0..<pieces[current].count
        isOver = unread.isEmpty
    }

    /// Takes what is left, and gives the digest of all.
    package func finish() throws(UnpackFailure) -> Digest {
        while !(try next(.max).isEmpty) {}
        guard let digest else { throw .failed("hash", code: EIO) }
        return digest
    }

    /// Lets the threads end although not all was taken.
    package func abandon() {
        isAbandoned.store(true, ordering: .relaxed)
        free.add()
    }

    // MARK: The other threads

    private func decode() {
        var index = 0
        while true {
            free.take()
            let piece = pieces[index]
            if isAbandoned.load(ordering: .relaxed) {
                piece.failure = .failed("abandoned", code: ECANCELED)
            } else {
                fill(piece)
            }
            let isLast = piece.isLast
            decoded.add()
            if isLast { return }
            index = (index + 1) % pieces.count
        }
    }

    private func fill(_ piece: Piece) {
        piece.count = 0
        do throws(UnpackFailure) {
            while piece.count < piece.buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: piece.buffer[piece.count...])
                let got = try source.read(into: rest)
                if got == 0 { return }
                piece.count += got
            }
        } catch { piece.failure = error }
    }

    private func hash() {
        var hash = ContentHash()
        var index = 0
        while true {
            decoded.take()
            let piece = pieces[index]
            hash.update(UnsafeRawBufferPointer(rebasing: piece.buffer[..<piece.count]))
            // From `add` on it is the reader's, who may have it filled anew at once.
            let isLast = piece.isLast
            if isLast { digest = hash.digest() }
            hashed.add()
            if isLast { return }
            index = (index + 1) % pieces.count
        }
    }
}
