import Foundation

/// SplitMix64: the same seed gives the same test on every machine.
public struct SeededRandom: Sendable {
    private var state: UInt64

    /// The sequence that `seed` means.
    public init(seed: UInt64) { state = seed }

    /// Any number.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, `bound`, which is at least 1.
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Even odds.
    public mutating func flag() -> Bool { next() & 1 == 1 }

    /// Any byte.
    public mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }

    /// Any `count` bytes.
    public mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }

    /// One of `choices`, of which there is at least one.
    public mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }

    /// A value half of the time.
    public mutating func maybe<Value>(_ value: (inout SeededRandom) -> Value) -> Value? { flag() ? value(&self) : nil }

    /// Up to `limit` characters, some of them wide, none of them NUL.
    public mutating func text(upTo limit: Int) -> String {
        let letters = Array("abcXYZ019 ./-_'\"\\\n\tåß→漢🕊")
        return String((0..<below(limit + 1)).map { _ in pick(letters) })
    }
}

/// What the environment says about random tests.
public enum Fuzzing {
    /// Of this process; `COTE_FUZZ_SEED` repeats an earlier one. Printed once, so that a failure can be repeated.
    public static let seed: UInt64 = {
        let given = ProcessInfo.processInfo.environment["COTE_FUZZ_SEED"].flatMap { UInt64($0) }
        let seed = given ?? UInt64.random(in: 0...UInt64.max)
        print("COTE_FUZZ_SEED=\(seed)")
        return seed
    }()

    /// Inputs for each fuzz test; `COTE_FUZZ_COUNT` asks for more.
    public static func count(_ usual: Int) -> Int {
        ProcessInfo.processInfo.environment["COTE_FUZZ_COUNT"].flatMap { Int($0) } ?? usual
    }
}
