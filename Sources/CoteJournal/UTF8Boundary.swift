/// Where characters begin and end in bytes that may be UTF-8 (RFC 3629, section 4).
enum UTF8Boundary {
    /// Whether all of `bytes` is whole characters. Every byte of output comes through here, and the standard library's
    /// own check takes half as long again.
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while true {
            position &+= asciiPrefix(bytes, from: position)
            guard position < bytes.count else { return true }
            repeat {
                let lead = bytes[position]
                let length = length(lead)
                guard length > 0, length <= bytes.count &- position else { return false }
                guard mayFollow(lead, bytes[position &+ 1]) else { return false }
                for offset in 1..<length where bytes[position &+ offset] & 0xc0 != 0x80 { return false }
                position &+= length
            } while position < bytes.count && bytes[position] >= 0x80
        }
    }

    /// How many bytes from `start` on are ASCII; sixteen are looked at together.
    @inline(__always)
    private static func asciiPrefix(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        let highBits: UInt64 = 0x8080_8080_8080_8080
        var position = start
        while position &+ 16 <= bytes.count {
            let first = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) & highBits
            if first != 0 { return position &- start &+ first.trailingZeroBitCount >> 3 }
            let second =
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position &+ 8, as: UInt64.self)) & highBits
            if second != 0 { return position &- start &+ 8 &+ second.trailingZeroBitCount >> 3 }
            position &+= 16
        }
        while position < bytes.count, bytes[position] < 0x80 { position &+= 1 }
        return position &- start
    }

    /// How many bytes at the end of `bytes` begin a character that more bytes could complete: 0 to 3.
    static func unfinished(_ bytes: UnsafeRawBufferPointer) -> Int {
        for count in 1...3 where count <= bytes.count {
            let lead = bytes[bytes.count - count]
            if lead & 0xc0 == 0x80 { continue }
            guard count < length(lead) else { return 0 }
            return count == 1 || mayFollow(lead, bytes[bytes.count - count + 1]) ? count : 0
        }
        return 0
    }

    /// Bytes of the character that starts with `lead`; 0 when none does.
    static func length(_ lead: UInt8) -> Int {
        switch lead {
        case 0...0x7f: 1
        case 0xc2...0xdf: 2
        case 0xe0...0xef: 3
        case 0xf0...0xf4: 4
        default: 0
        }
    }

    /// Whether a continuation byte makes neither a needlessly long form, nor a surrogate, nor a number beyond Unicode.
    private static func mayFollow(_ lead: UInt8, _ second: UInt8) -> Bool {
        switch lead {
        case 0xe0: second >= 0xa0
        case 0xed: second < 0xa0
        case 0xf0: second >= 0x90
        case 0xf4: second < 0x90
        default: true
        }
    }
}
