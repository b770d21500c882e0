public import CoteModel
public import CoteSystem
import Glibc

/// Bytes by their SHA-256, as plain files that are never changed.
///
///     blobs/sha256/<hex>      whole; its name is what it hashed to when it came
///     blobs/partial/<hex>     the beginning of one that is being fetched, kept for the next try
///     blobs/incoming/<id>     one whose digest is not known yet
///     blobs/quarantine/<hex>  one that was found changed; never used, never deleted by itself
///     blobs/lock              held by who uses the store, see `hold`
///
/// A name appears by rename, when its bytes have been hashed, so that many writers of the same blob do no harm. Bytes
/// are forced to disk by `synchronize`, before anything refers to them for good; they are hashed again on use.
public struct ContentStore: Sendable {
    /// `$COTE_HOME/blobs`, 0700.
    public let directory: String

    /// Nothing is looked at yet.
    public init(_ directory: String) { self.directory = directory }

    private static let folders = ["sha256", "partial", "incoming", "quarantine"]

    /// Creates what is missing of the directories.
    public func prepare() throws(CoteError) {
        try CoteError.hosting("cannot prepare \(directory)") { () throws(SystemError) in
            for folder in Self.folders where !Files.exists("\(directory)/\(folder)") {
                try Files.makeDirectories("\(directory)/\(folder)")
            }
        }
    }

    /// Keeps all content where it is until the result goes.
    public func hold() throws(CoteError) -> FileLock { try .shared(directory + "/lock") }

    /// Where a blob is, or would be.
    public func path(_ digest: Digest) -> String { "\(directory)/sha256/\(digest.hex)" }

    /// Bytes of a blob; `nil` when it is not here.
    public func size(_ digest: Digest) -> UInt64? {
        (try? Files.status(path(digest))).map { UInt64(clamping: $0.st_size) }
    }

    /// All whole blobs, in no order that means anything.
    public func digests() -> [Digest] {
        ((try? Files.list(directory + "/sha256")) ?? []).compactMap { Digest(hex: $0) }
    }

    /// - Throws: `missing-content` when it is not here.
    public func open(_ digest: Digest) throws(CoteError) -> Descriptor {
        do { return try Descriptor.open(path(digest), O_RDONLY | O_NOFOLLOW) } catch {
            if error.code == ENOENT {
                throw CoteError(.missingContent, "blob \(digest) is not in the store", hint: Self.repair)
            }
            throw CoteError.host("cannot read blob \(digest)", error)
        }
    }

    static let repair = "cote env verify says what is missing; import or pull the image again"

    /// A small blob, hashed as it is read.
    /// - Throws: `digest-mismatch` for one that has changed, `missing-content`, `bad-image` above `limit` bytes.
    public func read(_ digest: Digest, limit: Int = 4 << 20) throws(CoteError) -> [UInt8] {
        let file = try open(digest)
        let bytes: [UInt8]
        do { bytes = try file.readAll(limit: limit) } catch {
            if error.code == EFBIG {
                throw CoteError(.badImage, "blob \(digest) has more than \(limit) bytes for a description")
            }
            throw CoteError.host("cannot read blob \(digest)", error)
        }
        guard ContentHash.digest(of: bytes) == digest else { throw mismatch(digest) }
        return bytes
    }

    func mismatch(_ digest: Digest) -> CoteError {
        CoteError(.digestMismatch, "blob \(digest) has other bytes than its name says", hint: Self.repair)
    }

    // MARK: Adding

    /// Adds small content; it is on disk when this returns.
    @discardableResult
    public func add(_ bytes: [UInt8]) throws(CoteError) -> Digest {
        let digest = ContentHash.digest(of: bytes)
        if size(digest) == UInt64(bytes.count) { return digest }
        let incoming = newPlace()
        try CoteError.hosting("cannot write to \(directory)") { () throws(SystemError) in
            try Files.create(incoming, mode: 0o400, bytes)
            try Descriptor.open(incoming, O_RDONLY).synchronize()
            try Files.rename(incoming, to: path(digest))
        }
        return digest
    }

