public import CoteContent
public import CoteModel
import CoteSystem
public import CoteWorker
import Glibc

/// How to speak with a registry.
public struct RegistryAccess: Sendable {
    /// Time-outs, pieces, tries.
    public var options: RegistryRequest.Options
    /// `nil`: anonymous.
    public var credentials: RegistryRequest.Credentials?

    /// Anonymous, with the standard options, unless more is said.
    public init(
        options: RegistryRequest.Options = RegistryRequest.Options(), credentials: RegistryRequest.Credentials? = nil
    ) {
        self.options = options
        self.credentials = credentials
    }
}

extension EnvironmentStore {
    private static let longestManifest = 4 << 20

    /// Fetches an image, all that is not here of it, and names it. Its root is made when the first sandbox needs it.
    /// - Parameter name: `nil`: the reference itself.
    public func pull(
        _ reference: ImageReference, name: String? = nil, _ access: RegistryAccess,
        progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) throws(CoteError) -> EnvironmentSummary {
        guard let name = name.map({ EnvironmentName($0) }) ?? Self.name(reference) else {
            throw Self.badName(name ?? reference.description)
        }
        let hold = try content.hold()
        return try withExtendedLifetime(hold) { () throws(CoteError) in
            let image = try fetchAll(reference, access, progress)
            let tag = EnvironmentTag(
                name: name.text, digest: image.digest, origin: .registry(reference.description),
                namedAt: SystemClock.wall())
            try self.name(tag)
            return summary(tag)
        }
    }

    /// Fetches all that is not here of an image, the manifest last.
    @discardableResult
    func fetchAll(
        _ reference: ImageReference, _ access: RegistryAccess, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) -> Image {
        let worker = worker(reference, access)
        let (digest, manifestBytes) = try manifest(reference, worker, progress)
        let manifest = try Image.manifest(manifestBytes, digest)
        try fetch([manifest.config], worker, progress)
        let image = try Image(digest, manifestBytes, try content.read(manifest.config.digest))
        try fetch(manifest.layers, worker, progress)
        try content.add(manifestBytes)
        try content.synchronize(image.blobs)
        return image
    }

    private static func name(_ reference: ImageReference) -> EnvironmentName? { EnvironmentName(reference) }

    func worker(_ reference: ImageReference, _ access: RegistryAccess) -> RegistryWorker {
        var options = access.options
        if reference.isLoopback { options.isPlain = true }
        return RegistryWorker(
            configuration: configuration, reference: reference, options: options, credentials: access.credentials)
    }

    // MARK: Documents

    /// The manifest of the image that is for this machine.
    func manifest(
        _ reference: ImageReference, _ worker: RegistryWorker, _ progress: EnvironmentProgress.Listener
    ) throws(CoteError) -> (Digest, [UInt8]) {
        progress(EnvironmentProgress("asking \(reference.registry)"))
        var wanted = reference.wanted
        for _ in 0..<4 {
            let (bytes, type) = try document(wanted, worker)
            let digest = ContentHash.digest(of: bytes)
            if let expected = Digest(wanted), expected != digest {
                throw CoteError(.digestMismatch, "\(reference): manifest \(expected) came with other bytes: \(digest)")
            }
            if ImageDocuments.manifests.contains(type) { return (digest, bytes) }
            guard ImageDocuments.indexes.contains(type) else {
                throw CoteError(.badImage, "\(reference) is of the unknown type \(Image.shown(type))")
            }
            let index: ImageDocuments.Index = try Image.decode(bytes, "index \(digest)")
            wanted = try PlatformChoice.choose(index.manifests, of: reference.description).digest.text
        }
        throw CoteError(.badImage, "\(reference): lists of lists of images")
    }

    private func document(_ wanted: String, _ worker: RegistryWorker) throws(CoteError) -> ([UInt8], String) {
        let place = content.newPlace()
        defer { try? Files.remove(place) }
        let file = try CoteError.hosting("cannot write to \(content.directory)") { () throws(SystemError) in
            SharedDescriptor(try Descriptor.open(place, O_RDWR | O_CREAT | O_EXCL, mode: 0o600))
        }
        var type = ""
        try worker.run(.resolve(reference: wanted, into: 3), [file.descriptor.raw]) { event in
            if case .manifest(let mediaType, _, _) = event { type = mediaType }
        }
        lseek(file.descriptor.raw, 0, SEEK_SET)
        let bytes = try CoteError.hosting("cannot read a manifest") { () throws(SystemError) in
            try file.descriptor.readAll(limit: Self.longestManifest)
        }
        return (bytes, type)
    }

