import Glibc

/// Waits for somebody to write to one file or to close it after writing.
public struct FileWatch: ~Copyable {
    private let events: Descriptor

    /// Watches from now on; a change before this call is not reported.
    public init(_ file: borrowing Descriptor) throws(SystemError) {
        let flags = CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC)
        let queue = Descriptor(owning: try check("inotify_init1") { inotify_init1(flags) })
        let path = file.path
        let raw = queue.raw
        try check("inotify_add_watch") { inotify_add_watch(raw, path, UInt32(IN_MODIFY | IN_CLOSE_WRITE)) }
        events = queue
    }

    /// Returns when there was a change since the last call, or when the time has passed.
    public func wait(milliseconds: CInt) throws(SystemError) {
        var entry = pollfd(fd: events.raw, events: Int16(POLLIN), revents: 0)
        let ready = poll(&entry, 1, milliseconds)
        if ready < 0, errno != EINTR { throw SystemError("poll") }
        var buffer = InlineArray<1024, UInt8>(repeating: 0)
        while ready > 0, try drain(&buffer) {}
    }

    private func drain(_ buffer: inout InlineArray<1024, UInt8>) throws(SystemError) -> Bool {
        let outcome = try withUnsafeMutableBytes(of: &buffer) { bytes throws(SystemError) in
            try events.read(into: bytes)
        }
        if case .bytes = outcome { return true }
        return false
    }
}
