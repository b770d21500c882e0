import Glibc

/// Collects every child of this process as it ends, and those it inherits, and tells whoever waits for one.
/// There is one in a process, and nobody else waits for children.
public final class ChildReaper {
    private let signals: SignalDescriptor
    private let loop: EventLoop
    private var expected: [Int32: (ExitStatus) -> Void] = [:]
    /// Ends of children that nobody has asked for yet; the newest few.
    private var unclaimed: [(pid: Int32, status: ExitStatus)] = []
    private static let mostUnclaimed = 64
    /// Called each time children have been collected.
    public var collected: () -> Void = {}

    /// Begins at once, from `loop`. SIGCHLD stays blocked for this thread and those it starts.
    public init(on loop: EventLoop) throws(SystemError) {
        self.loop = loop
        signals = try SignalDescriptor([SIGCHLD])
        try loop.add(signals.descriptor, .read) { [unowned self] _ in
            while signals.next() != nil {}
            collect()
        }
    }

    /// Calls `action` once the child `pid` has ended; at once when it has already.
    public func expect(_ pid: Int32, _ action: @escaping (ExitStatus) -> Void) {
        if let index = unclaimed.lastIndex(where: { $0.pid == pid }) {
            action(unclaimed.remove(at: index).status)
        } else {
            expected[pid] = action
        }
    }

    private func collect() {
        while let (pid, status) = Processes.reapAny() {
            if let action = expected.removeValue(forKey: pid) {
                action(status)
            } else {
                unclaimed.append((pid, status))
                if unclaimed.count > Self.mostUnclaimed { unclaimed.removeFirst() }
            }
        }
        collected()
    }
}
