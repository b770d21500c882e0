import CoteSystem
import Glibc
import Synchronization

/// An HTTP server on loopback that says whatever a test wants, byte by byte.
final class FakeServer: Sendable {
    struct Request: Sendable {
        var method: String
        /// Path and query.
        var target: String
        /// Names in lower case.
        var headers: [String: String]
        var body: [UInt8]
    }

    let port: UInt16
    var host: String { "127.0.0.1:\(port)" }
    private let listener: SharedDescriptor
    private let answer: @Sendable (Request, Connection) -> Void
    private let seen = Mutex<[Request]>([])
    private let open = Mutex<[Connection]>([])

    /// All requests whose head has come.
    var requests: [Request] { seen.withLock { $0 } }

    init(_ scene: Scene, _ answer: @escaping @Sendable (Request, Connection) -> Void) throws {
        self.answer = answer
        listener = try Self.listen()
        port = try Self.port(of: listener)
        let thread = Thread { [self] in accept() }
        try thread.start()
        scene.atEnd { [self] in
            Glibc.shutdown(listener.descriptor.raw, CInt(SHUT_RDWR))
            for connection in open.withLock({ $0 }) { connection.close() }
        }
    }

    /// A listener on a free port.
    static func listen() throws -> SharedDescriptor {
        let socket = Descriptor(owning: Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue) | 0o2_000_000, 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(socket.raw, pointer, size) + Glibc.listen(socket.raw, 64)
            }
        }
        if result != 0 { throw SystemError("listen") }
        return SharedDescriptor(socket)
    }

    static func port(of listener: SharedDescriptor) throws -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(listener.descriptor.raw, $0, &size)
            }
        }
        if result != 0 { throw SystemError("getsockname") }
        return UInt16(bigEndian: address.sin_port)
    }

    /// The next connection; negative when the listener is shut down.
    static func accept(_ listener: SharedDescriptor) -> CInt {
        let raw = Glibc.accept(listener.descriptor.raw, nil, nil)
        if raw >= 0 { _ = fcntl(raw, F_SETFD, FD_CLOEXEC) }
        return raw
    }

    /// A connection to a port of this machine.
    static func connect(_ port: UInt16) throws -> CInt {
        let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue) | 0o2_000_000, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket, $0, size) }
        }
        if result != 0 { throw SystemError("connect") }
        return socket
    }

    private func accept() {
        while true {
            let raw = Self.accept(listener)
            if raw < 0 { return }
            let connection = Connection(raw)
            open.withLock { $0.append(connection) }
            let thread = Thread { [self] in
                while let request = connection.request(seen: { head in self.seen.withLock { $0.append(head) } }) {
                    answer(request, connection)
                }
                connection.close()
            }
            try? thread.start()
        }
    }
}

/// One connection to a fake server, for one thread.
final class Connection: Sendable {
    private let socket: Descriptor
    private let pending = Mutex<[UInt8]>([])

    init(_ raw: CInt) { socket = Descriptor(owning: raw) }

    func close() { shutdown(socket.raw, CInt(SHUT_RDWR)) }

    /// False when the peer has gone.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket.raw, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// A whole answer with its length.
    func reply(_ status: Int, _ headers: [(String, String)] = [], _ body: [UInt8] = []) {
        let lines = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
        let length =
            headers.contains { $0.0.lowercased() == "content-length" } ? "" : "Content-Length: \(body.count)\r\n"
        send(Array("HTTP/1.1 \(status) X\r\n\(lines)\(length)\r\n".utf8) + body)
    }

    func reply(_ status: Int, _ headers: [(String, String)] = [], _ body: String) {
        reply(status, headers, Array(body.utf8))
    }

    /// Waits until the peer closes, for at most `milliseconds` if that is given; true when it has.
    @discardableResult
    func peerIsGone(after milliseconds: CInt = -1) -> Bool {
        var entry = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
        while true {
            if poll(&entry, 1, milliseconds) == 0 { return false }
            var byte: UInt8 = 0
            if recv(socket.raw, &byte, 1, 0) <= 0 { return true }
        }
    }

    /// The next request; `nil` when the peer has gone.
    func request(seen: (FakeServer.Request) -> Void) -> FakeServer.Request? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let range = pending.withLock({ $0.firstRange(of: end) }) {
                let head = pending.withLock { pending in
                    defer { pending.removeSubrange(..<range.upperBound) }
                    return String(decoding: pending[..<range.lowerBound], as: UTF8.self)
                }
                var request = Self.parse(head)
                seen(request)
                let length = Int(request.headers["content-length"] ?? "0") ?? 0
                while pending.withLock({ $0.count }) < length { guard fill() else { return nil } }
                request.body = pending.withLock { pending in
                    defer { pending.removeSubrange(..<length) }
                    return Array(pending[..<length])
                }
                return request
            }
            guard fill() else { return nil }
        }
    }

    private func fill() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket.raw, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        pending.withLock { $0 += buffer[..<count] }
        return true
    }

    private static func parse(_ head: String) -> FakeServer.Request {
        let lines = head.split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        return FakeServer.Request(
            method: words.first.map(String.init) ?? "", target: words.count > 1 ? String(words[1]) : "",
            headers: headers, body: [])
    }
}
