import CLinux
import Glibc

/// Signals taken as events instead of interruptions.
public struct SignalDescriptor: ~Copyable {
    /// Readable when a signal waits.
    public let descriptor: Descriptor

    /// Blocks `signals` for this thread, and those it starts later, and makes them readable.
    public init(_ signals: [CInt]) throws(SystemError) {
        descriptor = try Self.held(signals, CInt(SFD_NONBLOCK))
    }

    /// The same for a thread that waits for nothing else; see `wait`.
    public static func held(_ signals: [CInt]) throws(SystemError) -> Descriptor { try held(signals, 0) }

    private static func held(_ signals: [CInt], _ flags: CInt) throws(SystemError) -> Descriptor {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        return Descriptor(owning: try check("signalfd") { signalfd(-1, &set, flags | CInt(SFD_CLOEXEC)) })
    }

    /// The next signal that has arrived, if any.
    public func next() -> CInt? { Self.wait(on: descriptor) }

    /// The next signal, waiting for it where the descriptor waits.
    public static func wait(on descriptor: borrowing Descriptor) -> CInt? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return read(descriptor.raw, &info, size) == size ? CInt(info.ssi_signo) : nil
    }
}

/// Broken pipes are errors of `write`, not signals, in every program of Cote.
public func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
