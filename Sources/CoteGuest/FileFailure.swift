import CoteArchive
import CoteModel
import CoteSystem
import Glibc

/// Why a verb could not do its work: what it prints, after its code, on one line.
struct FileFailure: Error, Equatable {
    let code: ErrorCode
    let message: String

    init(_ message: String) {
        code = .fileOperationFailed
        self.message = message
    }

    /// What is wrong with an entry of an archive, or with the file of that name.
    init(_ path: FilePath, _ reason: String) { self.init(path.shown + ": " + reason) }

    init(_ error: SystemError, _ path: FilePath) {
        code =
            switch error.code {
            case ENOENT: .noSuchFile
            case ENOSPC, EDQUOT: .diskFull
            default: .fileOperationFailed
            }
        message = path.shown + ": " + error.reason
    }

    /// Whether what is wrong is only that there is nothing of the name.
    var isMissing: Bool { code == .noSuchFile }

    init(errno code: CInt, _ path: FilePath) { self.init(SystemError("", code: code), path) }
}

/// Calls `body` until no signal interrupts it; throws what `errno` says of `path` when it comes back negative.
@discardableResult
func attempt<Result: SignedInteger>(_ path: FilePath, _ body: () -> Result) throws(FileFailure) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw FileFailure(errno: code, path) }
    }
}

/// Lets a failed call on `path` be told as the verb's failure.
func telling<Value: ~Copyable>(
    _ path: FilePath, _ body: () throws(SystemError) -> Value
) throws(FileFailure) -> Value {
    do { return try body() } catch { throw FileFailure(error, path) }
}
