import CLinux
public import Glibc

/// An owned file descriptor, closed when its owner goes. Every descriptor Cote opens is close-on-exec.
public struct Descriptor: ~Copyable, Sendable {
    /// The kernel's number, good as long as this value lives.
    public let raw: CInt

    /// Takes ownership of `raw`.
    public init(owning raw: CInt) { self.raw = raw }

    deinit { close(raw) }

    /// Gives the number away; the caller closes it.
    public consuming func release() -> CInt {
        let raw = self.raw
        discard self
        return raw
    }

    /// Another number, 3 or higher, for the same open file.
    public func duplicate() throws(SystemError) -> Descriptor {
        Descriptor(owning: try check("fcntl") { cl_fcntl(raw, F_DUPFD_CLOEXEC, 3) })
    }

    /// The path under which this process can name the open file in calls that take only a path.
    public var path: String { "/proc/self/fd/\(raw)" }
}

extension Descriptor {
    /// Opens `path`, relative to `directory` where one is given.
    public static func open(
        _ path: String, _ flags: CInt, mode: UInt32 = 0, at directory: CInt = AT_FDCWD
    ) throws(SystemError) -> Descriptor {
        Descriptor(
            owning: try check("open", path) { cl_openat(directory, path, flags | O_CLOEXEC, mode) })
    }

    private static let pathOnly: CInt = 0o10_000_000  // O_PATH

    /// Names what is at `path` below an open directory, without opening it, going through no link on the way.
    /// - Throws: `ELOOP` for a link, at the end too; `EXDEV` for what is not below.
    public static func below(_ directory: borrowing Descriptor, _ path: String) throws(SystemError) -> Descriptor {
        Descriptor(owning: try check("openat2", path) { cl_open_below(directory.raw, path, pathOnly) })
    }

    /// Opens what is at `path` below an open directory, going through no link on the way.
    /// - Throws: `ELOOP` for a link, at the end too; `EXDEV` for what is not below.
    public static func open(
        _ path: String, _ flags: CInt, below directory: borrowing Descriptor
    ) throws(SystemError) -> Descriptor {
        Descriptor(owning: try check("openat2", path) { cl_open_below(directory.raw, path, flags) })
    }

    /// Opens a directory to name it by, without reading it.
    public static func directory(_ path: String) throws(SystemError) -> Descriptor {
        try open(path, pathOnly | O_DIRECTORY)
    }

    /// A counter that becomes readable when something is written to it.
    public static func event() throws(SystemError) -> Descriptor {
        Descriptor(owning: try check("eventfd") { eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK)) })
    }

    /// Both ends of a pipe.
    public static func pipe() throws(SystemError) -> DescriptorPair {
        try pair("pipe2") { cl_pipe($0, 0) }
    }

    /// Two connected stream sockets.
    public static func socketPair() throws(SystemError) -> DescriptorPair {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        return try pair("socketpair") { socketpair(AF_UNIX, type, 0, $0) }
    }

    private static func pair(
        _ call: String, _ make: (UnsafeMutablePointer<CInt>?) -> CInt
    ) throws(SystemError) -> DescriptorPair {
        var ends: [CInt] = [-1, -1]
        try check(call) { ends.withUnsafeMutableBufferPointer { make($0.baseAddress) } }
        return DescriptorPair(ends[0], ends[1])
    }

    /// For the open file, so for everyone who shares it.
    public func setNonblocking() throws(SystemError) {
        let flags = try check("fcntl") { cl_fcntl(raw, F_GETFL, 0) }
        try check("fcntl") { cl_fcntl(raw, F_SETFL, CLong(flags | O_NONBLOCK)) }
    }

    private static let setPipeSize: CInt = 1031  // F_SETPIPE_SZ

    /// Asks for a larger pipe; the kernel may refuse, and the pipe then stays as it is.
    public func growPipe(to bytes: Int) { _ = cl_fcntl(raw, Self.setPipeSize, bytes) }
}

