import CoteModel

/// The JSON documents of an image, as the OCI image specification 1.1 and Docker's image manifest 2.2 have them; only
/// what Cote goes by.
enum ImageDocuments {
    /// What refers to a blob.
    struct Descriptor: Codable, Hashable {
        var mediaType: String
        var digest: Digest
        var size: UInt64
        var platform: Platform?
        var annotations: [String: String]?
    }

    /// What an image runs on.
    struct Platform: Codable, Hashable {
        var architecture: String
        var os: String
        var variant: String?

        /// The machine this is.
        static var host: Platform {
            #if arch(arm64)
            Platform(architecture: "arm64", os: "linux", variant: "v8")
            #else
            Platform(architecture: "amd64", os: "linux", variant: nil)
            #endif
        }

        var text: String { [os, architecture, variant].compactMap(\.self).joined(separator: "/") }

        /// Whether what is made for `self` runs on `host`.
        func runs(on host: Platform) -> Bool { architecture == host.architecture && os == host.os }
    }

    /// A list of manifests, an image's for several platforms or a layout's of all that is in it.
    struct Index: Codable {
        var schemaVersion: Int
        var mediaType: String?
        var manifests: [Descriptor]
    }

    struct Manifest: Codable {
        var schemaVersion: Int
        var mediaType: String?
        var config: Descriptor
        var layers: [Descriptor]
    }

    /// What an image says of itself and its commands.
    struct Configuration: Codable {
        struct Process: Codable {
            var user: String?
            var environment: [String]?
            var entrypoint: [String]?
            var command: [String]?
            var volumes: [String: Empty]?
            var workingDirectory: String?

            enum CodingKeys: String, CodingKey {
                case user = "User"
                case environment = "Env"
                case entrypoint = "Entrypoint"
                case command = "Cmd"
                case volumes = "Volumes"
                case workingDirectory = "WorkingDir"
            }
        }

        struct Layers: Codable {
            var type: String
            var diffIDs: [Digest]

            enum CodingKeys: String, CodingKey {
                case type
                case diffIDs = "diff_ids"
            }
        }

        struct Empty: Codable {}

        var architecture: String
        var os: String
        var created: String?
        var config: Process?
        var rootfs: Layers
    }

    /// An entry of `manifest.json` in what `docker save` writes.
    struct DockerArchive: Codable {
        var config: String
        var tags: [String]?
        var layers: [String]

        enum CodingKeys: String, CodingKey {
            case config = "Config"
            case tags = "RepoTags"
            case layers = "Layers"
        }
    }

    /// In which place of a layout an image's name is.
    static let nameAnnotation = "org.opencontainers.image.ref.name"
    /// What containerd and Docker write the whole name to.
    static let fullNameAnnotation = "io.containerd.image.name"

    static let index = "application/vnd.oci.image.index.v1+json"
    static let manifest = "application/vnd.oci.image.manifest.v1+json"
    static let configuration = "application/vnd.oci.image.config.v1+json"
    static let layer = "application/vnd.oci.image.layer.v1.tar"

    static let indexes: Set = [index, "application/vnd.docker.distribution.manifest.list.v2+json"]
    static let manifests: Set = [manifest, "application/vnd.docker.distribution.manifest.v2+json"]
    static let configurations: Set = [configuration, "application/vnd.docker.container.image.v1+json"]
    static let layers: Set = [
        layer, layer + "+gzip", layer + "+zstd", "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ]
    /// Layers that only their owner may hand out, under an address of theirs.
    static let foreignMarks = ["nondistributable", "foreign"]
}
