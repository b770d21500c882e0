/// What went wrong, in a form that every surface can show: a stable code for programs, one line for people, and a
/// next step where one helps.
public struct CoteError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What programs go by.
    public let code: ErrorCode
    /// One line, no newline, starting in lower case; names the object.
    public let message: String
    /// What to do about it.
    public let hint: String?

    /// An error for people and programs; see the fields for the form of the texts.
    public init(_ code: ErrorCode, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// The message alone, without code and hint.
    public var description: String { message }
}

/// Stable names of failures. Part of the interface: never renamed, never reused.
public enum ErrorCode: String, Sendable, Codable, CaseIterable {
    // What was asked for is wrong.
    case usage
    case unknownEnvironment = "unknown-environment"
    case ambiguousEnvironment = "ambiguous-environment"
    case unknownClass = "unknown-class"
    case unknownSandbox = "unknown-sandbox"
    case unknownVolume = "unknown-volume"
    case ambiguousSandbox = "ambiguous-sandbox"
    case nameTaken = "name-taken"
    case requestTooLarge = "request-too-large"
    case wrongState = "wrong-state"
    case unknownUser = "unknown-user"
    case badDirectory = "bad-directory"
    case noSuchFile = "no-such-file"

    // The command cannot be started.
    case commandNotFound = "command-not-found"
    case commandNotExecutable = "command-not-executable"

    // The host cannot do it.
    case classUnavailable = "class-unavailable"
    case noPermission = "no-permission"
    case diskFull = "disk-full"
    /// The sandbox's own limit of processes or memory is used up.
    case limitReached = "limit-reached"
    case limitUnsupported = "limit-unsupported"
    case tooManySandboxes = "too-many-sandboxes"
    case badState = "bad-state"
    /// What holds volumes cannot be used; the message says what has become of it.
    case damagedVolumes = "damaged-volumes"

    // Images and their content.
    /// An image, archive or layer is not what it must be.
    case badImage = "bad-image"
    /// Content has other bytes than its name says.
    case digestMismatch = "digest-mismatch"
    /// Content that something needs is not in the store.
    case missingContent = "missing-content"
    /// A registry did not give or take what was asked of it.
    case registryFailed = "registry-failed"
    /// A registry wants other credentials.
    case registryDenied = "registry-denied"
    case noSuchImage = "no-such-image"

    // It was done and failed.
    case sandboxDied = "sandbox-died"
    case outputLimit = "output-limit"
    case protocolViolation = "protocol-violation"
    case fileOperationFailed = "file-operation-failed"
    case `internal`

    /// The exit code of a verb that passes on no command's own code.
    public var exitCode: Int32 {
        switch self {
        case .usage: 2
        case .unknownSandbox, .unknownVolume, .ambiguousSandbox, .nameTaken, .wrongState, .noSuchFile,
            .fileOperationFailed:
            1
        default: 125
        }
    }

    /// The exit code of `run`, `exec` and `shell`, where the command's own codes come first.
    public var commandExitCode: Int32 {
        switch self {
        case .commandNotFound: 127
        case .commandNotExecutable: 126
        case .usage: 2
        default: 125
        }
    }
}
