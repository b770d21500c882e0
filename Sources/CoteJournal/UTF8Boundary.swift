/// Where a chunk of bytes may be cut without cutting a character.
enum UTF8Boundary {
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        (try? UTF8Span(validating: bytes.bindMemory(to: UInt8.self).span)) != nil
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
