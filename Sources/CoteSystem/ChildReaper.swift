import Glibc

/// Collects every child of this process as it ends, and those it inherits, and tells whoever waits for one.
/// There is one in a process, and nobody else waits for children.
public final class ChildReaper {
    private let signals: SignalDescriptor
    private let loop: EventLoop
    private var expected: [Int32: (ExitStatus) -> Void] = [:]
    /// Gets the ends of children that nobody has expected. A pid says nothing for long: others will have it too.
    public var unexpected: (Int32, ExitStatus) -> Void = { _, _ in }
    /// Called each time children have been collected.
    public var collected: () -> Void = {}

    /// Begins at once, from `loop`. SIGCHLD stays blocked for this thread and those it starts.
    public init(on loop: EventLoop) throws(SystemError) {
        self.loop = loop
        signals = try SignalDescriptor([SIGCHLD])
        try loop.add(signals.descriptor, .read) { [unowned self] _ in
            // However many signals there were, they are one.
            _ = signals.next()
            collect()
        }
    }

    /// Calls `action` once the child `pid` has ended, which nobody has been told of yet.
    public func expect(_ pid: Int32, _ action: @escaping (ExitStatus) -> Void) { expected[pid] = action }

    /// Collects those that have ended by now, without waiting to be told.
    public func collect() {
        while let (pid, status) = Processes.reapAny() {
            if let action = expected.removeValue(forKey: pid) { action(status) } else { unexpected(pid, status) }
        }
        collected()
    }
}
