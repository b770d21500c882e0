import Glibc

/// A failed system call: which one, on what, and the kernel's reason.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The call's name, as in section 2 of the manual.
    public let call: String
    /// The value of `errno`.
    public let code: CInt
    /// What the call was about, usually a path; empty where the call says it all.
    public let subject: String

    /// - Parameter code: what `errno` is now where absent.
    public init(_ call: String, code: CInt? = nil, subject: String = "") {
        self.code = code ?? errno
        self.call = call
        self.subject = subject
    }

    /// The kernel's words for `code`.
    public var reason: String { String(cString: strerror(code)) }

    /// `open /etc/cote: Permission denied`, or without the subject.
    public var description: String { subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)" }

    /// Whether the file system or its quota is full; both are the same to a user.
    public var isFull: Bool { code == ENOSPC || code == EDQUOT }
}

/// Repeats `body` while it is interrupted by a signal, and throws on any other failure (a negative result).
@discardableResult
func check<Result: SignedInteger>(
    _ call: String, _ subject: String = "", _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemError(call, code: code, subject: subject) }
    }
}
