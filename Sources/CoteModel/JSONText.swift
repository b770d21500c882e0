/// The inside of JSON strings: finding what is special in them, and escaping it. Bytes are looked at sixteen at a
/// time, because journals are mostly text with little to escape.
package enum JSONText {
    private typealias Block = SIMD16<UInt8>

    /// How many of the leading bytes of `text`, from `start` on, mean themselves inside a JSON string: no quote,
    /// backslash or control character.
    package static func plainPrefix(_ text: UnsafeRawBufferPointer, from start: Int) -> Int {
        var position = start
        while position + 16 <= text.count {
            let plain = plainPrefix(text.loadUnaligned(fromByteOffset: position, as: Block.self))
            position += plain
            if plain < 16 { return position - start }
        }
        while position < text.count, !isSpecial(text[position]) { position += 1 }
        return position - start
    }

    @inline(__always)
    private static func plainPrefix(_ block: Block) -> Int {
        let special =
            (block .< Block(repeating: 0x20)) .| (block .== Block(repeating: 0x22))
            .| (block .== Block(repeating: 0x5c))
        // A lane is all ones or zero, so the lowest bit set of a half says which byte comes first.
        // INVARIANT: both are sixteen bytes without padding.
        let halves = unsafeBitCast(special, to: SIMD2<UInt64>.self)
        if halves[0] != 0 { return UInt64(littleEndian: halves[0]).trailingZeroBitCount >> 3 }
        return 8 + UInt64(littleEndian: halves[1]).trailingZeroBitCount >> 3
    }

    @inline(__always)
    private static func isSpecial(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x22 || byte == 0x5c }

    /// Room that `escape` needs for `count` bytes: six for each, and one block beyond.
    static func escapedBound(_ count: Int) -> Int { count * 6 + 16 }

    /// Appends `text` as it stands between the quotes of a JSON string. `output` has room for `escapedBound`.
    static func escape(_ text: UnsafeRawBufferPointer, into output: inout OutputSpan<UInt8>) {
        output.withUnsafeMutableBufferPointer { target, used in
            let target = UnsafeMutableRawBufferPointer(target)
            var end = used
            var position = 0
            while position &+ 16 <= text.count {
                let block = text.loadUnaligned(fromByteOffset: position, as: Block.self)
                // Storing the whole block and counting only its plain part is faster than copying that part.
                target.storeBytes(of: block, toByteOffset: end, as: Block.self)
                let plain = plainPrefix(block)
                end &+= plain
                position &+= plain
                guard plain < 16 else { continue }
                // What is special comes in swarms (JSON in a log, short lines), where a jump for each one is slow.
                let swarm = min(position &+ 8, text.count)
                while position < swarm {
                    end = escapeEvenly(text[position], into: target, at: end)
                    position &+= 1
                }
            }
            while position < text.count {
                end = escapeEvenly(text[position], into: target, at: end)
                position &+= 1
            }
            used = end
        }
    }

    /// Writes one byte, escaped if it must be, and gives the place behind it; jumps only for rare control characters.
    @inline(__always)
    private static func escapeEvenly(_ byte: UInt8, into target: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
        var character = byte
        if byte == 0x0a { character = UInt8(ascii: "n") }
        if byte == 0x09 { character = UInt8(ascii: "t") }
        if byte == 0x0d { character = UInt8(ascii: "r") }
        if character < 0x20 { return escapeByNumber(byte, into: target, at: start) }
        let isSpecial = character != byte || byte == 0x22 || byte == 0x5c
        target[start] = UInt8(ascii: "\\")
        let place = start &+ (isSpecial ? 1 : 0)
        target[place] = character
        return place &+ 1
    }

    private static func escapeByNumber(_ byte: UInt8, into target: UnsafeMutableRawBufferPointer, at start: Int) -> Int
    {
        let low = byte & 15
        target.storeBytes(of: UInt32(littleEndian: 0x3030_755c), toByteOffset: start, as: UInt32.self)
        target[start &+ 4] = 0x30 + byte >> 4
        target[start &+ 5] = low < 10 ? 0x30 + low : 0x57 + low
        return start &+ 6
    }
}
