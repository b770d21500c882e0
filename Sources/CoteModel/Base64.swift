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
        guard let last = text.last else { return [] }
        var padding = last == UInt8(ascii: "=") ? 1 : 0
        if padding == 1, text[text.count - 2] == UInt8(ascii: "=") { padding = 2 }
        var isValid = true
        let decoded = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { target, count in
            let whole = padding == 0 ? text.count : text.count - 4
            var position = 0
            while position < whole {
                let word = text.loadUnaligned(fromByteOffset: position, as: UInt32.self)
                let bits = group(UInt32(littleEndian: word), &isValid)
                target[count] = UInt8(truncatingIfNeeded: bits >> 16)
                target[count + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                target[count + 2] = UInt8(truncatingIfNeeded: bits)
                count += 3
                position += 4
            }
            guard padding > 0 else { return }
            var end = UInt32(littleEndian: text.loadUnaligned(fromByteOffset: whole, as: UInt32.self))
            // "A" for each "=", so that the group reads like any other.
            end = padding == 1 ? end & 0x00ff_ffff | 0x4100_0000 : end & 0x0000_ffff | 0x4141_0000
            let bits = group(end, &isValid)
            if bits & (padding == 1 ? 0xff : 0xffff) != 0 { isValid = false }
            for index in 0..<(3 - padding) {
                target[count] = UInt8(truncatingIfNeeded: bits >> (16 - 8 * UInt32(index)))
                count += 1
            }
        }
        return isValid ? decoded : nil
    }

    /// The 24 bits of four characters, the first in the lowest byte.
    @inline(__always)
    private static func group(_ characters: UInt32, _ isValid: inout Bool) -> UInt32 {
        let first = value(characters)
        let second = value(characters >> 8)
        let third = value(characters >> 16)
        let fourth = value(characters >> 24)
        if (first | second | third | fourth) > 63 { isValid = false }
        return first << 18 | second << 12 | third << 6 | fourth
    }

    @inline(__always)
    private static func value(_ characters: UInt32) -> UInt32 {
        let character = characters & 0xff
        return switch character {
        case 0x41...0x5a: character - 65
        case 0x61...0x7a: character - 71
        case 0x30...0x39: character + 4
        case 0x2b: 62
        case 0x2f: 63
        default: 255
        }
    }
}
