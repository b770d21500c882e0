import CoteSystem
import Glibc
import Synchronization

/// The program's first thread as an actor: all of `cote` itself runs there, and may block as the cooperative pool may
/// not.
///
/// The main actor would do, but its loop begins by ending the first thread, and in a static program the unwinding that
/// this takes costs 8 ms, more than the rest of a `cote exec`.
@globalActor
public actor MainThread {
    /// The only one there is.
    public static let shared = MainThread()

    private static let executor = FirstThreadExecutor()

    /// Runs jobs on the thread that called `run`, and none before that.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { Self.executor.asUnownedSerialExecutor() }

    /// Runs `body` on the calling thread, and after it whatever it left to run there, for ever. Call from `main`.
    public static func run(_ body: @escaping @MainThread @Sendable () async -> Never) -> Never {
        Task { @MainThread in await body() }
        executor.drain()
    }
}

private final class FirstThreadExecutor: SerialExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let arrivals = Arrivals()

    func enqueue(_ job: UnownedJob) {
        jobs.withLock { $0.append(job) }
        arrivals.signal()
    }

    func drain() -> Never {
        while true {
            arrivals.wait()
            let job = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            job?.runSynchronously(on: asUnownedSerialExecutor())
        }
    }
}

/// Counts what has arrived and not been taken.
private final class Arrivals: @unchecked Sendable {
    // INVARIANT: a POSIX semaphore is made for being shared; it lives as long as the program.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }
    func signal() { sem_post(semaphore) }
    func wait() { while sem_wait(semaphore) != 0 {} }
}
