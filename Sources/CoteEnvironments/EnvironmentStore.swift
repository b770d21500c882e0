public import CoteContent
public import CoteModel
import CoteSystem
import FoundationEssentials
import Glibc

/// The environments of this machine: images by the digest of their manifest, the names that people gave them, and what
/// sandboxes are made of them.
///
///     $COTE_HOME/blobs/…                            what images consist of, see `ContentStore`
///     $COTE_HOME/tags/<name>                        which digest a name means, and where it came from
///     $COTE_HOME/environments/<hex>/image.erofs     the root of its sandboxes; or root/, where erofs cannot be mounted
///     $COTE_HOME/environments/<hex>/environment.json    what of it was made when
///     $COTE_HOME/environments/locks/<hex>           held by whoever makes it
///
/// Blocks; call from a thread that may.
public struct EnvironmentStore: Sendable {
    /// Where everything is and what may be used.
    public let configuration: EnvironmentConfiguration
    /// The blobs.
    public let content: ContentStore

    /// Nothing is looked at yet.
    public init(_ configuration: EnvironmentConfiguration) {
        self.configuration = configuration
        content = ContentStore(configuration.home + "/blobs")
    }

    var environments: String { configuration.home + "/environments" }
    private var tags: String { configuration.home + "/tags" }

    /// Creates what is missing of the directories.
    public func prepare() throws(CoteError) {
        try content.prepare()
        try CoteError.hosting("cannot prepare \(configuration.home)") { () throws(SystemError) in
            for folder in [tags, environments + "/locks"] {
                if !Files.exists(folder) { try Files.makeDirectories(folder) }
            }
        }
    }

    func directory(_ digest: Digest) -> String { "\(environments)/\(digest.hex)" }

    // MARK: Names

    private func file(_ name: EnvironmentName) -> String { "\(tags)/\(name.fileName)" }

    /// All names, in order. One that cannot be read is left out.
    public func names() -> [EnvironmentTag] {
        ((try? Files.list(tags)) ?? []).compactMap { file in
            guard let bytes = try? Files.read("\(tags)/\(file)") else { return nil }
            return try? JSONDecoder().decode(EnvironmentTag.self, from: Data(bytes))
        }
    }

    /// All names, or `nil` where one cannot be read.
    func allNames() -> [EnvironmentTag]? {
        let all = names()
        return all.count == ((try? Files.list(tags)) ?? []).count ? all : nil
    }

    /// Gives an environment a name, which another may have had until now.
    func name(_ tag: EnvironmentTag) throws(CoteError) {
        guard let name = EnvironmentName(tag.name) else { throw CoteError(.internal, "'\(tag.name)' is no name") }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // INVARIANT: strings and a number always encode.
        let bytes = (try? encoder.encode(tag)).map { Array($0) } ?? []
        try CoteError.hosting("cannot name \(tag.name)") { () throws(SystemError) in
            try Files.replace(file(name), bytes)
        }
    }

    /// Takes a name away, or all names of what a digest means. The environment stays until `collect`.
    /// - Returns: what had the name.
    public func unname(_ text: String) throws(CoteError) -> [EnvironmentSummary] {
        let digest = try resolve(text)
        let tags = tag(text).map { [$0] } ?? names().filter { $0.digest == digest }
        let gone = tags.map(summary)
        for name in tags.compactMap({ EnvironmentName($0.name) }) {
            try CoteError.hosting("cannot remove \(name.text)") { () throws(SystemError) in
                try Files.remove(file(name))
            }
        }
        return gone
    }

    /// The name that `text` means, if there is one.
    public func tag(_ text: String) -> EnvironmentTag? {
        guard let name = EnvironmentName(text), let bytes = try? Files.read(file(name)) else { return nil }
        return try? JSONDecoder().decode(EnvironmentTag.self, from: Data(bytes))
    }

    /// The environment that a name, a digest or the beginning of one (six digits or more) means.
    public func resolve(_ text: String) throws(CoteError) -> Digest {
        if let tag = tag(text) { return tag.digest }
        if let digest = Digest(text), content.size(digest) != nil { return digest }
        let digits = text.hasPrefix("sha256:") ? String(text.dropFirst("sha256:".count)) : text
        let known = Set(names().map(\.digest) + made())
        let matches = digits.utf8.count < 6 ? [] : known.filter { $0.hex.hasPrefix(digits) }
        switch matches.count {
        case 0:
            throw CoteError(
                .unknownEnvironment, "no environment '\(text)'",
                hint: "cote env list shows them; cote env import and cote env pull bring others")
        case 1: return matches[matches.startIndex]
        default: throw CoteError(.ambiguousEnvironment, "'\(text)' begins the digests of \(matches.count) environments")
        }
    }

    /// The environments of which there is a root.
    func made() -> [Digest] {
        ((try? Files.list(environments)) ?? []).compactMap { Digest(hex: $0) }
    }

    /// An image whose documents are here and fit together.
    func image(_ digest: Digest) throws(CoteError) -> Image {
        let manifestBytes = try content.read(digest)
        let manifest = try Image.manifest(manifestBytes, digest)
        return try Image(digest, manifestBytes, try content.read(manifest.config.digest))
    }
}
