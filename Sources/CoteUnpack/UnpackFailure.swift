package import CoteArchive
import CoteSystem
package import CoteWorker
import Glibc

/// Why the work ended.
package enum UnpackFailure: Error, Equatable {
    /// The input is not what it must be.
    case refused(reason: UnpackRefusal, entry: String, detail: String, layer: Int? = nil)
    /// The host could not do it.
    case failed(code: CInt, doing: String)

    private static let longestName = 200

    /// - Parameter entry: the member's path as the archive has it; empty for the whole.
    package static func refused(_ reason: UnpackRefusal, _ entry: FilePath, _ detail: String) -> UnpackFailure {
        let shown = FilePath(entry.bytes.prefix(longestName)).shown
        return .refused(reason: reason, entry: shown, detail: detail)
    }

    /// - Parameter code: what `errno` is now where absent.
    static func failed(_ doing: String, _ entry: FilePath = FilePath(""), code: CInt? = nil) -> UnpackFailure {
        let code = code ?? errno
        let shown = FilePath(entry.bytes.prefix(longestName)).shown
        return .failed(code: code, doing: shown.isEmpty ? doing : doing + " " + shown)
    }

    init(_ error: SystemError) {
        self = .failed(code: error.code, doing: error.subject.isEmpty ? error.call : "\(error.call) \(error.subject)")
    }
}

/// Calls `body` until no signal interrupts it; throws what `errno` says when it comes back negative.
@discardableResult
func attempt<Result: SignedInteger>(
    _ call: String, _ entry: FilePath = FilePath(""), _ body: () -> Result
) throws(UnpackFailure) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw .failed(call, entry, code: code) }
    }
}

/// Lets a failed call be told as the work's failure.
func telling<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(UnpackFailure) -> Value {
    do { return try body() } catch { throw UnpackFailure(error) }
}
