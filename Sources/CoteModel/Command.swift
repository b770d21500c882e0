/// One command to run in a sandbox.
public struct Command: Hashable, Sendable {
    /// The program, by path or found through `PATH`, then what it is given; never empty.
    public var arguments: [String]
    /// `KEY=VALUE` pairs on top of the sandbox's own.
    public var environment: [String: String]
    /// Where it starts, absolute; `/workspace` where absent.
    public var directory: String?
    /// A name or number from the sandbox's `/etc/passwd`, with an optional `:group`; root where absent.
    public var user: String?
    /// After this long TERM, and KILL a moment later.
    public var timeout: TimeSpan?
    /// Runs on a pseudo-terminal of this size; stdout and stderr are then one stream.
    public var terminal: TerminalSize?
    /// Whether stdin is fed by the caller; otherwise it is empty.
    public var takesInput: Bool
    /// The umask; 022 where absent.
    public var fileModeMask: UInt32?
    /// Soft limits of `setrlimit`, at most the sandbox's hard ones.
    public var resourceLimits: [CommandLimit: UInt64] = [:]

    /// A command with nothing but its arguments, unless more is said.
    public init(
        _ arguments: [String], environment: [String: String] = [:], directory: String? = nil, user: String? = nil,
        timeout: TimeSpan? = nil, terminal: TerminalSize? = nil, takesInput: Bool = false,
        fileModeMask: UInt32? = nil
    ) {
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.user = user
        self.timeout = timeout
        self.terminal = terminal
        self.takesInput = takesInput
        self.fileModeMask = fileModeMask
    }
}

/// A limit of `setrlimit` that a command may be given.
public enum CommandLimit: String, Sendable, CaseIterable {
    case core, cpu, data, fsize, nofile, nproc, stack
}

/// Rows and columns of a terminal.
public struct TerminalSize: Hashable, Sendable {
    /// Lines of text.
    public var rows: UInt16
    /// Characters in a line.
    public var columns: UInt16

    /// A size in characters; 0 by 0 is what programs take for unknown.
    public init(rows: UInt16, columns: UInt16) {
        self.rows = rows
        self.columns = columns
    }
}

/// How a command ended.
public struct CommandResult: Hashable, Sendable {
    /// The command's exit code; 0 where a signal ended it.
    public var exitCode: Int32
    /// The signal that ended it.
    public var signal: Int32?
    /// It was ended because its time was over.
    public var timedOut: Bool
    /// The kernel killed a process of the sandbox for memory while it ran.
    public var outOfMemory: Bool
    /// It was ended because the journal is full.
    public var outputLimit: Bool
    /// From fork to exit.
    public var duration: TimeSpan

    /// A result without anything special about it, unless more is said.
    public init(
        exitCode: Int32, signal: Int32? = nil, timedOut: Bool = false, outOfMemory: Bool = false,
        outputLimit: Bool = false, duration: TimeSpan = TimeSpan(milliseconds: 0)
    ) {
        self.exitCode = exitCode
        self.signal = signal
        self.timedOut = timedOut
        self.outOfMemory = outOfMemory
        self.outputLimit = outputLimit
        self.duration = duration
    }

    /// What `cote exec` exits with: the command's own code, 124 after a time-out, 125 at the journal's limit,
    /// 128 plus the signal.
    public var shellCode: Int32 {
        if timedOut { return 124 }
        if outputLimit { return 125 }
        return signal.map { 128 + $0 } ?? exitCode
    }
}
