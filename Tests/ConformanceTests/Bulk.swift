import Glibc
import Testing

/// A great many bytes, compared at once, which a failed test does not print.
struct Bulk: Equatable, CustomTestStringConvertible {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func == (left: Bulk, right: Bulk) -> Bool {
        left.bytes.count == right.bytes.count
            && left.bytes.withUnsafeBytes { one in
                right.bytes.withUnsafeBytes { two in
                    guard let first = one.baseAddress, let second = two.baseAddress else { return true }
                    return memcmp(first, second, one.count) == 0
                }
            }
    }

    var testDescription: String { "\(bytes.count) bytes from \(bytes.prefix(8)) to \(bytes.suffix(8))" }
}

/// Bytes that look random and are the same in every run.
enum Seeded {
    static let seed: UInt64 = 0x00c0_7e00_5eed

    static func bytes(_ count: Int) -> [UInt8] {
        var state = seed
        var words = [UInt64](repeating: 0, count: (count + 7) / 8)
        for index in words.indices {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            words[index] = state
        }
        return words.withUnsafeBytes { Array($0.prefix(count)) }
    }
}
