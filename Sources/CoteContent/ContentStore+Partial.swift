public import CoteModel
public import CoteSystem
import Glibc

/// A blob on its way here: its beginning is kept when the way breaks off, and one program at a time adds to it.
public final class PartialBlob: Sendable {
    /// What it shall be.
    public let digest: Digest
    /// Bytes that it shall have.
    public let size: UInt64
    /// Open for reading and writing, at its end.
    public let file: Descriptor
    private let store: ContentStore
    private let path: String

    fileprivate init(
        _ digest: Digest, _ size: UInt64, _ file: consuming Descriptor, _ path: String, _ store: ContentStore
    ) {
        self.digest = digest
        self.size = size
        self.file = file
        self.path = path
        self.store = store
    }

    deinit { flock(file.raw, LOCK_UN) }

    /// Bytes that are here.
    public var present: UInt64 { (try? file.fileSize()) ?? 0 }

    /// Hashes what has come and gives it its name.
    /// - Throws: `digest-mismatch`; what has come is gone then, so that the next try starts afresh.
    public func publish() throws(CoteError) {
        let (file, path) = (file.raw, path)
        let hashed = try CoteError.hosting("cannot read blob \(digest)") { () throws(SystemError) in
            try ContentStore.hash(try Descriptor.open(path, O_RDONLY | O_NOFOLLOW))
        }
        guard hashed.content == digest, hashed.size == size else {
            ftruncate(file, 0)
            throw CoteError(
                .digestMismatch, "blob \(digest) came with other bytes", hint: "try again, or another source")
        }
        try CoteError.hosting("cannot write to \(store.directory)") { () throws(SystemError) in
            chmod(path, 0o400)
            try Files.rename(path, to: store.path(digest))
        }
    }
}

extension ContentStore {
    /// Where a blob can be put together; waits while another program does that with the same one.
    /// - Returns: `nil` when it is here already, perhaps since a moment.
    public func partial(_ digest: Digest, size: UInt64) throws(CoteError) -> PartialBlob? {
        let path = "\(directory)/partial/\(digest.hex)"
        while true {
            if self.size(digest) == size, isWhole(digest) { return nil }
            let file = try CoteError.hosting("cannot write to \(directory)") { () throws(SystemError) in
                try Descriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
            }
            while flock(file.raw, LOCK_EX) < 0 {
                if errno != EINTR { throw CoteError.host("cannot lock \(path)", SystemError("flock")) }
            }
            // Whoever had it has perhaps finished, and the file is another's or the blob's own by now.
            guard Self.isSame(file, path) else { continue }
            if ((try? file.fileSize()) ?? 0) > size { ftruncate(file.raw, 0) }
            lseek(file.raw, 0, SEEK_END)
            return PartialBlob(digest, size, file, path, self)
        }
    }

    private static func isSame(_ file: borrowing Descriptor, _ path: String) -> Bool {
        var opened = stat()
        guard fstat(file.raw, &opened) == 0, let named = try? Files.status(path) else { return false }
        return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
    }
}
