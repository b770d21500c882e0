import CoteSystem
import Glibc
import Synchronization

/// Passes connections on to a real server, and stops dead in the middle: after so many bytes in one direction it
/// passes on nothing more in it, and closes nothing either.
final class StoppingRelay: Sendable {
    enum Direction: Sendable { case toServer, fromServer }

    let port: UInt16
    var host: String { "127.0.0.1:\(port)" }
    private let listener: SharedDescriptor
    private let state: Mutex<State>

    private struct State {
        var rest: Int
        var sockets: [CInt] = []
        var waiting: CheckedContinuation<Void, Never>?
        var isStopped = false
    }

    /// - Parameter bytes: of all connections together.
    init(_ scene: Scene, to server: UInt16, stopping direction: Direction, after bytes: Int) throws {
        state = Mutex(State(rest: bytes))
        listener = try FakeServer.listen()
        port = try FakeServer.port(of: listener)
        let thread = Thread { [self] in
            while case let client = FakeServer.accept(listener), client >= 0 {
                guard let upstream = try? FakeServer.connect(server) else { return }
                state.withLock { $0.sockets += [client, upstream] }
                pump(client, upstream, isCounted: direction == .toServer)
                pump(upstream, client, isCounted: direction == .fromServer)
            }
        }
        try thread.start()
        scene.atEnd { [self] in
            shutdown(listener.descriptor.raw, CInt(SHUT_RDWR))
            for socket in state.withLock({ $0.sockets }) { shutdown(socket, CInt(SHUT_RDWR)) }
        }
    }

    /// Returns when it has stopped.
    func stopped() async {
        await withCheckedContinuation { continuation in
            let isStopped = state.withLock { state in
                if !state.isStopped { state.waiting = continuation }
                return state.isStopped
            }
            if isStopped { continuation.resume() }
        }
    }

    private func pump(_ from: CInt, _ to: CInt, isCounted: Bool) {
        let thread = Thread { [self] in
            var buffer = [UInt8](repeating: 0, count: 32 << 10)
            while case let count = recv(from, &buffer, buffer.count, 0), count > 0 {
                let allowed = isCounted ? spend(count) : count
                var sent = 0
                while sent < allowed {
                    let more = buffer[sent..<allowed].withUnsafeBytes {
                        send(to, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                    }
                    if more <= 0 { return }
                    sent += more
                }
                if allowed < count { return }
            }
            shutdown(to, CInt(SHUT_RDWR))
        }
        try? thread.start()
    }

    /// How many of `count` bytes may still pass.
    private func spend(_ count: Int) -> Int {
        let (allowed, waiting) = state.withLock { state in
            let allowed = min(count, state.rest)
            state.rest -= allowed
            guard allowed < count else { return (allowed, nil as CheckedContinuation<Void, Never>?) }
            state.isStopped = true
            defer { state.waiting = nil }
            return (allowed, state.waiting)
        }
        waiting?.resume()
        return allowed
    }
}
