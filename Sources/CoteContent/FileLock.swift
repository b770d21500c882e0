public import CoteModel
import CoteSystem
import Glibc

/// A hold on something that a file stands for: any number of users at once, or one alone. The kernel lets go for the
/// dead.
public final class FileLock: Sendable {
    private let file: Descriptor

    /// One of any number; waits while somebody has it alone.
    public static func shared(_ path: String) throws(CoteError) -> FileLock { try waiting(path, LOCK_SH) }

    /// The only one; waits for all others.
    public static func exclusive(_ path: String) throws(CoteError) -> FileLock { try waiting(path, LOCK_EX) }

    /// The only one, or `nil` while there are others.
    public static func exclusiveNow(_ path: String) throws(CoteError) -> FileLock? {
        let file = try open(path)
        return flock(file.raw, LOCK_EX | LOCK_NB) == 0 ? FileLock(file) : nil
    }

    private static func waiting(_ path: String, _ kind: CInt) throws(CoteError) -> FileLock {
        let file = try open(path)
        while flock(file.raw, kind) < 0 {
            if errno != EINTR { throw CoteError.host("cannot lock \(path)", SystemError("flock")) }
        }
        return FileLock(file)
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
