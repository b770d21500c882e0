/// The records of a pax extended header: `LENGTH KEY=VALUE\n` each, `LENGTH` counting all of it.
struct ArchiveRecords {
    private(set) var bytes: [UInt8] = []
    private(set) var values: [String: [UInt8]] = [:]

    init() {}

    /// `nil` when `bytes` are not records from the first to the last.
    init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        var rest = bytes[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0 != UInt8(ascii: " ") }
            guard digits.count < 10, let length = ArchiveHeader.number(digits, radix: 10).flatMap({ Int(exactly: $0) }),
                length > digits.count + 1, length <= rest.count
            else { return nil }
            let record = rest.prefix(length).dropFirst(digits.count + 1)
            guard record.last == UInt8(ascii: "\n"), let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                return nil
            }
            let key = String(decoding: record[..<equals], as: UTF8.self)
            values[key] = Array(record[(equals + 1)...].dropLast())
            rest = rest.dropFirst(length)
        }
    }

    mutating func add(_ key: String, _ value: [UInt8]) {
        values[key] = value
        let body = Array(" \(key)=".utf8) + value + [UInt8(ascii: "\n")]
        // The length counts its own digits.
        var length = body.count
        while length != body.count + String(length).utf8.count { length = body.count + String(length).utf8.count }
        bytes += Array(String(length).utf8) + body
    }
}
