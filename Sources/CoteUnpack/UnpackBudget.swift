import CoteArchive
import CoteWorker

/// How much of an image there may be; past that it is a bomb.
final class UnpackBudget {
    private let bounds: UnpackRequest.Bounds
    private var entries: UInt64 = 0
    private var bytes: UInt64 = 0

    init(_ bounds: UnpackRequest.Bounds) { self.bounds = bounds }

    /// One more member, or a directory that it needs.
    func addEntry(_ entry: FilePath) throws(UnpackFailure) {
        entries += 1
        if entries > bounds.entries {
            throw .refused(.tooManyEntries, entry, "more than \(bounds.entries) members")
        }
    }

    /// A file's size, zeros that the archive does not have too: an image of the tree has them.
    func addBytes(_ count: UInt64, _ entry: FilePath) throws(UnpackFailure) {
        let (sum, overflow) = bytes.addingReportingOverflow(count)
        if overflow || sum > bounds.bytes { throw .refused(.bomb, entry, "more than \(bounds.bytes) bytes of files") }
        bytes = sum
    }

    /// What the stream of the next layer may have at most.
    func streamLimit(after used: UInt64) -> UInt64 { bounds.bytes - min(used, bounds.bytes) }
}
