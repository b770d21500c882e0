import CoteSystem
import CoteWire
import Synchronization

/// The sending half of a connection. A frame leaves from the task that sends it, without a detour over the loop's
/// thread; only what the socket does not take waits there.
final class ConnectionWriter: Sendable {
    private struct State {
        var waiting: [UInt8] = []
        var isWatched = false
        var isBroken = false
    }

    private let socket: SharedDescriptor
    private let loop: EngineLoop
    private let state = Mutex(State())

    /// - Parameter socket: without blocking; nobody else writes to it.
    init(_ socket: SharedDescriptor, on loop: EngineLoop) {
        self.socket = socket
        self.loop = loop
    }

    func send(_ frame: Frame) {
        let mustWatch = state.withLock { state in
            guard !state.isBroken else { return false }
            frame.encode(into: &state.waiting)
            flush(&state)
            defer { state.isWatched = state.isWatched || !state.waiting.isEmpty }
            return !state.waiting.isEmpty && !state.isWatched
        }
        if mustWatch { watch() }
    }

    private func flush(_ state: inout State) {
        do throws(SystemError) {
            let socket = socket
            var result: Result<Int, SystemError> = .success(0)
            state.waiting.withUnsafeBytes { bytes in
                do throws(SystemError) { result = .success(try socket.descriptor.write(some: bytes)) } catch {
                    result = .failure(error)
                }
            }
            state.waiting.removeFirst(try result.get())
        } catch {
            // The reading half sees the end of the connection and tells everybody.
            state = State(isBroken: true)
        }
    }

    private func watch() {
        loop.run { [self] events in
            // A descriptor of its own: the reading half watches the other.
            guard let descriptor = try? socket.descriptor.duplicate() else { return }
            let own = SharedDescriptor(descriptor)
            try? events.add(own.descriptor, .write) { [self] _ in
                let isDone = state.withLock { state in
                    flush(&state)
                    if state.waiting.isEmpty { state.isWatched = false }
                    return state.waiting.isEmpty
                }
                if isDone { events.remove(own.descriptor) }
            }
        }
    }
}
