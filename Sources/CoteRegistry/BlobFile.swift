import CoteContent
import CoteModel
import CoteSystem
import CoteWorker
import NIOCore

/// The file that a blob is written to, and the hash of what it has. Writing and hashing block for as long as memory
/// takes to copy; the worker has nothing else to do on the threads that they block.
actor BlobFile {
    private let file: SharedDescriptor
    /// Bytes that it must have in the end.
    nonisolated let size: UInt64
    private(set) var count: UInt64 = 0
    private var hash = ContentHash()

    init(_ file: SharedDescriptor, size: UInt64) {
        self.file = file
        self.size = size
    }

    /// Takes over the beginning that the file has already, at most `present` bytes of it.
    func resume(_ present: UInt64) throws {
        do {
            let usable = try min(present, file.descriptor.fileSize())
            guard usable <= size else { return try restart() }
            try file.descriptor.truncate(to: usable)
            var buffer = [UInt8](repeating: 0, count: 256 << 10)
            while count < usable {
                let read = try file.descriptor.read(into: &buffer, from: 0, at: count)
                guard read > 0 else { break }
                buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<read])) }
                count += UInt64(read)
            }
        } catch let error as SystemError { throw RegistryFailure.localFile(error) }
    }

    /// Forgets all that it has.
    func restart() throws {
        do { try file.descriptor.truncate(to: 0) } catch { throw RegistryFailure.localFile(error) }
        count = 0
        hash = ContentHash()
    }

    /// Appends what has come.
    /// - Returns: all that it has now.
    /// - Throws: `wrongContent` when that is more than it may have.
    func append(_ bytes: ByteBuffer) throws -> UInt64 {
        guard UInt64(bytes.readableBytes) <= size - count else {
            throw RegistryFailure(.wrongContent, "there are more bytes than the \(size) that it has")
        }
        do {
            try bytes.withUnsafeReadableBytes { raw in
                try file.descriptor.write(all: raw, at: count)
                hash.update(raw)
            }
        } catch let error as SystemError { throw RegistryFailure.localFile(error) }
        count += UInt64(bytes.readableBytes)
        return count
    }

    /// Of all that it has.
    func digest() -> Digest { hash.digest() }
}
