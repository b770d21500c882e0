/// Base64 of RFC 4648, section 4, with padding. Written by arithmetic on eight characters at a time, not by table,
/// so that it is fast and costs the guest no memory.
package enum Base64 {
    package static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Appends `data` in base64. `output` has room for `encodedCount`.
    static func encode(_ data: UnsafeRawBufferPointer, into output: inout OutputSpan<UInt8>) {
        output.withUnsafeMutableBufferPointer { target, used in
            let target = UnsafeMutableRawBufferPointer(target)
            var position = 0
            while position + 8 <= data.count {
                let word = UInt64(bigEndian: data.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                target.storeBytes(of: characters(ofTop48Bits: word), toByteOffset: used, as: UInt64.self)
                position += 6
                used += 8
            }
            while position < data.count {
                let count = min(3, data.count - position)
                var word: UInt64 = 0
                for index in 0..<count { word |= UInt64(data[position + index]) << (56 - 8 * UInt64(index)) }
                let characters = characters(ofTop48Bits: word)
                for index in 0..<4 {
                    let character = UInt8(truncatingIfNeeded: characters >> (8 * UInt64(index)))
                    target[used + index] = index <= count ? character : UInt8(ascii: "=")
                }
                position += count
                used += 4
            }
        }
    }

    /// Eight characters, the first in the lowest byte of a little-endian word.
    @inline(__always)
    private static func characters(ofTop48Bits word: UInt64) -> UInt64 {
        // 48 bits become 2 × 24, then 4 × 12, then 8 × 6, each group at the low end of its share of the word.
        var bits = word >> 16
        bits = (bits & 0x0000_0000_00ff_ffff) | (bits & 0x0000_ffff_ff00_0000) << 8
        bits = (bits & 0x0000_0fff_0000_0fff) | (bits & 0x00ff_f000_00ff_f000) << 4
        bits = (bits & 0x003f_003f_003f_003f) | (bits & 0x0fc0_0fc0_0fc0_0fc0) << 2
        // A–Z, a–z, 0–9, + and /: from value to character it is 65 more, and other steps from 26, 52, 62 and 63 on.
        // No sum leaves its byte, so that one addition serves eight.
        var characters = bits &+ 65 &* Self.ones
        characters &+= atLeast(26, bits) &* 6
        characters &-= atLeast(52, bits) &* 75
        characters &-= atLeast(62, bits) &* 15
        characters &+= atLeast(63, bits) &* 3
        return characters.bigEndian
    }

    /// A one in each byte whose value, below 128, is at least `least`.
    @inline(__always)
    private static func atLeast(_ least: UInt64, _ bytes: UInt64) -> UInt64 {
        (bytes &+ (128 &- least) &* ones) >> 7 & ones
    }

    private static var ones: UInt64 { 0x0101_0101_0101_0101 }

    /// The bytes that `text` stands for; `nil` unless it is whole groups of four, padded and with no stray bits.
    package static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        var seen: UInt32 = 0
        let decoded = values.withUnsafeBufferPointer { values in
            [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { target, count in
                for position in stride(from: 0, to: text.count, by: 4) {
                    let isLast = position + 4 == text.count
                    var bits: UInt32 = 0
                    for index in 0..<4 {
                        let isPadding = isLast && index >= 4 - padding
                        let value = isPadding ? 0 : UInt32(values[Int(text[position + index])])
                        seen |= value
                        bits = bits << 6 | value
                    }
                    target[count] = UInt8(truncatingIfNeeded: bits >> 16)
                    target[count + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                    target[count + 2] = UInt8(truncatingIfNeeded: bits)
                    count += 3
                    // Bits that stand for no byte must be zero, so that no two texts stand for the same bytes.
                    if isLast, bits & (1 << (8 * UInt32(padding)) - 1) != 0 { seen = 0xff }
                }
                count -= padding
            }
        }
        return seen < 64 ? decoded : nil
    }

    /// The value of each character; 255 for those that have none.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xff, count: 256)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, character) in alphabet.utf8.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()
}
