import CoteArchive
import CoteWorker
import Glibc

/// Takes out of an OCI archive (a tar of an image layout) or one of `docker save` what an image consists of, as plain
/// files with the names that its manifests call them by.
///
/// Formats: OCI image specification, `image-layout.md`; Docker image specification v1.2, "Combined Image JSON +
/// Filesystem Changeset Format", with its older form, in which layers that repeat are links.
struct ArchiveWork {
    private let bounds: UnpackRequest.Bounds
    private static let mostLinks = 8

    init(_ bounds: UnpackRequest.Bounds) { self.bounds = bounds }

    func run(_ archive: CInt, into: CInt) throws(UnpackFailure) {
        let stored = try FileSource(archive, size: nil)
        let source = try Compression.open(stored, DecodingLimit(bytes: bounds.bytes))
        let reader = LayerReader(SourceStream(source))
        try extract(reader, into)
    }

    func extract(_ reader: LayerReader, _ into: CInt) throws(UnpackFailure) {
        let budget = UnpackBudget(bounds)
        var members = ArchiveMembers()
        var refusal: UnpackFailure?
        while let entry = try reader.next() {
            try budget.addEntry(entry.path)
            let path = try LayerPath(entry.path)
            do throws(UnpackFailure) { try take(entry, path, &members) } catch {
                // A root file system may have what an image's archive may not, and which of them this is shows last.
                if ArchiveMembers.belongs(path) { throw error }
                refusal = refusal ?? error
            }
            guard entry.kind == .regular, ArchiveMembers.belongs(path) else { continue }
            try budget.addBytes(entry.size, entry.path)
            try write(entry, path, into, reader)
            members.files.insert(path.joined)
        }
        if !members.isImage { throw .refused(.notAnImage, FilePath(""), "has neither an index nor a manifest") }
        if let refusal { throw refusal }
        try link(members, into)
    }

    private func take(
        _ entry: ArchiveEntry, _ path: LayerPath, _ members: inout ArchiveMembers
    ) throws(UnpackFailure) {
        switch entry.kind {
        case .directory: return
        case .fifo: throw .refused(.unknownKind, entry.path, "is a fifo")
        case .regular: try members.add(path, entry)
        case .symbolicLink, .hardLink:
            try members.add(path, entry)
            members.links[path.joined] = (try members.target(of: entry, at: path), path)
        }
    }

    private func write(
        _ entry: ArchiveEntry, _ path: LayerPath, _ into: CInt, _ reader: LayerReader
    ) throws(UnpackFailure) {
        let file = try create(path, into)
        defer { close(file) }
        try FileContent.write(entry, to: file, reader)
    }

    /// Below `into` are plain files and directories alone, made here.
    private func create(_ path: LayerPath, _ into: CInt) throws(UnpackFailure) -> CInt {
        try makeDirectories(of: path, into)
        let flags = O_WRONLY | O_CREAT | O_EXCL
        return try attempt("open", path.joined) { OpenedFile.open(path.joined, flags, mode: 0o600, in: into) }
    }

    private func makeDirectories(of path: LayerPath, _ into: CInt) throws(UnpackFailure) {
        for depth in 1..<max(path.components.count, 1) {
            let directory = LayerPath(Array(path.components.prefix(depth))).joined
            if directory.withCString({ mkdirat(into, $0, 0o700) }) < 0, errno != EEXIST {
                throw .failed("mkdir", directory)
            }
        }
    }

    /// What links lead to may come after them.
    private func link(_ members: ArchiveMembers, _ into: CInt) throws(UnpackFailure) {
        for (name, link) in members.links.sorted(by: { $0.key < $1.key }) where ArchiveMembers.belongs(link.path) {
            var target = link.target
            var steps = 0
            while let next = members.links[target], steps < Self.mostLinks {
                (target, steps) = (next.target, steps + 1)
            }
            guard members.files.contains(target) else {
                throw .refused(.linkLeaves, name, "is a link to \(link.target.shown), which the archive does not have")
            }
            try makeDirectories(of: link.path, into)
            try attempt("link", name) {
                target.withCString { from in name.withCString { linkat(into, from, into, $0, 0) } }
            }
        }
    }
}

/// What an archive of an image has been found to have.
struct ArchiveMembers {
    var files: Set<FilePath> = []
    var links: [FilePath: (target: FilePath, path: LayerPath)] = [:]
    private var names: Set<PathKey> = []
    private static let longestName = 128

    /// An index of one kind or a manifest of the other.
    var isImage: Bool {
        let hasLayout = files.contains(FilePath("oci-layout")) && files.contains(FilePath("index.json"))
        return hasLayout || files.contains(FilePath("manifest.json"))
    }

    mutating func add(_ path: LayerPath, _ entry: ArchiveEntry) throws(UnpackFailure) {
        if path.components.isEmpty { throw .refused(.badName, entry.path, "has no name") }
        if !names.insert(PathKey(path.joined)).inserted { throw .refused(.duplicate, entry.path, "comes twice") }
    }

    /// What a link leads to, read from where it is; a hard link's name is from the root.
    func target(of entry: ArchiveEntry, at path: LayerPath) throws(UnpackFailure) -> FilePath {
        let bytes = entry.link.bytes
        if bytes.isEmpty || bytes[0] == FilePath.slash || bytes.contains(0) {
            throw .refused(.linkLeaves, entry.path, "is a link to \(entry.link.shown)")
        }
        var components = entry.kind == .hardLink ? [] : Array(path.components.dropLast())
        for part in bytes.split(separator: FilePath.slash) where !part.elementsEqual(LayerPath.dot) {
            if !part.elementsEqual(LayerPath.dots) {
                components.append(FilePath(part))
            } else if components.popLast() == nil {
                throw .refused(.linkLeaves, entry.path, "is a link to \(entry.link.shown), out of the archive")
            }
        }
        return LayerPath(components).joined
    }

    /// Whether a member is one that an image consists of. All others are left out.
    static func belongs(_ path: LayerPath) -> Bool {
        let names = path.components.map { String(decoding: $0.bytes, as: UTF8.self) }
        switch names.count {
        case 1:
            return ["oci-layout", "index.json", "manifest.json", "repositories"].contains(names[0])
                || (isPlain(names[0]) && (names[0].hasSuffix(".json") || names[0].hasSuffix(".tar")))
        case 2: return isPlain(names[0]) && names[1] == "layer.tar"
        case 3:
            let isHexadecimal = names[2].utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
            return names[0] == "blobs" && names[1] == "sha256" && names[2].utf8.count == 64 && isHexadecimal
        default: return false
        }
    }

    private static func isPlain(_ name: String) -> Bool {
        let others = Array("._-".utf8)
        let isLetter = { (byte: UInt8) in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        }
        return name.utf8.count <= longestName && name.utf8.first != UInt8(ascii: ".")
            && name.utf8.allSatisfy { isLetter($0) || others.contains($0) }
    }
}
