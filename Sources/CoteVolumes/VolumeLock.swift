import CoteModel
import CoteSystem
import Glibc

/// The hold of one kind of volumes on this host: shared by all who make and remove single ones, exclusive for whoever
/// recovers, or changes what they are all in. The kernel lets go of it for the dead.
struct VolumeLock: ~Copyable {
    enum Mode { case shared, exclusive }

    private let file: Descriptor

    /// A copy of a directory can take its time.
    private static let patience: UInt64 = 60_000_000_000

    /// - Throws: `wrongState` when others have held it for a minute on end.
    init(_ path: String, _ mode: Mode) throws(CoteError) {
        let file: Descriptor
        do { file = try Self.open(path) } catch { throw VolumeFailure.translated("cannot lock the volumes", error) }
        try Self.take(file, path, mode)
        self.file = file
    }

    private static func open(_ path: String) throws(SystemError) -> Descriptor {
        do { return try Descriptor.open(path, O_RDWR | O_CREAT, mode: 0o600) } catch {
            guard error.code == ENOENT, let slash = path.lastIndex(of: "/") else { throw error }
            try Files.makeDirectories(String(path[..<slash]))
            return try Descriptor.open(path, O_RDWR | O_CREAT, mode: 0o600)
        }
    }

    private static func take(_ file: borrowing Descriptor, _ path: String, _ mode: Mode) throws(CoteError) {
        let start = SystemClock.monotonic()
        while flock(file.raw, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 {
            let code = errno
            guard code == EWOULDBLOCK || code == EINTR else {
                throw VolumeFailure.translated(
                    "cannot lock the volumes", SystemError("flock", code: code, subject: path))
            }
            guard SystemClock.monotonic() - start < patience else {
                throw CoteError(.wrongState, "\(path) has been locked for a minute", hint: "try again")
            }
            usleep(300)
        }
    }

    // Closing would not do: a program that is being started may hold a copy.
    deinit { flock(file.raw, LOCK_UN) }
}
