import CoteModel
import CoteSystem
import Glibc

/// Things on the host that an attempt may get hold of without its guard: made for it, and gone after it.
final class Bait: Sendable {
    private let name = "cote-bait-\(SandboxID.random())"
    private let loopback: Descriptor
    private let abstract: Descriptor
    private let terminal: Descriptor
    private let program: Descriptor
    private let terminalPath: String
    private let port: UInt16
    private let key = Int32.random(in: 1..<Int32.max)
    private let segment: CInt
    private let queue: CInt
    /// The writable layer of the sandbox, on the host.
    private let volume: String

    init(volume: String) throws {
        self.volume = volume
        loopback = try Self.listenOnLoopback()
        port = try Self.port(of: loopback)
        abstract = try Self.listenAbstractly(name)
        var pair = try Terminals.openPair()
        terminal = pair.takeFirst()
        program = pair.takeSecond()
        try terminal.setNonblocking()
        terminalPath = try Files.linkTarget(program.path)
        fchmod(program.raw, 0o666)
        for path in ["/tmp", "/dev/shm"] {
            try Files.create("\(path)/\(name)", mode: 0o644, Array("a secret of the machine\n".utf8))
            chmod("\(path)/\(name)", 0o644)
        }
        segment = try Self.check("shmget", shmget(key, 8, 0o1666))
        queue = try Self.check("msgget", msgget(key, 0o1666))
        var message: (Int, UInt64) = (1, 0)
        try Self.check("msgsnd", msgsnd(queue, &message, 8, 0))
    }

    deinit {
        for path in ["/tmp", "/dev/shm"] { unlink("\(path)/\(name)") }
        shmctl(segment, IPC_RMID, nil)
        msgctl(queue, IPC_RMID, nil)
    }

    /// How a script finds it.
    var environment: [String: String] {
        var host = utsname()
        uname(&host)
        let node = withUnsafeBytes(of: &host.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return [
            "NAME": name, "PORT": "\(port)", "KEY": "\(key)", "TERMINAL": terminalPath, "HOST": node,
        ]
    }

    // MARK: What was done to it

    var loopbackWasReached: Bool { Sockets.accept(loopback) != nil }
    var abstractWasReached: Bool { Sockets.accept(abstract) != nil }

    /// Whether the shared memory is no longer all zeroes.
    var segmentWasWritten: Bool {
        guard let address = shmat(segment, nil, 0), Int(bitPattern: address) != -1 else { return false }
        defer { shmdt(address) }
        return address.load(as: UInt64.self) != 0
    }

    var queueWasRead: Bool {
        var status = msqid_ds()
        return msgctl(queue, IPC_STAT, &status) == 0 && status.msg_qnum == 0
    }

    var terminalWasWritten: Bool {
        var byte: UInt8 = 0
        return read(terminal.raw, &byte, 1) == 1
    }

    /// The host's user id that a file of the sandbox belongs to.
    func owner(of path: String) throws -> UInt32 { try Files.status(volume + path).st_uid }

    // MARK: Making it

    private static func listenOnLoopback() throws -> Descriptor {
        let listener = try makeSocket(AF_INET)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        try listen(listener, &address, MemoryLayout<sockaddr_in>.size)
        return listener
    }

    private static func port(of listener: borrowing Descriptor) throws -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let raw = listener.raw
        try withUnsafeMutablePointer(to: &address) { pointer in
            _ = try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try check("getsockname", getsockname(raw, pointer, &size))
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func listenAbstractly(_ name: String) throws -> Descriptor {
        let listener = try makeSocket(AF_UNIX)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let text = [0] + Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: text) }
        try listen(listener, &address, MemoryLayout<sa_family_t>.size + text.count)
        return listener
    }

    private static func makeSocket(_ family: CInt) throws -> Descriptor {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        return Descriptor(owning: try check("socket", socket(family, type, 0)))
    }

    private static func listen<Address>(
        _ listener: borrowing Descriptor, _ address: inout Address, _ size: Int
    ) throws {
        let raw = listener.raw
        try withUnsafePointer(to: &address) { pointer in
            _ = try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                try check("bind", bind(raw, pointer, socklen_t(size)))
            }
        }
        try check("listen", Glibc.listen(raw, 8))
    }

    @discardableResult
    private static func check(_ call: String, _ result: CInt) throws -> CInt {
        guard result >= 0 else { throw SystemError(call) }
        return result
    }
}
