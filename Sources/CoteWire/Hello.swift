/// The first frame on a link, from both sides: who speaks which versions.
public struct Hello: Equatable, Sendable {
    /// The oldest and newest protocol version the sender speaks.
    public var versions: ClosedRange<UInt16>
    /// The agent's own build, shown by `cote show`; empty from the host's side.
    public var build: String
    /// What the sender can do beyond the version's minimum.
    public var capabilities: [String]

    /// What this build says of itself, unless told otherwise.
    public init(versions: ClosedRange<UInt16> = Hello.spoken, build: String = "", capabilities: [String] = []) {
        self.versions = versions
        self.build = build
        self.capabilities = capabilities
    }

    /// What this build speaks.
    public static let spoken: ClosedRange<UInt16> = 1...1

    private static let magic: UInt32 = 0x4554_4f43  // "COTE"

    /// The frame's payload.
    public var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.put(Self.magic)
        writer.put(versions.lowerBound)
        writer.put(versions.upperBound)
        writer.put(build)
        writer.put(capabilities)
        return writer.bytes
    }

    /// Reads what a peer of any version sent.
    public init(payload: [UInt8]) throws(WireViolation) {
        var reader = PayloadReader(payload, "hello")
        guard try reader.get() == Self.magic else { throw reader.violation }
        let oldest: UInt16 = try reader.get()
        let newest: UInt16 = try reader.get()
        guard oldest <= newest else { throw reader.violation }
        versions = oldest...newest
        build = try reader.get()
        capabilities = try reader.get()
        // What a later version adds at the end is not ours to refuse.
        if newest <= Self.spoken.upperBound { try reader.finish() }
    }

    /// The newest version that both sides speak, if any.
    public func agreed(with other: Hello) -> UInt16? {
        let newest = min(versions.upperBound, other.versions.upperBound)
        let oldest = max(versions.lowerBound, other.versions.lowerBound)
        return oldest <= newest ? newest : nil
    }
}
