public import CoteModel
public import CoteSystem
import struct Crypto.SHA256

/// A running SHA-256.
public struct ContentHash {
    private var state = SHA256()

    /// Of no bytes yet.
    public init() {}

    /// Takes in more bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) { state.update(bufferPointer: bytes) }

    /// The digest of all bytes so far.
    public func digest() -> Digest {
        // INVARIANT: SHA-256 has 32 bytes, always.
        guard let digest = Digest(bytes: Array(state.finalize())) else { preconditionFailure("a hash of another size") }
        return digest
    }

    /// The digest of some bytes.
    public static func digest(of bytes: [UInt8]) -> Digest {
        var hash = ContentHash()
        bytes.withUnsafeBytes { hash.update($0) }
        return hash.digest()
    }

    /// The digest of what is left of a file.
    /// - Parameter progress: told how many bytes have been hashed since the last call.
    public static func digest(
        of file: borrowing Descriptor, progress: (UInt64) -> Void = { _ in }
    ) throws(SystemError) -> Digest {
        try ContentStore.hash(file) { bytes, _ throws(SystemError) in progress(UInt64(bytes.count)) }.content
    }
}