    // MARK: Blobs

    /// Fetches what is not here. Two that fetch the same share it: one waits for the other's blob.
    func fetch(
        _ blobs: [ImageDocuments.Descriptor], _ worker: RegistryWorker, _ progress: EnvironmentProgress.Listener
    ) throws(CoteError) {
        try checkRoom(blobs)
        // In one order everywhere, so that two never wait for each other.
        let wanted = Dictionary(blobs.map { ($0.digest, $0.size) }) { first, _ in first }.sorted { $0.key < $1.key }
        var parts: [PartialBlob] = []
        for (digest, size) in wanted {
            if let part = try content.partial(digest, size: size) { parts.append(part) }
        }
        guard !parts.isEmpty else { return }
        let step = "fetching \(blobs.count) blob\(blobs.count == 1 ? "" : "s")"
        let total = wanted.reduce(0) { $0 &+ $1.value }
        var here = Dictionary(uniqueKeysWithValues: wanted.map { ($0.key, content.size($0.key) ?? 0) })
        let requests = parts.indices.map { index in
            RegistryRequest.Blob(
                digest: parts[index].digest, size: parts[index].size, present: parts[index].present,
                descriptor: CInt(3 + index))
        }
        try worker.run(.pull(requests), parts.map { $0.file.raw }) { event in
            guard case .progress(let digest, let bytes) = event else { return }
            here[digest] = bytes
            progress(EnvironmentProgress(step, here.values.reduce(0, &+), of: total))
        }
        for part in parts { try part.publish() }
    }

    /// No image is larger than what would be unpacked of it, nor than the disk.
    private func checkRoom(_ blobs: [ImageDocuments.Descriptor]) throws(CoteError) {
        var total: UInt64 = 0
        for blob in blobs {
            let (sum, overflow) = total.addingReportingOverflow(blob.size)
            guard !overflow, sum <= UnpackRequest.Bounds().bytes else {
                throw CoteError(
                    .badImage, "blob \(blob.digest) is said to have \(blob.size) bytes, more than any image")
            }
            total = sum
        }
        var room = statvfs()
        guard statvfs(content.directory, &room) == 0 else { return }
        let missing = blobs.filter { content.size($0.digest) != $0.size }.reduce(0) { $0 + $1.size }
        guard missing <= UInt64(room.f_bavail) * UInt64(room.f_frsize) else {
            throw CoteError(
                .diskFull, "the image needs \(missing) bytes, more than are free",
                hint: "cote prune frees what has ended")
        }
    }

    /// Sends an environment, but for what the registry has of it.
    public func push(
        _ digest: Digest, to reference: ImageReference, _ access: RegistryAccess,
        progress: EnvironmentProgress.Listener = { _ in }
    ) throws(CoteError) {
        let hold = try content.hold()
        try withExtendedLifetime(hold) { () throws(CoteError) in
            let image = try image(digest)
            var files: [SharedDescriptor] = []
            var blobs: [RegistryRequest.Blob] = []
            let references = [image.manifest.config] + image.manifest.layers
            for blob in Dictionary(references.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first }).values {
                blobs.append(.init(digest: blob.digest, size: blob.size, descriptor: CInt(3 + files.count)))
                files.append(SharedDescriptor(try content.open(blob.digest)))
            }
            let manifest = RegistryRequest.Manifest(
                digest: digest, mediaType: image.manifestType, tag: reference.tag ?? ImageReference.defaultTag,
                descriptor: CInt(3 + files.count))
            files.append(SharedDescriptor(try content.open(digest)))
            let total = blobs.reduce(0) { $0 &+ $1.size }
            var there: [Digest: UInt64] = [:]
            try worker(reference, access).run(
                .push(blobs, manifests: [manifest]), files.map { $0.descriptor.raw }
            ) { event in
                switch event {
                case .progress(let digest, let bytes): there[digest] = bytes
                case .blob(let digest, _): there[digest] = blobs.first { $0.digest == digest }?.size
                default: return
                }
                progress(EnvironmentProgress("sending \(blobs.count) blobs", there.values.reduce(0, &+), of: total))
            }
        }
    }
}
