/// What a filter says to a system call.
package enum SystemCallVerdict: Equatable, Sendable {
    case allow
    /// The call fails with this `errno` and has no effect.
    case fail(CInt)
    /// The first case that applies decides.
    indirect case inspect([SystemCallCase], otherwise: SystemCallVerdict)
}

/// A verdict that holds when all tests pass.
package struct SystemCallCase: Equatable, Sendable {
    package let tests: [ArgumentTest]
    package let verdict: SystemCallVerdict

    package init(tests: [ArgumentTest], verdict: SystemCallVerdict) {
        self.tests = tests
        self.verdict = verdict
    }
}

/// Compares the low 32 bits of an argument. Only for arguments that the kernel itself takes as 32 bits: looking at the
/// high half as well would let a caller slip past with bits there that the kernel ignores.
package struct ArgumentTest: Equatable, Sendable {
    package let index: UInt32
    package var mask: UInt32 = .max
    package let value: UInt32

    package init(index: UInt32, mask: UInt32 = .max, value: UInt32) {
        self.index = index
        self.mask = mask
        self.value = value
    }
}

extension SystemCallVerdict {
    var instructions: [FilterProgram.Instruction] {
        switch self {
        case .allow: [.answer(FilterProgram.Answer.allow)]
        case .fail(let code): [.answer(FilterProgram.Answer.fail(code))]
        case .inspect(let cases, let otherwise): cases.flatMap(\.instructions) + otherwise.instructions
        }
    }
}

extension SystemCallCase {
    /// Falls through to what follows when a test fails.
    fileprivate var instructions: [FilterProgram.Instruction] {
        tests.reversed().reduce(verdict.instructions) { rest, test in
            // INVARIANT: a case is a handful of instructions, never 255, and is built from this module's own tables.
            let skip = FilterProgram.Instruction.jump(.equal, test.value, ifFalse: UInt8(rest.count))
            let load = FilterProgram.Instruction.load(FilterProgram.Field.argument(test.index))
            return (test.mask == .max ? [load] : [load, .mask(test.mask)]) + [skip] + rest
        }
    }
}
