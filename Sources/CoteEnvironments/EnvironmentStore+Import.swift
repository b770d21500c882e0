import CoteContent
public import CoteModel
import CoteSystem
import CoteWorker
import FoundationEssentials
import Glibc
import Synchronization

/// What to bring into the store, and how to call it.
public struct ImportRequest: Hashable, Sendable {
    /// An OCI layout, an OCI or Docker archive, a tar archive of a root file system, or a directory of one.
    public var path: String
    /// `nil`: as the image calls itself, or the file is called.
    public var name: String?
    /// Which one, where there are several.
    public var reference: String?

    /// The only image at `path`, under its own name, unless more is said.
    public init(path: String, name: String? = nil, reference: String? = nil) {
        self.path = path
        self.name = name
        self.reference = reference
    }
}

extension EnvironmentStore {
    /// Brings an image here, makes the root of its sandboxes, and names it. Nothing has the name until all of it is
    /// here and was found to be an image.
    public func bring(
        _ request: ImportRequest, progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) throws(CoteError) -> EnvironmentSummary {
        let path = try Self.absolute(request.path)
        if let name = request.name, EnvironmentName(name) == nil { throw Self.badName(name) }
        let hold = try content.hold()
        return try withExtendedLifetime(hold) { () throws(CoteError) in
            let brought = try bringContent(path, request.reference, progress)
            let name = try self.name(request, brought.name, path)
            let image = try image(brought.digest)
            try settle(image, progress)
            let tag = EnvironmentTag(
                name: name.text, digest: brought.digest, origin: .path(path), namedAt: SystemClock.wall())
            try self.name(tag)
            return summary(tag)
        }
    }

    /// Puts the blobs on the disk while the root is being made of them.
    private func settle(_ image: Image, _ progress: @escaping EnvironmentProgress.Listener) throws(CoteError) {
        let failures = Mutex<[CoteError]>([])
        Crew.share(2) { part in
            do throws(CoteError) {
                if part == 0 {
                    _ = try root(of: image.digest, progress: progress)
                } else {
                    try content.synchronize(image.blobs)
                }
            } catch { failures.withLock { $0.append(error) } }
        }
        if let failure = failures.withLock({ $0.first }) { throw failure }
    }

    /// Only the blobs of it, for those that are missing here.
    func bringBlobs(
        _ path: String, _ reference: String?, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) -> Digest {
        try bringContent(try Self.absolute(path), reference, progress).digest
    }

