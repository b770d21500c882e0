import CoteModel
import CoteSystem
import Glibc

/// A hold on a store of content: any number of users at once, or one that takes away.
///
/// Whoever adds content, or reads it to build something of it, holds the store until what it needs is named by
/// something that stays. The kernel lets go for the dead.
public final class StoreLock: Sendable {
    private let file: Descriptor

    /// Waits for whoever takes away just now, which is never long.
    static func shared(_ path: String) throws(CoteError) -> StoreLock {
        let file = try open(path)
        while flock(file.raw, LOCK_SH) < 0 {
            if errno != EINTR { throw CoteError.host("cannot lock \(path)", SystemError("flock")) }
        }
        return StoreLock(file)
    }

    /// `nil` while anybody uses the store.
    static func exclusive(_ path: String) throws(CoteError) -> StoreLock? {
        let file = try open(path)
        return flock(file.raw, LOCK_EX | LOCK_NB) == 0 ? StoreLock(file) : nil
    }

    private static func open(_ path: String) throws(CoteError) -> Descriptor {
        try CoteError.hosting("cannot lock \(path)") { () throws(SystemError) in
            try Descriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        }
    }

    private init(_ file: consuming Descriptor) { self.file = file }

    // Closing would not do: a program that is being started may hold a copy.
    deinit { flock(file.raw, LOCK_UN) }
}
