import CLinux

/// System calls that this process and those it starts may make from now on, held by the kernel.
public struct SystemCallFilter: Sendable {
    /// What the kernel runs for each call that it has not found to be always allowed.
    public let program: FilterProgram

    /// - Parameters:
    ///   - verdicts: a call at most once.
    ///   - otherwise: what every other number gets, also those that no table knows.
    package init(_ verdicts: [(call: SystemCall, verdict: SystemCallVerdict)], otherwise: SystemCallVerdict) {
        program = FilterProgram(
            architecture: SystemCall.architecture, verdicts: verdicts.map { ($0.call.rawValue, $0.verdict) },
            otherwise: otherwise)
    }

    /// Holds this thread, and the threads and processes it starts from now on, to the program; there is no way back.
    /// - Throws: `EACCES` when the thread has neither `no_new_privs` nor `CAP_SYS_ADMIN`.
    public func install() throws(SystemError) {
        var instructions = program.instructions.map {
            sock_filter(code: $0.code, jt: $0.ifTrue, jf: $0.ifFalse, k: $0.operand)
        }
        let result = instructions.withUnsafeMutableBufferPointer { buffer in
            var filter = sock_fprog(len: UInt16(clamping: buffer.count), filter: buffer.baseAddress)
            return cl_seccomp_install(&filter)
        }
        if result < 0 { throw SystemError("seccomp") }
    }
}
