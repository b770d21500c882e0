/// How much one side may still send on a stream. Each direction of each stream starts with `window` bytes; the
/// receiver gives back what it has passed on. A sender without credit waits, and only that stream waits.
public struct Credit: Equatable, Sendable {
    /// Bytes under way at most in one direction of a stream.
    public static let window = 256 << 10

    /// Bytes that may be sent now.
    public private(set) var available = Credit.window

    /// A full window.
    public init() {}

    /// Takes up to `count` bytes of what is left, and says how many.
    public mutating func take(upTo count: Int) -> Int {
        let taken = max(0, min(count, available))
        available -= taken
        return taken
    }

    /// Takes exactly `count`; false, and nothing taken, when that is more than is left.
    public mutating func take(exactly count: Int) -> Bool {
        guard count >= 0, count <= available else { return false }
        available -= count
        return true
    }

    /// Gives back; false when that would be more than the window, which an honest peer never does.
    public mutating func give(_ count: Int) -> Bool {
        guard count >= 0, count <= Credit.window - available else { return false }
        available += count
        return true
    }

    /// Payload of a `credit` frame.
    public static func payload(_ count: Int) -> [UInt8] {
        var writer = PayloadWriter()
        writer.put(UInt32(count))
        return writer.bytes
    }

    /// How much a peer gives back; never nothing, never more than the window.
    public static func count(payload: [UInt8]) throws(WireViolation) -> Int {
        var reader = PayloadReader(payload, "credit")
        let count: UInt32 = try reader.get()
        try reader.finish()
        guard count > 0, count <= window else { throw reader.violation }
        return Int(count)
    }
}
