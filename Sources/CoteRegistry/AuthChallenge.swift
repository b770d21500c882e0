/// One challenge of a `WWW-Authenticate` header (RFC 9110, section 11.6.1).
struct AuthChallenge: Equatable, Sendable {
    /// In lower case.
    var scheme: String
    /// Names in lower case; of a name that comes twice, the first value.
    var parameters: [String: String]

    /// All challenges of one header's value, as far as it can be read; what cannot be read ends the list.
    static func parse(_ text: String) -> [AuthChallenge] {
        guard text.utf8.count <= longest else { return [] }
        var reader = Reader(bytes: Array(text.utf8))
        var challenges: [AuthChallenge] = []
        while challenges.count < most {
            reader.skip { $0 == comma || isSpace($0) }
            guard let scheme = reader.token() else { break }
            var challenge = AuthChallenge(scheme: scheme.lowercased(), parameters: [:])
            guard reader.isAtEnd || reader.skip(isSpace) > 0 || reader.peek == comma else { break }
            while let (name, value) = reader.parameter() {
                if challenge.parameters[name] == nil { challenge.parameters[name] = value }
                // A comma separates parameters and challenges alike; what follows tells which.
                reader.skip { $0 == comma || isSpace($0) }
            }
            challenges.append(challenge)
        }
        return challenges
    }

    private static let longest = 8192
    private static let most = 8
    private static let comma = UInt8(ascii: ",")

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool { position >= bytes.count }
        var peek: UInt8? { isAtEnd ? nil : bytes[position] }

        @discardableResult
        mutating func skip(_ isSkipped: (UInt8) -> Bool) -> Int {
            let start = position
            while let byte = peek, isSkipped(byte) { position += 1 }
            return position - start
        }

        mutating func token() -> String? {
            let start = position
            skip(isTokenByte)
            return position > start ? String(decoding: bytes[start..<position], as: UTF8.self) : nil
        }

        /// `name=token` or `name="text"`; leaves the place as it was where there is none.
        mutating func parameter() -> (String, String)? {
            let start = position
            guard let name = token() else { return nil }
            skip(isSpace)
            guard peek == UInt8(ascii: "=") else {
                position = start
                return nil
            }
            position += 1
            skip(isSpace)
            guard let value = peek == UInt8(ascii: "\"") ? quoted() : token() else {
                position = bytes.count
                return nil
            }
            return (name.lowercased(), value)
        }

        private mutating func quoted() -> String? {
            position += 1
            var text: [UInt8] = []
            while let byte = peek {
                position += 1
                if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
                if byte == UInt8(ascii: "\\"), let escaped = peek {
                    position += 1
                    text.append(escaped)
                } else {
                    text.append(byte)
                }
            }
            return nil
        }

        private func isTokenByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"):
                true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
    }
}
