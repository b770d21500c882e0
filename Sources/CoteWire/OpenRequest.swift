public import CoteModel

/// What a stream is opened for.
public enum OpenRequest: Equatable, Sendable {
    case command(Command)
    case transfer(FileTransfer)

    /// The `open` frame's payload. A command can be too large for one: the sender compares with `Frame.limit(.open)`.
    public var payload: [UInt8] {
        var writer = PayloadWriter()
        switch self {
        case .command(let command):
            writer.put(UInt8(1))
            Self.put(command, &writer)
        case .transfer(let transfer):
            writer.put(UInt8(2))
            writer.put(transfer.verb.rawValue)
            writer.put(transfer.path)
            writer.put(transfer.mode)
        }
        return writer.bytes
    }

    /// Reads what a client or a keeper asks for.
    public init(payload: [UInt8]) throws(WireViolation) {
        var reader = PayloadReader(payload, "open request")
        switch try reader.get(UInt8.self) {
        case 1: self = .command(try Self.command(&reader))
        case 2:
            guard let verb = FileTransfer.Verb(rawValue: try reader.get()) else { throw reader.violation }
            self = .transfer(FileTransfer(verb, path: try reader.get(), mode: try reader.get()))
        default: throw reader.violation
        }
        try reader.finish()
    }

    private static func put(_ command: Command, _ writer: inout PayloadWriter) {
        writer.put(command.arguments)
        writer.put(command.environment.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] })
        writer.put(command.directory) { $0.put($1) }
        writer.put(command.user) { $0.put($1) }
        writer.put(command.timeout) { $0.put($1.milliseconds) }
        writer.put(command.terminal) {
            $0.put($1.rows)
            $0.put($1.columns)
        }
        writer.put(command.takesInput)
        writer.put(command.fileModeMask) { $0.put($1) }
        writer.put(UInt8(command.resourceLimits.count))
        for (limit, value) in command.resourceLimits.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            writer.put(limit.rawValue)
            writer.put(value)
        }
    }

    private static func command(_ reader: inout PayloadReader) throws(WireViolation) -> Command {
        var command = Command(try reader.get())
        guard !command.arguments.isEmpty else { throw reader.violation }
        let pairs: [String] = try reader.get()
        guard pairs.count.isMultiple(of: 2) else { throw reader.violation }
        for index in stride(from: 0, to: pairs.count, by: 2) {
            guard !pairs[index].isEmpty, !pairs[index].utf8.contains(0x3d) else { throw reader.violation }
            command.environment[pairs[index]] = pairs[index + 1]
        }
        command.directory = try reader.getOptional { reader throws(WireViolation) in try reader.get() }
        command.user = try reader.getOptional { reader throws(WireViolation) in try reader.get() }
        command.timeout = try reader.getOptional { reader throws(WireViolation) in
            TimeSpan(milliseconds: try reader.get())
        }
        command.terminal = try reader.getOptional { reader throws(WireViolation) in
            TerminalSize(rows: try reader.get(), columns: try reader.get())
        }
        command.takesInput = try reader.get()
        command.fileModeMask = try reader.getOptional { reader throws(WireViolation) in try reader.get() }
        for _ in 0..<(try reader.get(UInt8.self)) {
            guard let limit = CommandLimit(rawValue: try reader.get()) else { throw reader.violation }
            guard command.resourceLimits.updateValue(try reader.get(), forKey: limit) == nil else {
                throw reader.violation
            }
        }
        return command
    }
}

/// A file or tree that moves in or out of a sandbox, on the stream's input or output.
public struct FileTransfer: Equatable, Sendable {
    /// What is done at the path.
    public enum Verb: UInt8, Sendable, CaseIterable {
        /// Sends one regular file.
        case read = 1
        /// Replaces one regular file with the input.
        case write
        /// Sends a line of JSON for every entry of a directory.
        case list
        /// Removes a file or a tree.
        case remove
        /// Sends a tree as a POSIX tar stream.
        case pack
        /// Unpacks a POSIX tar stream below a directory.
        case unpack

        /// The word for it in journals and messages.
        public var name: String {
            switch self {
            case .read: "read"
            case .write: "write"
            case .list: "list"
            case .remove: "remove"
            case .pack: "pack"
            case .unpack: "unpack"
            }
        }
    }

    /// What is done at `path`.
    public var verb: Verb
    /// Absolute, inside the sandbox.
    public var path: String
    /// Permission bits of a file that `write` creates.
    public var mode: UInt32

    /// - Parameter mode: counts for `write` alone.
    public init(_ verb: Verb, path: String, mode: UInt32 = 0o644) {
        self.verb = verb
        self.path = path
        self.mode = mode
    }
}
