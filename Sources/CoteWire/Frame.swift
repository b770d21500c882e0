/// One message of the channel: a kind, the stream it belongs to, and a payload whose form the kind gives.
///
/// On the wire: payload length (u32), stream (u32), kind (u8), then the payload; numbers are little-endian.
public struct Frame: Equatable, Sendable {
    /// Gives the payload its form.
    public var kind: Kind
    /// 0 for what concerns the link as a whole.
    public var stream: UInt32
    /// At most `Frame.limit(kind)` bytes.
    public var payload: [UInt8]

    /// A frame that is not yet encoded.
    public init(_ kind: Kind, stream: UInt32 = 0, payload: [UInt8] = []) {
        self.kind = kind
        self.stream = stream
        self.payload = payload
    }

    /// Bytes before the payload.
    public static let headerSize = 9

    /// What a frame says. The same on both links: client to keeper, and keeper to agent.
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// First on every link, from both sides; `Hello`.
        case hello = 1
        /// Opens a stream with a request; `OpenRequest`.
        case open
        /// The request's command runs.
        case opened
        /// The request was refused; ends the stream; `Refusal`.
        case refused
        /// Bytes for the command.
        case input
        /// No more bytes for the command.
        case inputEnd
        /// Bytes from the command.
        case output
        case errorOutput
        /// The receiver may send this many more bytes on the stream (u32).
        case credit
        /// A signal for the command's process group (u32).
        case signal
        /// A new size of the command's terminal (u16, u16).
        case resize
        /// The command has ended; `Exit`.
        case exit
        /// Nothing more will come on this stream.
        case closed
        /// Client to keeper: the sandbox to be, first frame of the client that starts the keeper.
        case boot
        /// Keeper to client: the sandbox's state; `StateReport`.
        case state
        /// Client to keeper: stop the sandbox, after this many milliseconds of grace (u32).
        case stop
    }

    /// The largest payload a kind may have.
    public static func limit(_ kind: Kind) -> Int {
        switch kind {
        case .input, .output, .errorOutput: 64 << 10
        case .open, .boot: 256 << 10
        case .hello, .refused, .state: 4 << 10
        case .exit: 64
        case .opened, .inputEnd, .credit, .signal, .resize, .closed, .stop: 8
        }
    }
}

/// What the other side sent that it must not.
public enum WireViolation: Error, Equatable, Sendable {
    case unknownKind(UInt8)
    case tooLarge(Frame.Kind, Int)
    case malformed(String)
    /// Well-formed, but not allowed now.
    case unexpected(String)

    /// One line for a journal; holds nothing of the sender's own text.
    public var summary: String {
        switch self {
        case .unknownKind(let kind): "unknown frame kind \(kind)"
        case .tooLarge(let kind, let size): "\(kind) frame of \(size) bytes"
        case .malformed(let what): "malformed \(what)"
        case .unexpected(let what): "unexpected \(what)"
        }
    }
}
