/// The records of a pax extended header: `LENGTH KEY=VALUE\n` each, `LENGTH` counting all of it.
package struct ArchiveRecords {
    package private(set) var bytes: [UInt8] = []
    /// In the order of the records; a key may come again.
    package private(set) var list: [(key: String, value: [UInt8])] = []
    package private(set) var values: [String: [UInt8]] = [:]

    package init() {}

    /// `nil` when `bytes` are not records from the first to the last.
    package init?(_ bytes: [UInt8]) {
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
            let value = Array(record[(equals + 1)...].dropLast())
            values[key] = value
            list.append((key, value))
            rest = rest.dropFirst(length)
        }
    }

    package mutating func add(_ key: String, _ value: [UInt8]) {
        values[key] = value
        list.append((key, value))
        let body = Array(" \(key)=".utf8) + value + [UInt8(ascii: "\n")]
        // The length counts its own digits.
        var length = body.count
        while length != body.count + String(length).utf8.count { length = body.count + String(length).utf8.count }
        bytes += Array(String(length).utf8) + body
    }

    /// Those of `other` too, which count where both have a key.
    package mutating func merge(_ other: ArchiveRecords) {
        bytes += other.bytes
        list += other.list
        values.merge(other.values) { $1 }
    }

    package func merging(_ other: ArchiveRecords) -> ArchiveRecords {
        var merged = self
        merged.merge(other)
        return merged
    }
}
