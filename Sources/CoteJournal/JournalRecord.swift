import CoteModel

/// One line of a journal.
public struct JournalRecord: Equatable, Sendable {
    /// The line as it stands in the file, valid JSON in UTF-8, without its newline.
    public let line: [UInt8]
    /// Ascends in the file; the order of what happened, whatever the clock says.
    public let seq: UInt64
    /// As written: RFC 3339, UTC. May go back where somebody set the clock.
    public let timestamp: String
    /// What happened, or `stdout` or `stderr`.
    public let kind: String
    /// The command it belongs to.
    public let n: UInt32?
    /// What a command wrote, decoded.
    public let data: [UInt8]?

    /// `nil` unless `line` is a JSON object with `seq`, `ts` and `kind`, and its `data`, where it has some, decodes.
    public init?(line: [UInt8]) {
        var names = Names()
        let isObject = line.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return UTF8Boundary.isValid(bytes) && scanner.wholeObject { names.note($0, $1, in: bytes) }
        }
        guard isObject else { return nil }
        guard
            let seq = names.seq.flatMap({ UInt64(String(decoding: line[$0], as: UTF8.self)) }),
            let timestamp = names.timestamp.flatMap({ JSONScanner.text(line, $0) }),
            let kind = names.kind.flatMap({ JSONScanner.text(line, $0) })
        else { return nil }
        self.seq = seq
        self.timestamp = timestamp
        self.kind = kind
        n = names.n.flatMap { UInt32(String(decoding: line[$0], as: UTF8.self)) }
        if let range = names.data {
            guard let data = Self.data(line, range, encoding: names.encoding) else { return nil }
            self.data = data
        } else {
            data = nil
        }
        self.line = line
    }

    private static func data(_ line: [UInt8], _ range: Range<Int>, encoding: Range<Int>?) -> [UInt8]? {
        guard let encoding else { return JSONScanner.bytes(line, range) }
        guard JSONScanner.text(line, encoding) == "base64", let text = JSONScanner.bytes(line, range) else {
            return nil
        }
        return text.withUnsafeBytes { Base64.decode($0) }
    }

    /// Where the fields that every reader wants are in a line.
    private struct Names {
        var seq: Range<Int>?
        var timestamp: Range<Int>?
        var kind: Range<Int>?
        var n: Range<Int>?
        var data: Range<Int>?
        var encoding: Range<Int>?

        mutating func note(_ name: Range<Int>, _ value: Range<Int>, in line: UnsafeRawBufferPointer) {
            switch String(decoding: line[name].prefix(10), as: UTF8.self) {
            case "seq": seq = value
            case "ts": timestamp = value
            case "kind": kind = value
            case "n": n = value
            case "data": data = value
            case "encoding": encoding = value
            default: break
            }
        }
    }
}

// MARK: Fields

extension JournalRecord {
    /// The field `name` where it is a string.
    public func string(_ name: String) -> String? { value(name).flatMap { JSONScanner.text(line, $0) } }

    /// The field `name` where it is a whole number in range.
    public func integer(_ name: String) -> Int64? {
        value(name).flatMap { Int64(String(decoding: line[$0], as: UTF8.self)) }
    }

    /// The field `name` where it is true or false.
    public func flag(_ name: String) -> Bool? {
        value(name).flatMap { Bool(String(decoding: line[$0], as: UTF8.self)) }
    }

    /// The field `name` where it is a list of strings, such as the words of a command.
    public func strings(_ name: String) -> [String]? {
        guard let range = value(name) else { return nil }
        var elements: [Range<Int>] = []
        let isArray = line.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes, at: range.lowerBound)
            return scanner.array { elements.append($0) }
        }
        let texts = elements.compactMap { JSONScanner.text(line, $0) }
        return isArray && texts.count == elements.count ? texts : nil
    }

    /// The JSON of the field `name`, whatever it is.
    public func json(_ name: String) -> ArraySlice<UInt8>? { value(name).map { line[$0] } }

    private func value(_ name: String) -> Range<Int>? {
        var found: Range<Int>?
        line.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            _ = scanner.wholeObject { if bytes[$0].elementsEqual(name.utf8) { found = $1 } }
        }
        return found
    }
}
