/// A classic BPF program over one system call (`struct seccomp_data`), as `seccomp(2)` takes it.
///
/// The number is found by a binary search over ranges of numbers that share a verdict, not by a chain of comparisons: a
/// call costs some seven comparisons, and so does each number when the kernel, at installation, works out which ones
/// are always allowed (those never run the program again).
public struct FilterProgram: Equatable, Sendable {
    /// At most 4096 (`BPF_MAXINSNS`); jumps only go forward, and every path ends in an answer.
    public let instructions: [Instruction]

    /// - Parameters:
    ///   - architecture: `AUDIT_ARCH_…`; a call made as any other architecture ends the process.
    ///   - verdicts: in any order, a number at most once.
    ///   - otherwise: what all other numbers get.
    package init(
        architecture: UInt32, verdicts: [(number: UInt32, verdict: SystemCallVerdict)], otherwise: SystemCallVerdict
    ) {
        let ranges = Self.ranges(verdicts, otherwise: otherwise)
        instructions =
            [
                .load(Field.architecture),
                .jump(.equal, architecture, ifTrue: 1),
                .answer(Answer.killProcess),
                .load(Field.number),
            ] + Self.search(ranges[...])
    }

    /// Numbers from `first` up to the next range's.
    private typealias Range = (first: UInt32, verdict: SystemCallVerdict)

    private static func ranges(
        _ verdicts: [(number: UInt32, verdict: SystemCallVerdict)], otherwise: SystemCallVerdict
    ) -> [Range] {
        var ranges: [Range] = [(0, otherwise)]
        func begin(_ first: UInt32, _ verdict: SystemCallVerdict) {
            if ranges[ranges.count - 1].first == first { ranges.removeLast() }
            if ranges.last?.verdict != verdict { ranges.append((first, verdict)) }
        }
        for (number, verdict) in verdicts.sorted(by: { $0.number < $1.number }) {
            begin(number, verdict)
            begin(number + 1, otherwise)
        }
        return ranges
    }

    private static func search(_ ranges: ArraySlice<Range>) -> [Instruction] {
        if ranges.count == 1 { return ranges[ranges.startIndex].verdict.instructions }
        let middle = ranges.startIndex + ranges.count / 2
        let below = search(ranges[..<middle])
        let above = search(ranges[middle...])
        let boundary = ranges[middle].first
        // A comparison jumps over 255 instructions at most.
        if let distance = UInt8(exactly: below.count) {
            return [.jump(.atLeast, boundary, ifTrue: distance)] + below + above
        }
        return [.jump(.atLeast, boundary, ifFalse: 1), .jump(over: below.count)] + below + above
    }
}

extension FilterProgram {
    /// One instruction, field by field as in `struct sock_filter`.
    public struct Instruction: Equatable, Sendable {
        /// Operation, operand size and addressing mode.
        public let code: UInt16
        /// Instructions to skip when a comparison holds.
        public let ifTrue: UInt8
        /// Instructions to skip when it does not.
        public let ifFalse: UInt8
        /// The constant, the offset to load from, or the distance of an unconditional jump.
        public let operand: UInt32
    }

    /// Offsets in `struct seccomp_data`.
    package enum Field {
        package static let number: UInt32 = 0
        package static let architecture: UInt32 = 4
        /// The low half of an argument, on a little-endian machine.
        package static func argument(_ index: UInt32) -> UInt32 { 16 + 8 * index }
    }

    /// What the program returns (`SECCOMP_RET_…`).
    package enum Answer {
        package static let killProcess: UInt32 = 0x8000_0000
        package static let allow: UInt32 = 0x7fff_0000
        package static func fail(_ code: CInt) -> UInt32 { 0x0005_0000 | UInt32(truncatingIfNeeded: code) & 0xffff }
    }
}

extension FilterProgram.Instruction {
    /// Comparisons of the accumulator with a constant: `BPF_JMP | BPF_K` and the operation.
    enum Comparison: UInt16 {
        case equal = 0x15
        case atLeast = 0x35
    }

    /// `BPF_LD | BPF_W | BPF_ABS`
    static func load(_ offset: UInt32) -> Self { Self(code: 0x20, ifTrue: 0, ifFalse: 0, operand: offset) }
    /// `BPF_ALU | BPF_AND | BPF_K`
    static func mask(_ bits: UInt32) -> Self { Self(code: 0x54, ifTrue: 0, ifFalse: 0, operand: bits) }
    /// `BPF_RET | BPF_K`
    static func answer(_ value: UInt32) -> Self { Self(code: 0x06, ifTrue: 0, ifFalse: 0, operand: value) }
    /// `BPF_JMP | BPF_JA`
    static func jump(over count: Int) -> Self { Self(code: 0x05, ifTrue: 0, ifFalse: 0, operand: UInt32(count)) }

    static func jump(_ comparison: Comparison, _ constant: UInt32, ifTrue: UInt8 = 0, ifFalse: UInt8 = 0) -> Self {
        Self(code: comparison.rawValue, ifTrue: ifTrue, ifFalse: ifFalse, operand: constant)
    }
}
