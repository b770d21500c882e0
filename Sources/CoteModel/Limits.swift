/// What one sandbox may use. A limit that is absent is not asked for, and of a sandbox that is there, not enforced.
public struct Limits: Hashable, Sendable, Codable {
    /// Thousandths of a processor.
    public var milliCPUs: UInt32?
    /// Of the agent, all commands and files in memory together, with swap.
    public var memory: ByteCount?
    /// Processes and threads of commands, the agent not counted.
    public var processes: UInt32?
    /// How long the sandbox lives; then it has died (`expired`).
    public var lifetime: TimeSpan?
    /// What commands may write to files that outlive them. Only a volume of a kind that holds limits has one.
    public var disk: ByteCount?
    /// Bytes of journal, after which commands end with `output-limit`.
    public var journal: ByteCount

    /// Only what is named, and a journal of 1 GiB.
    public init(
        milliCPUs: UInt32? = nil, memory: ByteCount? = nil, processes: UInt32? = nil,
        lifetime: TimeSpan? = nil, disk: ByteCount? = nil, journal: ByteCount = .mebibytes(1024)
    ) {
        self.milliCPUs = milliCPUs
        self.memory = memory
        self.processes = processes
        self.lifetime = lifetime
        self.disk = disk
        self.journal = journal
    }

    /// What keeps one sandbox from taking a small machine with it.
    public static let standard = Limits(memory: .mebibytes(2048), processes: 1024)

    /// These, and where they say nothing, what `others` says. The journal's limit is that of these.
    public func completed(by others: Limits) -> Limits {
        Limits(
            milliCPUs: milliCPUs ?? others.milliCPUs, memory: memory ?? others.memory,
            processes: processes ?? others.processes, lifetime: lifetime ?? others.lifetime,
            disk: disk ?? others.disk, journal: journal)
    }

    /// Smaller limits than these cannot hold the agent itself.
    public static let leastMemory = ByteCount.mebibytes(6)
    /// Room for the journal's own records besides some output.
    public static let leastJournal = ByteCount(256 << 10)
    /// The kernel takes no larger ones.
    public static let mostMemory = ByteCount(1 << 62)
    /// The kernel takes 2²² at most, and one is the agent's.
    public static let mostProcesses: UInt32 = (1 << 22) - 1
}
