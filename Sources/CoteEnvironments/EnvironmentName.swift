import CoteContent
public import CoteModel

/// What people call an environment: a name and a tag, `latest` where they say none; the name of an image in a registry
/// is one too, as it is.
struct EnvironmentName: Hashable {
    /// As it is shown, with its tag.
    let text: String

    /// `nil` for what cannot be a name, and for `host`, which is always the machine's own.
    init?(_ text: String) {
        guard let reference = try? ImageReference(parsing: text), reference.digest == nil else { return nil }
        self.init(reference)
    }

    init?(_ reference: ImageReference) {
        text = "\(reference.name):\(reference.tag ?? ImageReference.defaultTag)"
        // What begins a digest is none.
        guard !["host", "sha256"].contains(reference.name), text.utf8.count <= 250 else { return nil }
    }

    /// No name has a percent sign of its own.
    var fileName: String { String(text.map { $0 == "/" ? "%" : $0 }) }
}

/// A name that somebody gave an environment.
public struct EnvironmentTag: Hashable, Sendable, Codable {
    /// With its tag.
    public var name: String
    /// Of the manifest.
    public var digest: Digest
    /// Where its content came from, and can be had again.
    public var origin: EnvironmentOrigin
    /// Nanoseconds since 1970.
    public var namedAt: UInt64
}

/// Where the content of an environment came from.
public enum EnvironmentOrigin: Hashable, Sendable, Codable {
    /// A directory or file of this machine, by its absolute path.
    case path(String)
    /// An image of a registry.
    case registry(String)
}
