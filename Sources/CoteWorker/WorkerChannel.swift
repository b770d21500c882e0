import CoteSystem
import FoundationEssentials
import Glibc

/// The worker's side: the request on stdin, what it has to say as lines of JSON on stdout.
public enum WorkerChannel {
    /// No request is longer.
    static let longestRequest = 16 << 20

    /// Reads the whole request.
    public static func request<Request: Decodable>(_ type: Request.Type) throws -> Request {
        endWithParent()
        let bytes = try Descriptor(owning: dup(STDIN_FILENO)).readAll(limit: longestRequest)
        return try JSONDecoder().decode(type, from: Data(bytes))
    }

    /// Has the kernel end this process with the one that asked for its work. To be said again after a change of user.
    public static func endWithParent() {
        Processes.endWithParent()
        // Perhaps it is gone already.
        var entry = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        if poll(&entry, 1, 0) > 0, entry.revents & Int16(POLLERR) != 0 { exit(125) }
    }

    /// Says one thing. Nobody may be listening any more, which the worker need not know.
    public static func send(_ event: some Encodable) {
        guard let data = try? JSONEncoder().encode(event) else { return }
        let line = Array(data) + [UInt8(ascii: "\n")]
        line.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return }
            }
        }
    }
}
