/// A header block of the tar formats (POSIX.1-2001 ustar and pax, GNU, and the old one before them).
package struct ArchiveHeader {
    package static let blockSize = 512

    /// Where a field lies in the block.
    package enum Field {
        package static let name = 0..<100
        package static let mode = 100..<108
        package static let user = 108..<116
        package static let group = 116..<124
        package static let size = 124..<136
        package static let modified = 136..<148
        package static let checksum = 148..<156
        package static let kind = 156
        package static let link = 157..<257
        package static let magic = 257..<263
        package static let version = 263..<265
        package static let prefix = 345..<500
    }

    package var block: [UInt8]

    /// An empty ustar header.
    package init(kind: UInt8) {
        block = [UInt8](repeating: 0, count: Self.blockSize)
        block[Field.kind] = kind
        block.replaceSubrange(Field.magic, with: Array("ustar\0".utf8))
        block.replaceSubrange(Field.version, with: Array("00".utf8))
    }

    /// - Parameter block: exactly one block.
    package init(block: [UInt8]) { self.block = block }

    package var kind: UInt8 { block[Field.kind] }

    // MARK: Reading

    /// Whether the sum in the header is that of its bytes, added as unsigned or (by some old programs) signed ones.
    package var isIntact: Bool {
        guard let expected = number(Field.checksum) else { return false }
        return UInt64(unsignedSum) == expected || Int64(signedSum) == Int64(clamping: expected)
    }

    /// The path in the name field, behind the prefix that ustar has there.
    package var name: FilePath {
        let name = text(Field.name)
        // GNU's own format has "ustar" with a space here, and other things where the prefix is.
        guard block[Field.magic].elementsEqual("ustar\0".utf8) else { return name }
        let prefix = text(Field.prefix)
        return prefix.bytes.isEmpty ? name : prefix.appending(name)
    }

    package var link: FilePath { text(Field.link) }

    private func text(_ field: Range<Int>) -> FilePath { FilePath(block[field].prefix { $0 != 0 }) }

    /// Octal digits after spaces, ended by a space or zero; or base 256 where the first bit is set. `nil` for anything
    /// else, and for what does not fit.
    package func number(_ field: Range<Int>) -> UInt64? {
        let bytes = block[field]
        if let first = bytes.first, first & 0x80 != 0 {
            // 0xff begins a negative number.
            guard first == 0x80 else { return nil }
            let significant = bytes.dropFirst().drop { $0 == 0 }
            return significant.count > 8 ? nil : significant.reduce(0) { $0 << 8 | UInt64($1) }
        }
        let digits = bytes.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        return digits.isEmpty ? 0 : Self.number(digits, radix: 8)
    }

    /// Digits and nothing else, at least one.
    package static func number(_ digits: some Collection<UInt8>, radix: UInt64) -> UInt64? {
        if digits.isEmpty { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard digit >= 48, UInt64(digit - 48) < radix else { return nil }
            let (scaled, tooLarge) = value.multipliedReportingOverflow(by: radix)
            let (sum, overflow) = scaled.addingReportingOverflow(UInt64(digit - 48))
            if tooLarge || overflow { return nil }
            value = sum
        }
        return value
    }

    // MARK: Writing

    /// Puts `path` into the name and prefix fields, where it fits.
    package mutating func setName(_ path: FilePath) -> Bool {
        let bytes = path.bytes
        if bytes.count <= Field.name.count {
            put(bytes, Field.name)
            return true
        }
        // The prefix ends before a slash, with at most 100 bytes after it, and those are not the final slash alone.
        let earliest = bytes.count - Field.name.count - 1
        guard earliest <= Field.prefix.count, let slash = bytes[earliest...].firstIndex(of: FilePath.slash),
            (1...Field.prefix.count).contains(slash), slash < bytes.count - 2
        else { return false }
        put(Array(bytes[..<slash]), Field.prefix)
        put(Array(bytes[(slash + 1)...]), Field.name)
        return true
    }

    package mutating func setLink(_ path: FilePath) -> Bool {
        if path.bytes.count > Field.link.count { return false }
        put(path.bytes, Field.link)
        return true
    }

    /// Octal digits and a zero, where they fit.
    package mutating func setNumber(_ value: UInt64, _ field: Range<Int>) -> Bool {
        let digits = Array(String(value, radix: 8).utf8)
        if digits.count >= field.count { return false }
        let zeros = [UInt8](repeating: UInt8(ascii: "0"), count: field.count - 1 - digits.count)
        put(zeros + digits + [0], field)
        return true
    }

    /// The last thing to set.
    package mutating func seal() {
        let digits = Array(String(unsignedSum, radix: 8).utf8)
        let zeros = [UInt8](repeating: UInt8(ascii: "0"), count: 6 - digits.count)
        put(zeros + digits + [0, UInt8(ascii: " ")], Field.checksum)
    }

    private mutating func put(_ bytes: [UInt8], _ field: Range<Int>) {
        block.replaceSubrange(field.lowerBound..<field.lowerBound + bytes.count, with: bytes)
    }

    /// The sums count the checksum's own field as spaces.
    private var unsignedSum: Int {
        let own = block[Field.checksum].reduce(0) { $0 + Int($1) }
        return block.reduce(0) { $0 + Int($1) } - own + 32 * Field.checksum.count
    }

    private var signedSum: Int {
        let own = block[Field.checksum].reduce(0) { $0 + Int(Int8(bitPattern: $1)) }
        return block.reduce(0) { $0 + Int(Int8(bitPattern: $1)) } - own + 32 * Field.checksum.count
    }
}
