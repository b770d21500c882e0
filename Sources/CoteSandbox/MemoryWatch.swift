import CoteModel
public import CoteSystem
import Glibc

/// How often the kernel killed a process of a sandbox for memory.
public final class MemoryWatch {
    private let counter: Descriptor
    private let event: SharedDescriptor?
    private let marker: String
    private let loop: EventLoop

    /// Watches `group`; `changed` is called from `loop` when the kernel reports an out-of-memory condition.
    /// The group must exist. `nil` where the host has no memory controller.
    public init?(_ group: Cgroup, on loop: EventLoop, changed: @escaping () -> Void) {
        self.loop = loop
        let directory = group.directory(of: "memory")
        let isUnified = group.layout == .unified
        marker = "oom_kill "
        guard
            let counter = try? Descriptor.open(
                directory + (isUnified ? "/memory.events" : "/memory.oom_control"), O_RDONLY)
        else { return nil }
        self.counter = counter
        do {
            if isUnified {
                event = nil
                try loop.add(self.counter, .priority) { _ in changed() }
            } else {
                event = try Self.register(directory, self.counter)
                if let event { try loop.add(event.descriptor, .read) { _ in changed() } }
            }
        } catch { return nil }
    }

    /// The v1 way: an eventfd that the kernel signals.
    private static func register(_ directory: String, _ counter: borrowing Descriptor) throws(SystemError)
        -> SharedDescriptor
    {
        let event = try Descriptor.event()
        try Files.overwrite(directory + "/cgroup.event_control", "\(event.raw) \(counter.raw)")
        return SharedDescriptor(event)
    }

    /// The kernel's count so far; it may lag a moment behind the event.
    public func kills() -> UInt64 {
        if let event {
            var value: UInt64 = 0
            read(event.descriptor.raw, &value, 8)
        }
        var text = [UInt8](repeating: 0, count: 512)
        let size = pread(counter.raw, &text, text.count, 0)
        guard size > 0 else { return 0 }
        for line in String(decoding: text[..<size], as: UTF8.self).split(separator: "\n") where line.hasPrefix(marker) {
            return UInt64(line.dropFirst(marker.count)) ?? 0
        }
        return 0
    }

    /// Ends the calls to `changed`; `kills` still answers.
    public func stop() {
        if let event { loop.remove(event.descriptor) } else { loop.remove(counter) }
    }
}
