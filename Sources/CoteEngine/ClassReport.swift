public import CoteModel

/// A sandbox class on this host: what a probe has proved of it, and what not, with the reason.
public struct ClassReport: Hashable, Sendable, Codable {
    /// What became of a claim under one privilege.
    public enum Proof: String, Hashable, Sendable, Codable {
        /// It held, just now.
        case proved
        /// It was tried and did not hold.
        case absent
        /// Only whoever has that privilege can try.
        case untried
    }

    /// Something the class claims, and what became of the claim.
    public struct Capability: Hashable, Sendable, Codable {
        /// `boot`, `exec`, …
        public var name: String
        /// Whether the probe held, on this host, just now.
        public var isProved: Bool
        /// What proved it, or why it is absent.
        public var detail: String
        /// For the machine's root.
        public var root: Proof
        /// For a user's own sandboxes, without root.
        public var rootless: Proof

        init(name: String, isProved: Bool, detail: String) {
            self.name = name
            self.isProved = isProved
            self.detail = detail
            let isRoot = Privilege.current == .root
            let proof: Proof = isProved ? .proved : .absent
            root = isRoot ? proof : .untried
            rootless = isRoot ? .untried : proof
        }
    }

    /// The class that was probed.
    public var sandboxClass: SandboxClass
    /// The driver that implements it: `oci`.
    public var driver: String
    /// The program it runs on; absent where there is none.
    public var program: String?
    /// What the program says of itself; absent when it does not run.
    public var version: String?
    /// With which it was tried.
    public var privilege: Privilege
    /// `boot` first; alone where no sandbox came up.
    public var capabilities: [Capability]

    /// Whether sandboxes of the class can be created here.
    public var isAvailable: Bool { capabilities.contains { $0.name == "boot" && $0.isProved } }
}

/// One line of `cote doctor`.
public struct Finding: Hashable, Sendable, Codable {
    /// What was tried: `kernel`, `cgroups`, `class container: boot`.
    public var subject: String
    /// Whether it will do.
    public var isGood: Bool
    /// What was found.
    public var detail: String
    /// What to do about it.
    public var fix: String?
}
