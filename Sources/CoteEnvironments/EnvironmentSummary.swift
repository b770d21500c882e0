import CoteContent
public import CoteModel
import CoteSystem
import Glibc

/// An environment as `env list` and `env show` tell it.
public struct EnvironmentSummary: Hashable, Sendable, Codable {
    /// What people call it; the same environment may have several names.
    public var name: String
    /// Of its manifest.
    public var digest: Digest
    /// Where it came from.
    public var origin: EnvironmentOrigin
    /// Nanoseconds since 1970.
    public var namedAt: UInt64
    /// Bytes of its layers as they are stored; `nil` where its documents are damaged.
    public var size: UInt64?
    /// Bytes of the root that was made of it; `nil` where none is there yet.
    public var rootSize: UInt64?
    /// How the root is kept: `erofs` or `directory`.
    public var rootForm: String?
    /// When its maker says that it was made, as the image has it.
    public var created: String?
    /// Such as `linux/amd64`.
    public var platform: String?
    /// Of the layers, bottom first.
    public var layers: [Digest]
    /// What it says of commands.
    public var use: SandboxImage?
}

extension EnvironmentStore {
    /// All named environments, by name.
    public func list() -> [EnvironmentSummary] { names().map(summary) }

    /// The one that a name or digest means.
    public func show(_ text: String) throws(CoteError) -> EnvironmentSummary {
        if let tag = tag(text) { return summary(tag) }
        let digest = try resolve(text)
        if let tag = names().first(where: { $0.digest == digest }) { return summary(tag) }
        return summary(EnvironmentTag(name: "<none>", digest: digest, origin: .path(""), namedAt: 0))
    }

    func summary(_ tag: EnvironmentTag) -> EnvironmentSummary {
        let image = try? self.image(tag.digest)
        let record = EnvironmentRecord.read(directory(tag.digest))
        let platform = image.map {
            ImageDocuments.Platform(architecture: $0.configuration.architecture, os: $0.configuration.os).text
        }
        return EnvironmentSummary(
            name: tag.name, digest: tag.digest, origin: tag.origin, namedAt: tag.namedAt, size: image?.size,
            rootSize: record?.size, rootForm: record?.form.rawValue, created: image?.configuration.created,
            platform: platform, layers: image?.manifest.layers.map(\.digest) ?? [], use: image?.use)
    }
}
