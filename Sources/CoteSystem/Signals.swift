import CLinux
import Glibc

/// Signals taken as events instead of interruptions.
public struct SignalDescriptor: ~Copyable {
    public let descriptor: Descriptor

    /// Blocks `signals` for this thread, and those it starts later, and makes them readable.
    public init(_ signals: [CInt]) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let flags = CInt(SFD_CLOEXEC | SFD_NONBLOCK)
        descriptor = Descriptor(owning: try check("signalfd") { signalfd(-1, &set, flags) })
    }

    /// The next signal that has arrived, if any.
    public func next() -> CInt? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        return read(descriptor.raw, &info, size) == size ? CInt(info.ssi_signo) : nil
    }
}

/// Broken pipes are errors of `write`, not signals, in every program of Cote.
public func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
