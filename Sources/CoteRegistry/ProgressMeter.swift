import CoteModel
import CoteWorker
import Synchronization

/// Tells how far a blob is, at most some ten times a second.
final class ProgressMeter: Sendable {
    private let digest: Digest
    private let report: @Sendable (RegistryEvent) -> Void
    private let last = Mutex<ContinuousClock.Instant?>(nil)

    private static let interval = Duration.milliseconds(100)

    init(_ digest: Digest, _ report: @escaping @Sendable (RegistryEvent) -> Void) {
        self.digest = digest
        self.report = report
    }

    func update(_ bytes: UInt64) {
        let now = ContinuousClock.now
        let isDue = last.withLock { last in
            if let last, now - last < Self.interval { return false }
            last = now
            return true
        }
        if isDue { report(.progress(digest: digest, bytes: bytes)) }
    }
}
