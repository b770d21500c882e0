@testable import CoteSystem
import Testing

@testable import CoteGuest

/// Runs a filter's program as the kernel would, on the `struct seccomp_data` of one call.
struct FilterInterpreter {
    let program: FilterProgram

    /// What the program answered and how many instructions that took.
    struct Outcome {
        let answer: UInt32
        let steps: Int
    }

    /// A jump out of the program, an unknown instruction and a load out of bounds have no outcome.
    func run(
        _ number: UInt32, _ arguments: [UInt64] = [], architecture: UInt32 = SystemCall.architecture
    ) -> Outcome? {
        var words = [number, architecture, 0, 0]
        for index in 0..<6 {
            let value = index < arguments.count ? arguments[index] : 0
            words += [UInt32(truncatingIfNeeded: value), UInt32(value >> 32)]
        }
        var accumulator: UInt32 = 0
        var counter = 0
        var steps = 0
        while program.instructions.indices.contains(counter) {
            let instruction = program.instructions[counter]
            counter += 1
            steps += 1
            switch instruction.code {
            case 0x20:
                guard instruction.operand % 4 == 0, instruction.operand < 64 else { return nil }
                accumulator = words[Int(instruction.operand / 4)]
            case 0x54: accumulator &= instruction.operand
            case 0x15: counter += Int(accumulator == instruction.operand ? instruction.ifTrue : instruction.ifFalse)
            case 0x35: counter += Int(accumulator >= instruction.operand ? instruction.ifTrue : instruction.ifFalse)
            case 0x05: counter += Int(instruction.operand)
            case 0x06: return Outcome(answer: instruction.operand, steps: steps)
            default: return nil
            }
        }
        return nil
    }
}

extension SystemCallVerdict {
    /// What the table says about a call with these arguments, read off without the program.
    func answer(_ arguments: [UInt64]) -> UInt32 {
        switch self {
        case .allow: return 0x7fff_0000
        case .fail(let code): return 0x0005_0000 | UInt32(code)
        case .inspect(let cases, let otherwise):
            for one in cases
            where one.tests.allSatisfy({ UInt32(truncatingIfNeeded: arguments[Int($0.index)]) & $0.mask == $0.value }) {
                return one.verdict.answer(arguments)
            }
            return otherwise.answer(arguments)
        }
    }
}
