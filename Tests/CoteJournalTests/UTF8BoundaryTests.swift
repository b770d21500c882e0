import CoteTestSupport
import Testing

@testable import CoteJournal

@Suite struct UTF8BoundaryTests {
    /// Whole characters of every length, at the edges of what the encoding allows, and pieces that are none.
    private static let pieces: [[UInt8]] = [
        [0x00], [0x41], [0x7f], [0xc2, 0x80], [0xdf, 0xbf], [0xe0, 0xa0, 0x80], [0xed, 0x9f, 0xbf],
        [0xee, 0x80, 0x80], [0xef, 0xbf, 0xbf], [0xf0, 0x90, 0x80, 0x80], [0xf4, 0x8f, 0xbf, 0xbf],
    ]
    private static let broken: [[UInt8]] = [
        [0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xc2], [0xe0, 0x9f, 0xbf], [0xe2, 0x82], [0xed, 0xa0, 0x80],
        [0xf0, 0x8f, 0xbf, 0xbf], [0xf0, 0x9f, 0x98], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff],
    ]

    /// The standard library's opinion.
    private static func expected(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    @Test func `text is valid exactly where the standard library says so`() {
        var random = SeededRandom(seed: 20_261)
        for _ in 0..<200_000 {
            var bytes: [UInt8] = []
            for _ in 0..<random.below(24) {
                let source = random.below(40) == 0 ? Self.broken : Self.pieces
                bytes += source[random.below(source.count)]
            }
            #expect(bytes.withUnsafeBytes(UTF8Boundary.isValid) == Self.expected(bytes), "\(bytes)")
        }
    }

    @Test func `every pair and triple of bytes that is not ASCII is judged like the standard library does`() {
        for first in UInt8(0x80)...0xff {
            for second in UInt8.min...UInt8.max {
                for third: [UInt8] in [[], [0x41], [0x80], [0xbf], [0xc2]] {
                    let bytes = [first, second] + third
                    #expect(bytes.withUnsafeBytes(UTF8Boundary.isValid) == Self.expected(bytes), "\(bytes)")
                }
            }
        }
    }
}
