/// A number of bytes. Written `512k`, `64m`, `2g`, `1t` (powers of 1024) or plain.
public struct ByteCount: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// The number itself.
    public let bytes: UInt64

    /// Any number of bytes.
    public init(_ bytes: UInt64) { self.bytes = bytes }

    /// `nil` unless `text` is a whole number with an optional unit, in range.
    public init?(parsing text: String) {
        var digits = Substring(text.lowercased())
        if digits.hasSuffix("ib") { digits.removeLast(2) }
        var shift: UInt64 = 0
        if let last = digits.last, let unit = ["k", "m", "g", "t"].firstIndex(of: String(last)) {
            shift = UInt64(unit + 1) * 10
            digits.removeLast()
        }
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(digits) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !overflow else { return nil }
        self.bytes = bytes
    }

    /// Units of 1,048,576 bytes, fewer than 2⁴⁴ of them.
    public static func mebibytes(_ count: UInt64) -> ByteCount { ByteCount(count << 20) }

    /// Fewer bytes first.
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    /// The shortest exact form that `init(parsing:)` reads.
    public var description: String {
        var value = bytes
        var unit = 0
        while value >= 1024, value.isMultiple(of: 1024), unit < 4 {
            value >>= 10
            unit += 1
        }
        return "\(value)" + ["", "k", "m", "g", "t"][unit]
    }

    /// A plain number of bytes.
    public init(from decoder: any Decoder) throws {
        bytes = try decoder.singleValueContainer().decode(UInt64.self)
    }

    /// A plain number of bytes, without a unit.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}