    private static func absolute(_ path: String) throws(CoteError) -> String {
        guard let resolved = realpath(path, nil) else {
            throw CoteError.host("cannot read \(path)", SystemError("realpath", subject: path))
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    static func badName(_ name: String) -> CoteError {
        CoteError(
            .usage, "'\(name)' cannot be the name of an environment",
            hint: "name:tag in lower case, such as debian:12; 'host' is taken")
    }

    private func name(
        _ request: ImportRequest, _ own: String?, _ path: String
    ) throws(CoteError) -> EnvironmentName {
        if let text = request.name {
            guard let name = EnvironmentName(text) else { throw Self.badName(text) }
            return name
        }
        // In a layout the image's own name is often but a tag.
        if let own, own.contains(where: { $0 == ":" || $0 == "/" }), let name = EnvironmentName(own) { return name }
        var stem = path.split(separator: "/").last.map { $0.lowercased() } ?? "image"
        for ending in [".gz", ".zst", ".tgz", ".tar", ".oci"] where stem.hasSuffix(ending) {
            stem = String(stem.dropLast(ending.count))
        }
        let text = own.map { "\(stem):\($0)" } ?? stem
        guard let name = EnvironmentName(text) ?? EnvironmentName(stem) else {
            throw CoteError(.usage, "\(path) says no name for the environment", hint: "--name gives it one")
        }
        return name
    }

    // MARK: Content

    private typealias Brought = (digest: Digest, name: String?)

    private func bringContent(
        _ path: String, _ reference: String?, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) -> Brought {
        let status = try CoteError.hosting("cannot read \(path)") { () throws(SystemError) in try Files.status(path) }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            if ImageLayout.isLayout(path) {
                return try bring(ImageLayout(directory: path, isOurs: false), reference, progress)
            }
            return (try bringTree(path, progress), nil)
        case S_IFREG: return try bringArchive(path, reference, progress)
        default: throw CoteError(.badImage, "\(path) is neither a directory nor a file")
        }
    }

    private func bring(
        _ layout: ImageLayout, _ reference: String?, _ progress: EnvironmentProgress.Listener
    ) throws(CoteError) -> Brought {
        let (chosen, name) = try layout.choose(reference)
        let manifestBytes = try layout.blob(chosen)
        let manifest = try Image.manifest(manifestBytes, chosen.digest)
        let configuration = try layout.blob(manifest.config)
        _ = try Image(chosen.digest, manifestBytes, configuration)
        let total = manifest.layers.reduce(0) { $0 &+ $1.size }
        var done: UInt64 = 0
        for layer in manifest.layers {
            let file = try layout.open(ImageLayout.blobName(layer.digest))
            _ = try content.add(file.descriptor, expected: layer.digest, size: layer.size) { count in
                done += count
                progress(EnvironmentProgress("reading \(manifest.layers.count) layers", done, of: total))
            }
        }
        try content.add(configuration)
        return (try content.add(manifestBytes), name)
    }

    /// Whoever takes an archive apart has no privilege, and the parts are looked at only when it is gone.
    private func bringArchive(
        _ path: String, _ reference: String?, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) -> Brought {
        let scratch = content.newPlace()
        defer { discard(scratch) }
        let file = try CoteError.hosting("cannot read \(path)") { () throws(SystemError) in
            try Files.makeDirectory(scratch)
            try Files.setOwner(scratch, configuration.workerBase)
            return SharedDescriptor(try Descriptor.open(path, O_RDONLY | O_NONBLOCK))
        }
        let target = try CoteError.hosting("cannot open \(scratch)") { () throws(SystemError) in
            SharedDescriptor(try Descriptor.open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
        }
        do throws(CoteError) {
            try UnpackWorker(configuration: configuration).run(
                .archive(3, into: 4), [file.descriptor.raw, target.descriptor.raw], subject: "archive \(path)",
                progress: { progress(EnvironmentProgress("reading the archive", $0)) })
        } catch {
            // Then it is a root file system itself, if it is anything.
            guard error.code == .noSuchImage else { throw error }
            return (try bringRootArchive(path), nil)
        }
        // The worker is gone, so nobody changes these any more.
        let layout = ImageLayout(directory: scratch, isOurs: true)
        if ImageLayout.isLayout(scratch) { return try bring(layout, reference, progress) }
        return try bringDockerArchive(layout, reference)
    }

    private func bringDockerArchive(_ layout: ImageLayout, _ reference: String?) throws(CoteError) -> Brought {
        let list: [ImageDocuments.DockerArchive] = try Image.decode(
            try layout.document(ImageLayout.dockerIndex), "manifest.json of the archive")
        let fitting = reference.map { wanted in list.filter { $0.tags?.contains(wanted) ?? false } } ?? list
        guard let entry = fitting.first else {
            let there = list.flatMap { $0.tags ?? [] }.prefix(20).map(Image.shown).joined(separator: ", ")
            throw CoteError(.noSuchImage, "the archive has no such image", hint: "it has: \(there)")
        }
        guard fitting.count == 1 else {
            throw CoteError(
                .badImage, "the archive has \(list.count) images", hint: "cote env import --ref NAME chooses one")
        }
        let configuration = try content.add(try layout.document(entry.config))
        var layers: [ImageDocuments.Descriptor] = []
        for name in entry.layers {
            let file = try layout.open(name)
            let digest = try content.add(file.descriptor)
            layers.append(.init(mediaType: ImageDocuments.layer, digest: digest, size: content.size(digest) ?? 0))
        }
        return (try addManifest(configuration, layers), entry.tags?.first)
    }

    private func bringRootArchive(_ path: String) throws(CoteError) -> Digest {
        let file = try CoteError.hosting("cannot read \(path)") { () throws(SystemError) in
            SharedDescriptor(try Descriptor.open(path, O_RDONLY | O_NONBLOCK))
        }
        let layer = try content.add(file.descriptor)
        return try addRoot(layer)
    }

    private func bringTree(
        _ path: String, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) -> Digest {
        let packed = content.newPlace()
        defer { try? Files.remove(packed) }
        let output = try CoteError.hosting("cannot write to \(content.directory)") { () throws(SystemError) in
            SharedDescriptor(try Descriptor.open(packed, O_RDWR | O_CREAT | O_EXCL, mode: 0o600))
        }
        let source = try CoteError.hosting("cannot read \(path)") { () throws(SystemError) in
            SharedDescriptor(try Descriptor.open(path, O_RDONLY | O_DIRECTORY))
        }
        try UnpackWorker(configuration: configuration).run(
            .pack(3, into: 4), [source.descriptor.raw, output.descriptor.raw], asSelf: true,
            subject: "directory \(path)",
            progress: { progress(EnvironmentProgress("packing the directory", $0)) })
        return try addRoot(try content.adopt(packed))
    }

    /// An image of one layer that says nothing of commands; the same layer gives the same image.
    private func addRoot(_ layer: Digest) throws(CoteError) -> Digest {
        let diffID = try uncompressed(layer)
        let host = ImageDocuments.Platform.host
        let configuration = ImageDocuments.Configuration(
            architecture: host.architecture, os: host.os, rootfs: .init(type: "layers", diffIDs: [diffID]))
        let digest = try content.add(Self.encode(configuration))
        return try addManifest(
            digest, [.init(mediaType: ImageDocuments.layer, digest: layer, size: content.size(layer) ?? 0)])
    }

    /// What a layer is once it is decompressed, which only a worker does.
    private func uncompressed(_ layer: Digest) throws(CoteError) -> Digest {
        if try compression(layer).isEmpty { return layer }
        let file = SharedDescriptor(try content.open(layer))
        var found: Digest?
        let input = UnpackRequest.Layer(descriptor: 3, size: content.size(layer) ?? 0, diffID: nil)
        try UnpackWorker(configuration: configuration).run(
            .measure(input), [file.descriptor.raw], subject: "layer \(layer)", measured: { found = $0 })
        guard let found else { throw CoteError(.internal, "layer \(layer) was not measured") }
        return found
    }

    private func addManifest(
        _ configuration: Digest, _ layers: [ImageDocuments.Descriptor]
    ) throws(CoteError) -> Digest {
        let manifest = ImageDocuments.Manifest(
            schemaVersion: 2, mediaType: ImageDocuments.manifest,
            config: .init(
                mediaType: ImageDocuments.configuration, digest: configuration, size: content.size(configuration) ?? 0),
            layers: try layers.map { layer throws(CoteError) in
                var layer = layer
                layer.mediaType += try compression(layer.digest)
                return layer
            })
        return try content.add(Self.encode(manifest))
    }

    /// What a layer's type ends with, by its first bytes.
    private func compression(_ layer: Digest) throws(CoteError) -> String {
        var first = [UInt8](repeating: 0, count: 4)
        let file = try content.open(layer)
        _ = try CoteError.hosting("cannot read layer \(layer)") { () throws(SystemError) in
            try file.read(into: &first, from: 0, at: 0)
        }
        if first.starts(with: [0x1f, 0x8b]) { return "+gzip" }
        return first == [0x28, 0xb5, 0x2f, 0xfd] ? "+zstd" : ""
    }

    private static func encode(_ document: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // INVARIANT: strings and numbers always encode.
        return (try? encoder.encode(document)).map { Array($0) } ?? []
    }
}
