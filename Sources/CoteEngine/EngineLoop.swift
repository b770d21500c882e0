import CoteModel
import CoteSystem
import Glibc
import Synchronization

/// The one thread on which all of an engine's connections live. Everything they own is touched from there only.
final class EngineLoop: Sendable {
    private struct Queue {
        var jobs: [@Sendable (EventLoop) -> Void] = []
    }

    private let queue = Mutex(Queue())
    private let wake: SharedDescriptor

    init() throws(CoteError) {
        do throws(SystemError) { wake = SharedDescriptor(try Descriptor.event()) } catch {
            throw CoteError(.internal, "\(error)")
        }
        let thread = Thread { [wake] in
            guard let loop = try? EventLoop() else { return }
            try? loop.add(wake.descriptor, .read) { [weak self] _ in
                var value: UInt64 = 0
                read(wake.descriptor.raw, &value, 8)
                guard let self else { return loop.stop() }
                for job in takeJobs() { job(loop) }
            }
            try? loop.run()
        }
        do throws(SystemError) { try thread.start() } catch { throw CoteError(.internal, "\(error)") }
    }

    deinit { Self.signal(wake) }

    /// Runs `job` on the loop's thread, after those given before it.
    func run(_ job: @escaping @Sendable (EventLoop) -> Void) {
        let wasEmpty = queue.withLock { queue in
            queue.jobs.append(job)
            return queue.jobs.count == 1
        }
        if wasEmpty { Self.signal(wake) }
    }

    private func takeJobs() -> [@Sendable (EventLoop) -> Void] {
        queue.withLock { queue in
            defer { queue.jobs = [] }
            return queue.jobs
        }
    }

    private static func signal(_ wake: SharedDescriptor) {
        var one: UInt64 = 1
        write(wake.descriptor.raw, &one, 8)
    }
}
