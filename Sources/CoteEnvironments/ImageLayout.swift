import CoteContent
import CoteModel
import CoteSystem
import Glibc

/// An image in files: an OCI layout, or what `docker save` wrote, in a directory. Whoever made it may have lied.
struct ImageLayout {
    let directory: String
    /// Whether its files are this program's own, made for this, and may be moved into the store.
    let isOurs: Bool

    /// Where a layout says that it is one.
    static let mark = "oci-layout"
    static let index = "index.json"
    static let dockerIndex = "manifest.json"
    private static let longestDocument = 4 << 20
    private static let mostNested = 3

    static func isLayout(_ directory: String) -> Bool {
        Files.exists("\(directory)/\(mark)") || Files.exists("\(directory)/\(index)")
    }

    static func isDockerArchive(_ directory: String) -> Bool { Files.exists("\(directory)/\(dockerIndex)") }

    /// A file of the layout, which must be a plain one. Nothing waits for a fifo.
    func open(_ name: String) throws(CoteError) -> SharedDescriptor {
        let path = "\(directory)/\(name)"
        do throws(SystemError) {
            // Names come out of documents that anybody may have written, and links too.
            let file = try Descriptor.open(name, O_RDONLY | O_NONBLOCK, below: try Descriptor.directory(directory))
            var status = stat()
            guard fstat(file.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw SystemError("open", code: EINVAL, subject: path)
            }
            return SharedDescriptor(file)
        } catch {
            if [ENOENT, EINVAL, ELOOP, EXDEV, ENOTDIR, ENAMETOOLONG].contains(error.code) {
                throw CoteError(.badImage, "\(directory) has no file \(Image.shown(name))")
            }
            throw CoteError.host("cannot read \(path)", error)
        }
    }

    func document(_ name: String) throws(CoteError) -> [UInt8] {
        let file = try open(name)
        do { return try file.descriptor.readAll(limit: Self.longestDocument) } catch {
            throw CoteError(.badImage, "\(Image.shown(name)) of \(directory) cannot be read: \(error.reason)")
        }
    }

    static func blobName(_ digest: Digest) -> String { "blobs/sha256/\(digest.hex)" }

    /// A small blob with the digest that it must have.
    func blob(_ reference: ImageDocuments.Descriptor) throws(CoteError) -> [UInt8] {
        let bytes = try document(Self.blobName(reference.digest))
        let found = ContentHash.digest(of: bytes)
        guard found == reference.digest, UInt64(bytes.count) == reference.size else {
            throw CoteError(
                .digestMismatch,
                "blob \(reference.digest) of \(directory) has other bytes: \(found), \(bytes.count) bytes")
        }
        return bytes
    }

    // MARK: Choosing

    /// The image in the layout, for this machine: the one called `wanted`, or the only one.
    func choose(_ wanted: String?) throws(CoteError) -> (image: ImageDocuments.Descriptor, name: String?) {
        let index: ImageDocuments.Index = try Image.decode(try document(Self.index), "\(directory)/\(Self.index)")
        var found = index.manifests
        if let wanted {
            found = found.filter { Self.names($0).contains(wanted) }
            if found.isEmpty {
                let there = index.manifests.flatMap(Self.names).map(Image.shown).prefix(20).joined(separator: ", ")
                throw CoteError(.noSuchImage, "\(directory) has no image '\(wanted)'", hint: "it has: \(there)")
            }
        }
        let image = try choose(found, depth: 0)
        return (image, found.flatMap(Self.names).first)
    }

    private func choose(
        _ among: [ImageDocuments.Descriptor], depth: Int
    ) throws(CoteError) -> ImageDocuments.Descriptor {
        guard depth < Self.mostNested else { throw CoteError(.badImage, "\(directory): lists of lists of images") }
        let here = try PlatformChoice.choose(among, of: directory)
        guard ImageDocuments.indexes.contains(here.mediaType) else { return here }
        let inner: ImageDocuments.Index = try Image.decode(try blob(here), "index \(here.digest)")
        return try choose(inner.manifests, depth: depth + 1)
    }

    private static func names(_ image: ImageDocuments.Descriptor) -> [String] {
        [ImageDocuments.fullNameAnnotation, ImageDocuments.nameAnnotation].compactMap { image.annotations?[$0] }
    }
}

/// Which image of a list is for this machine.
enum PlatformChoice {
    /// - Parameter place: where the list is, for people.
    static func choose(
        _ among: [ImageDocuments.Descriptor], of place: String, host: ImageDocuments.Platform = .host
    ) throws(CoteError) -> ImageDocuments.Descriptor {
        let known = ImageDocuments.manifests.union(ImageDocuments.indexes)
        let images = among.filter { known.contains($0.mediaType) }
        guard !images.isEmpty else {
            let types = Set(among.map(\.mediaType)).sorted().prefix(5).map(Image.shown).joined(separator: ", ")
            throw CoteError(.badImage, "\(place) has no image" + (types.isEmpty ? "" : ", only \(types)"))
        }
        let fitting = images.filter { $0.platform?.runs(on: host) ?? true }
        guard let first = fitting.first else {
            let there = images.compactMap { $0.platform?.text }.prefix(20).map(Image.shown).joined(separator: ", ")
            throw CoteError(.badImage, "\(place) has no image for \(host.text)", hint: "it has: \(there)")
        }
        if Set(fitting.map(\.digest)).count == 1 { return first }
        // A variant that is the machine's own comes before others of the same architecture.
        if let exact = fitting.first(where: { $0.platform == host }) { return exact }
        if fitting.allSatisfy({ $0.platform != nil }) { return first }
        throw CoteError(
            .badImage, "\(place) has \(fitting.count) images", hint: "cote env import --ref NAME chooses one of them")
    }
}
