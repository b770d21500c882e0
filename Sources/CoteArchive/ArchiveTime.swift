package import Glibc

/// Times as archives and listings write them.
package enum ArchiveTime {
    /// Seconds with a fraction of `digits` (at most nine) digits, or of as few as it takes when that is `nil`.
    package static func decimal(_ time: timespec, digits: Int? = nil) -> String { time.decimal(digits: digits) }
}

extension timespec {
    /// Leaves a time of a file as it is (`UTIME_OMIT`).
    package static var unchanged: timespec { timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2) }

    /// Seconds with a fraction of `digits` (at most nine) digits, or of as few as it takes when that is `nil`.
    fileprivate func decimal(digits: Int? = nil) -> String {
        // A moment before 1970 counts its nanoseconds forward from the second below it.
        let negative = tv_sec < 0
        let borrows = negative && tv_nsec > 0
        let seconds = (borrows ? tv_sec + 1 : tv_sec).magnitude
        let nanoseconds = String(borrows ? 1_000_000_000 - tv_nsec : tv_nsec)
        var fraction = String(repeating: "0", count: max(0, 9 - nanoseconds.utf8.count)) + nanoseconds
        if let digits {
            fraction = String(fraction.prefix(digits))
        } else {
            while fraction.utf8.last == UInt8(ascii: "0") { fraction.removeLast() }
        }
        return (negative ? "-" : "") + String(seconds) + (fraction.isEmpty ? "" : "." + fraction)
    }

    /// Reads what `decimal` writes; digits past the ninth are dropped.
    package init?(decimal text: some Collection<UInt8>) {
        let negative = text.first == UInt8(ascii: "-")
        let parts = text.dropFirst(negative ? 1 : 0).split(
            separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap({ ArchiveHeader.number($0, radix: 10) }), whole <= UInt64(Int32.max) << 20
        else { return nil }
        var nanoseconds = 0
        if parts.count == 2 {
            guard parts[1].allSatisfy({ (48...57).contains($0) }) else { return nil }
            for index in 0..<9 {
                let digit = parts[1].dropFirst(index).first.map { Int($0) - 48 }
                nanoseconds = nanoseconds * 10 + (digit ?? 0)
            }
        }
        self.init(tv_sec: Int(whole), tv_nsec: nanoseconds)
        guard negative else { return }
        tv_sec = -tv_sec
        if nanoseconds > 0 { (tv_sec, tv_nsec) = (tv_sec - 1, 1_000_000_000 - nanoseconds) }
    }
}
