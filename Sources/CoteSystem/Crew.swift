import Glibc
import Synchronization

/// Several threads that share out some work. For work that blocks or fills a processor, off Swift's own threads.
public enum Crew {
    /// How many processors this process may use.
    public static var processors: Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }

    /// Calls `body` once for each index below `count`, on at most `threads` threads, one of them the caller's, and
    /// returns when all calls have.
    public static func share(_ count: Int, threads: Int = processors, _ body: @escaping @Sendable (Int) -> Void) {
        let turn = Turn()
        let work: @Sendable () -> Void = {
            while true {
                let index = turn.next.wrappingAdd(1, ordering: .relaxed).oldValue
                if index >= count { return }
                body(index)
            }
        }
        var started: [SharedDescriptor] = []
        for _ in 1..<max(1, min(threads, count)) {
            // A thread that does not start leaves its share to the others.
            guard let end = try? SharedDescriptor(Descriptor.event()) else { break }
            let thread = Thread {
                work()
                var one: UInt64 = 1
                write(end.descriptor.raw, &one, 8)
            }
            if (try? thread.start()) != nil { started.append(end) }
        }
        work()
        for end in started {
            var entry = pollfd(fd: end.descriptor.raw, events: Int16(POLLIN), revents: 0)
            while poll(&entry, 1, -1) < 0 {}
        }
    }

    private final class Turn: Sendable {
        let next = Atomic<Int>(0)
    }
}
