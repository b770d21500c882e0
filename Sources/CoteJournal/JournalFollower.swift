public import CoteModel
public import CoteSystem

/// Reads a journal and goes on reading while it grows, until its writer is gone.
public final class JournalFollower {
    /// Whether the writer is gone and everything it wrote has been given.
    public private(set) var hasEnded = false
    private let reader: JournalReader
    private let watch: FileWatch
    private let isWriterGone: () -> Bool

    /// A writer that goes without closing the file, or a moment after it, is noticed within this time.
    private static let glance = TimeSpan(milliseconds: 200)

    /// - Parameter isWriterGone: asked when everything has been read; once true it stays true.
    public init(_ reader: JournalReader, isWriterGone: @escaping () -> Bool) throws(SystemError) {
        self.reader = reader
        self.isWriterGone = isWriterGone
        watch = try FileWatch(reader.file)
    }

    /// Rubbish passed over so far, in lines.
    public var damaged: Int { reader.damaged }

    /// The next line, waiting for it; `nil` when it has not come within `wait`, or never will (`hasEnded`).
    /// - Parameter wait: for ever where absent.
    public func next(wait: TimeSpan? = nil) throws(SystemError) -> JournalRecord? {
        let deadline = wait.map { SystemClock.monotonic().addingReportingOverflow($0.nanoseconds) }
        while true {
            if let record = try reader.next() { return record }
            if isWriterGone() {
                // Its last lines may have come between reading and asking.
                if let record = try reader.next() { return record }
                hasEnded = true
                return nil
            }
            var pause = Self.glance.nanoseconds
            if let deadline, !deadline.overflow {
                let now = SystemClock.monotonic()
                if now >= deadline.partialValue { return nil }
                pause = min(pause, deadline.partialValue - now)
            }
            try watch.wait(milliseconds: CInt((pause + 999_999) / 1_000_000))
        }
    }
}
