/// A moment as people read it: RFC 3339 in UTC with microseconds, `2026-11-21T01:02:03.123456Z`.
/// The calendar is computed here: a journal writes one for every line, and libc would read time zones for it.
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Since 1970 UTC, leap seconds not counted.
    public let nanoseconds: UInt64

    /// - Parameter nanoseconds: what `SystemClock.wall` gives.
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Earlier is less.
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Always 27 characters, since 64 bits of nanoseconds end in the year 2554.
    public var description: String {
        let seconds = nanoseconds / 1_000_000_000
        let date = Self.date(day: seconds / 86_400)
        let clock = seconds % 86_400
        let groups: [(number: UInt64, digits: Int, end: Unicode.Scalar)] = [
            (date.year, 4, "-"), (date.month, 2, "-"), (date.day, 2, "T"),
            (clock / 3600, 2, ":"), (clock / 60 % 60, 2, ":"), (clock % 60, 2, "."),
            (nanoseconds / 1000 % 1_000_000, 6, "Z"),
        ]
        return String(unsafeUninitializedCapacity: 27) { text in
            var end = 0
            for group in groups {
                var rest = group.number
                for index in stride(from: end + group.digits - 1, through: end, by: -1) {
                    text[index] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
                    rest /= 10
                }
                end += group.digits + 1
                text[end - 1] = UInt8(ascii: group.end)
            }
            return end
        }
    }

    /// The date of a day counted from 1970-01-01, after Howard Hinnant's `civil_from_days`: years start in March,
    /// so that the leap day comes last, and repeat every 400 years (146,097 days).
    private static func date(day: UInt64) -> (year: UInt64, month: UInt64, day: UInt64) {
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}
