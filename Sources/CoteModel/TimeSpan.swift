/// A length of time in milliseconds. Written `250ms`, `30s`, `5m`, `2h`, or seconds without a unit.
public struct TimeSpan: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// The number itself.
    public let milliseconds: UInt64

    /// Any length, zero too.
    public init(milliseconds: UInt64) { self.milliseconds = milliseconds }
    /// Traps above 584 million years.
    public static func seconds(_ count: UInt64) -> TimeSpan { TimeSpan(milliseconds: count * 1000) }

    /// `nil` unless `text` is a positive whole number with an optional unit, at most ten years.
    public init?(parsing text: String) {
        let units: [(suffix: String, factor: UInt64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        let unit = units.first { text.hasSuffix($0.suffix) }
        let digits = text.dropLast(unit?.suffix.count ?? 0)
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(digits), number > 0 else {
            return nil
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: unit?.factor ?? 1000)
        guard !overflow, value <= 10 * 366 * 24 * 3_600_000 else { return nil }
        milliseconds = value
    }

    /// As the kernel's clocks count; what is too long for that (584 years) is the longest there is.
    public var nanoseconds: UInt64 {
        let (value, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .max : value
    }

    /// Shorter first.
    public static func < (left: TimeSpan, right: TimeSpan) -> Bool { left.milliseconds < right.milliseconds }

    /// Whole seconds as `30s`, all else as `250ms`.
    public var description: String {
        milliseconds.isMultiple(of: 1000) ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }

    /// A plain number of milliseconds.
    public init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(UInt64.self)
    }

    /// A plain number of milliseconds.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }
}
