public import CoteModel

/// A sandbox class on this host: what a probe has proved of it, and what not, with the reason.
public struct ClassReport: Hashable, Sendable, Codable {
    /// Something the class claims, and what became of the claim.
    public struct Capability: Hashable, Sendable, Codable {
        /// `boot`, `exec`, …
        public var name: String
        public var isProved: Bool
        /// What proved it, or why it is absent.
        public var detail: String
    }

    public var sandboxClass: SandboxClass
    public var driver: String
    /// The program it runs on; absent where there is none.
    public var program: String?
    public var version: String?
    public var capabilities: [Capability]

    /// Whether sandboxes of the class can be created here.
    public var isAvailable: Bool { capabilities.contains { $0.name == "boot" && $0.isProved } }
}

/// One line of `cote doctor`.
public struct Finding: Hashable, Sendable, Codable {
    public var subject: String
    public var isGood: Bool
    public var detail: String
    /// What to do about it.
    public var fix: String?
}