    /// Copies all that `source` has from where it stands and gives what it is.
    /// - Parameters:
    ///   - expected: refuses anything else, and copies nothing where it is here already with that size.
    ///   - size: refuses more and fewer bytes.
    ///   - progress: told how many bytes have been added since the last call.
    public func add(
        _ source: borrowing Descriptor, expected: Digest? = nil, size: UInt64? = nil,
        progress: (UInt64) -> Void = { _ in }
    ) throws(CoteError) -> Digest {
        if let expected, self.size(expected) != nil, isWhole(expected, progress) { return expected }
        let incoming = newPlace()
        do throws(CoteError) {
            let digest = try copy(source, to: incoming, most: size ?? .max, progress)
            if let expected, digest.content != expected {
                throw CoteError(.digestMismatch, "blob \(expected) came with other bytes: \(digest.content)")
            }
            if let size, digest.size != size {
                throw CoteError(
                    .digestMismatch, "blob \(digest.content) has \(digest.size) bytes where \(size) were announced")
            }
            try publish(incoming, as: digest.content)
            return digest.content
        } catch {
            try? Files.remove(incoming)
            guard let expected, error.code == .digestMismatch, !error.message.contains(expected.hex) else {
                throw error
            }
            throw CoteError(.digestMismatch, "blob \(expected) has \(error.message)")
        }
    }

    /// Takes over a file on the same file system, which nobody else writes to any more.
    public func adopt(_ file: String) throws(CoteError) -> Digest {
        let hashed = try CoteError.hosting("cannot read \(file)") { () throws(SystemError) in
            try Self.hash(try Descriptor.open(file, O_RDONLY | O_NOFOLLOW))
        }
        if size(hashed.content) == hashed.size {
            try? Files.remove(file)
        } else {
            try publish(file, as: hashed.content)
        }
        return hashed.content
    }

    private func publish(_ file: String, as digest: Digest) throws(CoteError) {
        try CoteError.hosting("cannot write to \(directory)") { () throws(SystemError) in
            try Files.setOwner(file, geteuid())
            chmod(file, 0o400)
            try Files.rename(file, to: path(digest))
        }
    }

    /// A name that nothing has yet, for something on its way into the store; whoever uses it holds the store.
    public func newPlace() -> String { "\(directory)/incoming/\(SandboxID.random())" }

    /// Forces blobs to the disk. Until then a power cut may take them, which is found on use.
    public func synchronize(_ digests: [Digest]) throws(CoteError) {
        for digest in digests {
            let file = try open(digest)
            try CoteError.hosting("cannot write blob \(digest)") { () throws(SystemError) in try file.synchronize() }
        }
    }

    // MARK: Bytes

    struct Hashed {
        var content: Digest
        var size: UInt64
    }

    private func copy(
        _ source: borrowing Descriptor, to path: String, most: UInt64, _ progress: (UInt64) -> Void
    ) throws(CoteError) -> Hashed {
        do throws(SystemError) {
            let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            return try Self.hash(source) { bytes, size throws(SystemError) in
                // One byte too many is enough to know.
                if size > most { throw SystemError("read", code: EFBIG, subject: "blob") }
                try file.write(all: bytes)
                progress(UInt64(bytes.count))
            }
        } catch {
            if error.code == EFBIG, error.subject == "blob" {
                throw CoteError(.digestMismatch, "more than the \(most) bytes that were announced")
            }
            throw CoteError.host("cannot write to \(directory)", error)
        }
    }

    /// Hashes all that is left of a file, showing each piece and the bytes so far.
    static func hash(
        _ file: borrowing Descriptor, _ body: (UnsafeRawBufferPointer, UInt64) throws(SystemError) -> Void = { _, _ in }
    ) throws(SystemError) -> Hashed {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var hash = ContentHash()
        var size: UInt64 = 0
        while true {
            let count = try readMost(file, into: buffer)
            if count == 0 { return Hashed(content: hash.digest(), size: size) }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            hash.update(bytes)
            size += UInt64(count)
            try body(bytes, size)
        }
    }

    private static func readMost(
        _ file: borrowing Descriptor, into buffer: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> Int {
        while true {
            let count = Glibc.read(file.raw, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR { throw SystemError("read") }
        }
    }
}
