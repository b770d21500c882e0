import CoteWire
import Glibc

/// The agent's end of the channel, with nothing in between.
struct Channel {
    static let descriptor: CInt = 3

    func send(_ kind: Frame.Kind, stream: UInt32 = 0, _ payload: [UInt8] = []) {
        var bytes: [UInt8] = []
        Frame(kind, stream: stream, payload: payload).encode(into: &bytes)
        send(raw: bytes)
    }

    func send(raw bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(Self.descriptor, $0.baseAddress, $0.count) }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }

    /// The stream of the first command that is asked for.
    func awaitCommand() -> UInt32 {
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            // Every frame is a header and a payload; of a request only the stream's number matters here.
            while received.count >= Frame.headerSize {
                let words = [0, 4].map { start in
                    (0..<4).reduce(UInt32(0)) { $0 | UInt32(received[start + $1]) << (8 * UInt32($1)) }
                }
                if received[8] == Frame.Kind.open.rawValue { return words[1] }
                guard received.count >= Frame.headerSize + Int(words[0]) else { break }
                received.removeFirst(Frame.headerSize + Int(words[0]))
            }
            let count = read(Self.descriptor, &chunk, chunk.count)
            if count <= 0 { exit(1) }
            received += chunk[..<count]
        }
    }

    /// Stays until the keeper ends it, deaf to whatever else it says.
    func drain() -> Never {
        var chunk = [UInt8](repeating: 0, count: 4096)
        while read(Self.descriptor, &chunk, chunk.count) > 0 {}
        while true { pause() }
    }
}
