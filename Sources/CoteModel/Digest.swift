/// What some bytes are known by: their SHA-256, as OCI's image specification writes it.
public struct Digest: Hashable, Sendable, Codable, CustomStringConvertible, Comparable {
    /// 64 lowercase hexadecimal digits.
    public let hex: String

    /// Reads `sha256:` and 64 lowercase hexadecimal digits; `nil` for anything else, other algorithms too.
    public init?(_ text: String) {
        guard text.hasPrefix(Self.prefix) else { return nil }
        self.init(hex: String(text.dropFirst(Self.prefix.count)))
    }

    /// `nil` unless these are 64 lowercase hexadecimal digits.
    public init?(hex: String) {
        guard hex.utf8.count == 64, hex.utf8.allSatisfy(SandboxID.isDigit) else { return nil }
        self.hex = hex
    }

    /// From the hash function's own result; `nil` unless it has 32 bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        hex = String(decoding: text, as: UTF8.self)
    }

    private static let prefix = "sha256:"

    /// As it was read: `sha256:` and the digits.
    public var text: String { Self.prefix + hex }
    /// Enough of it for a person to tell environments apart: twelve digits.
    public var short: String { String(hex.prefix(12)) }
    /// The whole text.
    public var description: String { text }
    /// By digits, which says nothing about the content.
    public static func < (left: Digest, right: Digest) -> Bool { left.hex < right.hex }

    /// Refuses what is not a digest.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = Digest(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a sha256 digest")
        }
        self = digest
    }

    /// A plain string, with the prefix.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
