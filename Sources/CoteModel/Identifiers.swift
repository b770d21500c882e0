/// Names one sandbox for ever: twelve characters of `0–9a–f`, chosen at random, never reused.
public struct SandboxID: Hashable, Sendable, Codable, CustomStringConvertible, Comparable {
    /// Characters in an id: 48 random bits.
    public static let length = 12

    /// Lowercase hexadecimal digits.
    public let text: String

    /// `nil` unless `text` is twelve lowercase hexadecimal digits.
    public init?(_ text: String) {
        guard text.utf8.count == Self.length, text.utf8.allSatisfy(Self.isDigit) else { return nil }
        self.text = text
    }

    /// From the system's random numbers; the caller finds out whether it is taken.
    public static func random() -> SandboxID {
        let digits = Array("0123456789abcdef")
        return SandboxID(unchecked: String((0..<length).map { _ in digits[Int.random(in: 0..<16)] }))
    }

    private init(unchecked text: String) { self.text = text }

    static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }

    /// The text itself.
    public var description: String { text }
    /// By text, which says nothing about age.
    public static func < (left: SandboxID, right: SandboxID) -> Bool { left.text < right.text }

    /// Refuses what is not an id.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = SandboxID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a sandbox id")
        }
        self = id
    }

    /// A plain string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// A name a person gave to a sandbox: 1 to 63 of `a–z 0–9 . _ -`, starting with a letter or digit.
/// A name never looks like an id, so that one word can mean either.
public struct SandboxName: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Lowercase, as it was given.
    public let text: String

    /// `nil` for what breaks the rules above, or has the form of an id.
    public init?(_ text: String) {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 63, SandboxID(text) == nil else { return nil }
        let isAlphanumeric = { (byte: UInt8) in (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte) }
        guard isAlphanumeric(first), bytes.allSatisfy({ isAlphanumeric($0) || ".-_".utf8.contains($0) }) else {
            return nil
        }
        self.text = text
    }

    /// The text itself.
    public var description: String { text }

    /// Refuses what is not a name.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let name = SandboxName(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a sandbox name")
        }
        self = name
    }

    /// A plain string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
