import CoteSystem
import FoundationEssentials
import Glibc

/// The worker's side: the request on stdin, what it has to say as lines of JSON on stdout.
public enum WorkerChannel {
    /// No request is longer.
    static let longestRequest = 16 << 20

    /// Reads the whole request.
    public static func request<Request: Decodable>(_ type: Request.Type) throws -> Request {
        let bytes = try Descriptor(owning: dup(STDIN_FILENO)).readAll(limit: longestRequest)
        return try JSONDecoder().decode(type, from: Data(bytes))
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
