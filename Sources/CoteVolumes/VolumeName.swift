public import CoteModel

/// Names a volume or a snapshot: the id of a sandbox, or what could be the name of one. Never a path: it has no
/// slash and begins with a letter or digit.
public struct VolumeName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// 1 to 63 of `a–z 0–9 . _ -`.
    public let text: String

    /// The volume of a sandbox.
    public init(_ id: SandboxID) { text = id.text }

    /// `nil` for what breaks the rules of `SandboxID` and of `SandboxName`.
    public init?(_ text: String) {
        guard SandboxID(text) != nil || SandboxName(text) != nil else { return nil }
        self.text = text
    }

    /// The text itself.
    public var description: String { text }
    /// By text.
    public static func < (left: VolumeName, right: VolumeName) -> Bool { left.text < right.text }
}
