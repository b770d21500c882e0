import CoteModel
import FoundationEssentials

/// An image whose documents have been read and found to fit together.
struct Image {
    let digest: Digest
    let manifestType: String
    let manifest: ImageDocuments.Manifest
    let configuration: ImageDocuments.Configuration

    static let mostLayers = 500

    /// Every blob of it, the manifest itself first.
    var blobs: [Digest] { [digest, manifest.config.digest] + manifest.layers.map(\.digest) }

    /// Bytes of its layers as they are stored.
    var size: UInt64 { manifest.layers.reduce(0) { $0 &+ $1.size } }

    /// What a sandbox of it needs to know.
    var use: SandboxImage {
        let process = configuration.config
        var environment: [String: String] = [:]
        for variable in process?.environment ?? [] {
            let parts = variable.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !variable.utf8.contains(0) else { continue }
            environment[String(parts[0])] = String(parts[1])
        }
        // The root of the file system is what an image that says nothing has; Cote's own default is of more use.
        let directory = process?.workingDirectory.flatMap { Self.isPlace($0) ? $0 : nil }
        let user = process?.user.flatMap { $0.isEmpty ? nil : $0 }
        let volumes = (process?.volumes ?? [:]).keys.filter(Self.isVolume).sorted()
        return SandboxImage(
            digest: digest, arguments: (process?.entrypoint ?? []) + (process?.command ?? []),
            environment: environment, directory: directory, user: user, volumes: volumes)
    }

    /// An absolute path below the root, without tricks.
    private static func isPlace(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        return path.hasPrefix("/") && !parts.isEmpty && !path.utf8.contains(0) && path.utf8.count < 4096
            && !parts.contains { $0 == "." || $0 == ".." || $0.utf8.count > 255 }
    }

    /// What an image may ask to write to. Cote's own directory, the kernel's and the files that are every sandbox's own
    /// are not the image's to give.
    private static func isVolume(_ path: String) -> Bool {
        let parts = path.split(separator: "/").map(String.init)
        guard isPlace(path), let first = parts.first, ![".cote", "proc", "sys", "dev"].contains(first) else {
            return false
        }
        return !["hosts", "resolv.conf"].contains { parts.starts(with: ["etc", $0]) }
    }

    private static let mostVolumes = 64
    /// Bytes of all that an image says of commands: it goes with every sandbox, and into each command's request.
    private static let longestUse = 128 << 10

    private func checkUse() throws(CoteError) {
        let use = self.use
        let texts = use.arguments + use.environment.flatMap { [$0.key, $0.value] } + use.volumes
        let size = texts.reduce(0) { $0 + $1.utf8.count } + (use.user ?? "").utf8.count
        guard size <= Self.longestUse else {
            throw CoteError(.badImage, "image \(digest) says more than \(Self.longestUse) bytes of commands")
        }
        guard use.volumes.count <= Self.mostVolumes else {
            throw CoteError(.badImage, "image \(digest) has more than \(Self.mostVolumes) volumes")
        }
    }

    /// Reads a manifest that has been fetched or found.
    static func manifest(_ bytes: [UInt8], _ digest: Digest) throws(CoteError) -> ImageDocuments.Manifest {
        let manifest: ImageDocuments.Manifest = try decode(bytes, "manifest \(digest)")
        if let type = manifest.mediaType, !ImageDocuments.manifests.contains(type) {
            throw CoteError(.badImage, "manifest \(digest) is of the unknown type \(shown(type))")
        }
        guard ImageDocuments.configurations.contains(manifest.config.mediaType) else {
            throw CoteError(
                .badImage, "manifest \(digest) describes no container image: \(shown(manifest.config.mediaType))")
        }
        for layer in manifest.layers where !ImageDocuments.layers.contains(layer.mediaType) {
            if ImageDocuments.foreignMarks.contains(where: { layer.mediaType.contains($0) }) {
                throw CoteError(
                    .badImage, "layer \(layer.digest) may not be handed on by registries (\(shown(layer.mediaType)))",
                    hint: "build the image with the layer's content in a layer of its own")
            }
            throw CoteError(.badImage, "layer \(layer.digest) is of the unknown type \(shown(layer.mediaType))")
        }
        guard manifest.layers.count <= mostLayers else {
            throw CoteError(.badImage, "manifest \(digest) has more than \(mostLayers) layers")
        }
        return manifest
    }

    init(_ digest: Digest, _ manifestBytes: [UInt8], _ configurationBytes: [UInt8]) throws(CoteError) {
        self.digest = digest
        manifest = try Self.manifest(manifestBytes, digest)
        manifestType = manifest.mediaType ?? ImageDocuments.manifest
        configuration = try Self.decode(configurationBytes, "image configuration \(manifest.config.digest)")
        let platform = ImageDocuments.Platform(architecture: configuration.architecture, os: configuration.os)
        guard platform.runs(on: .host) else {
            let host = ImageDocuments.Platform.host.text
            throw CoteError(
                .badImage, "image \(digest) is for \(Self.shown(platform.text)), this machine is \(host)")
        }
        let known = configuration.rootfs.diffIDs.count
        guard known == manifest.layers.count else {
            throw CoteError(
                .badImage, "image \(digest) has \(manifest.layers.count) layers and digests of \(known)")
        }
        try checkUse()
    }

    static func decode<Value: Decodable>(_ bytes: [UInt8], _ what: String) throws(CoteError) -> Value {
        do { return try JSONDecoder().decode(Value.self, from: Data(bytes)) } catch {
            throw CoteError(.badImage, "\(what) cannot be read: it is not the JSON that it must be")
        }
    }

    /// Text out of an image, cut to what fits into a message.
    static func shown(_ text: String) -> String { String(text.prefix(100)) }
}