/// Two descriptors that belong together. Of a pipe, what is written to `second` is read from `first`.
public struct DescriptorPair: ~Copyable, Sendable {
    private var ends: (CInt, CInt)

    init(_ first: CInt, _ second: CInt) { ends = (first, second) }

    deinit {
        if ends.0 >= 0 { close(ends.0) }
        if ends.1 >= 0 { close(ends.1) }
    }

    /// Gives `first` an owner of its own. Call once.
    public mutating func takeFirst() -> Descriptor {
        defer { ends.0 = -1 }
        return Descriptor(owning: ends.0)
    }

    /// Gives `second` an owner of its own. Call once.
    public mutating func takeSecond() -> Descriptor {
        defer { ends.1 = -1 }
        return Descriptor(owning: ends.1)
    }
}

/// What a read that must not wait came back with.
public enum ReadOutcome: Equatable, Sendable {
    case bytes(Int)
    case end
    case wouldBlock
}

extension Descriptor {
    /// Reads what is there, at most `buffer.count` bytes. A terminal whose other side has gone reads as `end`.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> ReadOutcome {
        let count = Glibc.read(raw, buffer.baseAddress, buffer.count)
        if count > 0 { return .bytes(count) }
        if count == 0 { return .end }
        switch errno {
        case EAGAIN, EINTR: return .wouldBlock
        case EIO, ECONNRESET: return .end
        default: throw SystemError("read")
        }
    }

    /// Writes what fits without waiting; 0 when nothing does.
    public func write(some bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        let count = Glibc.write(raw, bytes.baseAddress, bytes.count)
        if count >= 0 { return count }
        if errno == EAGAIN || errno == EINTR { return 0 }
        throw SystemError("write")
    }

    /// Writes what fits of `head` and then `body` without waiting; 0 when nothing does.
    public func write(some head: [UInt8], _ body: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        let count = head.withUnsafeBytes { head in
            var parts = [
                iovec(iov_base: UnsafeMutableRawPointer(mutating: head.baseAddress), iov_len: head.count),
                iovec(iov_base: UnsafeMutableRawPointer(mutating: body.baseAddress), iov_len: body.count),
            ]
            return writev(raw, &parts, 2)
        }
        if count >= 0 { return count }
        if errno == EAGAIN || errno == EINTR { return 0 }
        throw SystemError("writev")
    }

    /// Writes all of `bytes`, waiting as long as it takes.
    public func write(all bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(raw, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EAGAIN {
                var entry = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
                poll(&entry, 1, -1)
            } else if errno != EINTR {
                throw SystemError("write")
            }
        }
    }

    /// Writes all of `bytes`, waiting as long as it takes.
    public func write(all bytes: [UInt8]) throws(SystemError) {
        try bytes.span.withUnsafeBytes { raw throws(SystemError) in try write(all: raw) }
    }

    /// Everything up to the end of the file, waiting for it.
    /// - Throws: `EFBIG` when there is more than `limit` bytes.
    public func readAll(limit: Int) throws(SystemError) -> [UInt8] {
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(limit + 1, 65_536))
        while true {
            let count = try check("read") {
                chunk.withUnsafeMutableBytes { Glibc.read(raw, $0.baseAddress, $0.count) }
            }
            if count == 0 { return contents }
            contents += chunk[..<count]
            if contents.count > limit { throw SystemError("read", code: EFBIG) }
        }
    }

    /// Returns once the file's content is on disk (`fdatasync`).
    public func synchronize() throws(SystemError) { try check("fdatasync") { fdatasync(raw) } }
}

extension Descriptor {
    /// For a descriptor that this process was given, not one it opened.
    public func setCloseOnExec() throws(SystemError) {
        try check("fcntl") { cl_fcntl(raw, F_SETFD, CLong(FD_CLOEXEC)) }
    }
}

/// A descriptor with more than one holder; closed when the last goes.
public final class SharedDescriptor: Sendable {
    /// Good as long as anyone holds this object.
    public let descriptor: Descriptor
    /// Takes over the caller's ownership.
    public init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}
