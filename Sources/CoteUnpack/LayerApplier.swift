import CoteArchive
import CoteWorker
import Glibc

/// Makes layers into one tree below a directory, and into nothing else.
///
/// Rules: OCI image specification, `layer.md`, "Applying Changesets". Whiteouts hide what earlier layers made, wherever
/// in their own layer they come; so all names of the layer at hand are remembered.
final class LayerApplier {
    let way: DirectoryWay
    let budget: UnpackBudget
    /// All that the layer at hand has named.
    private var names: Set<PathKey> = []

    private static let reserved = FilePath(".cote")
    /// What a sandbox mounts something on.
    private static let mountPoints = ["dev", "proc", "sys", "tmp"]

    /// - Parameter root: an empty directory.
    init(_ root: CInt, _ budget: UnpackBudget) throws(UnpackFailure) {
        umask(0)
        self.budget = budget
        way = try DirectoryWay(root, budget)
        try attempt("fchmod") { [way] in fchmod(way.root, 0o755) }
    }

    func apply(_ layer: LayerReader) throws(UnpackFailure) {
        names.removeAll()
        while let entry = try layer.next() {
            try budget.addEntry(entry.path)
            try budget.addBytes(entry.attributes.reduce(0) { $0 + UInt64($1.value.count) }, entry.path)
            let path = try LayerPath(entry.path)
            guard let name = path.components.last else {
                guard entry.kind == .directory else { throw .refused(.badName, entry.path, "has no name") }
                try applyRoot(entry)
                continue
            }
            if path.components[0] == Self.reserved { throw .refused(.reservedName, entry.path, "is Cote's own name") }
            switch try Whiteout(path, name, entry) {
            case .none: try make(entry, path, name, layer)
            case .ignored: continue
            case .opaque: try hide(path, name: nil, entry)
            case .hidden(let hidden): try hide(path, name: hidden, entry)
            }
        }
    }

    /// Call after the last layer.
    func finish() throws(UnpackFailure) {
        for name in Self.mountPoints {
            let path = FilePath(name)
            if let status = try OpenedFile.status(path, in: way.root, path), !status.isDirectory {
                throw .refused(.mountPoint, path, "is no directory, and something is mounted on it in a sandbox")
            }
        }
        try way.finish()
    }

    // MARK: Whiteouts

    /// - Parameter name: what is hidden in the directory; all that is in it where absent.
    private func hide(_ path: LayerPath, name: FilePath?, _ entry: ArchiveEntry) throws(UnpackFailure) {
        try remember(path, entry)
        let parent = LayerPath(Array(path.components.dropLast()))
        guard let directory = try way.enter(parent.components, of: entry.path, create: false) else { return }
        way.changed()
        if let name {
            try remove(name, in: directory, parent.joined.appending(name))
        } else {
            try TreeRemoval.empty(directory, parent.joined) { [names] in names.contains(PathKey($0)) }
        }
    }

    /// Takes a name away from what earlier layers made; what this one has made stays, with its directories.
    private func remove(_ name: FilePath, in directory: CInt, _ path: FilePath) throws(UnpackFailure) {
        guard let status = try OpenedFile.status(name, in: directory, path) else { return }
        let isOwn = names.contains(PathKey(path))
        if !status.isDirectory {
            if !isOwn { try attempt("unlink", path) { name.withCString { unlinkat(directory, $0, 0) } } }
            return
        }
        let flags = OpenedFile.directoryFlags
        let inner = try attempt("open", path) { OpenedFile.open(name, flags, in: directory) }
        defer { close(inner) }
        try TreeRemoval.empty(inner, path) { [names] in names.contains(PathKey($0)) }
        if isOwn {
            try attempt("futimens", path) { futimens(inner, [.unchanged, status.st_mtim]) }
        } else if name.withCString({ unlinkat(directory, $0, AT_REMOVEDIR) }) < 0 {
            let code = errno
            if code != ENOTEMPTY && code != EEXIST { throw .failed("rmdir", path, code: code) }
        }
    }

    // MARK: Members

    private func remember(_ path: LayerPath, _ entry: ArchiveEntry) throws(UnpackFailure) {
        if names.insert(PathKey(path.joined)).inserted { return }
        // What programs do write twice are directories.
        if entry.kind == .directory,
            let parent = try way.enter(
                path.components.dropLast(), of: entry.path, create: false),
            let name = path.components.last,
            try OpenedFile.status(name, in: parent, entry.path)?.isDirectory == true
        {
            return
        }
        throw .refused(.duplicate, entry.path, "comes twice in its layer")
    }

    private func make(
        _ entry: ArchiveEntry, _ path: LayerPath, _ name: FilePath, _ layer: LayerReader
    ) throws(UnpackFailure) {
        try remember(path, entry)
        if entry.kind == .symbolicLink { try path.checkTarget(entry.link) }
        // Before the place's own directory is entered: the way is at one place only.
        let source = entry.kind == .hardLink ? try linkSource(entry, path) : nil
        defer { if let source { close(source.parent) } }
        guard let parent = try way.enter(path.components.dropLast(), of: entry.path, create: true) else {
            throw .failed("open", entry.path, code: ENOENT)
        }
        way.changed()
        let place = LayerPlace(parent: parent, name: name, path: path.joined)
        switch entry.kind {
        case .directory: try makeDirectory(entry, place)
        case .regular: try makeFile(entry, place, layer)
        case .symbolicLink: try makeSymbolicLink(entry, place)
        case .hardLink: if let source { try makeHardLink(entry, place, source) }
        case .fifo: try makeFifo(entry, place)
        }
    }

    private func applyRoot(_ entry: ArchiveEntry) throws(UnpackFailure) {
        _ = try way.enter([], of: entry.path, create: false)
        try FileAttributes.apply(entry, to: way.root, isNew: false)
        way.setTime(entry.modified)
    }

    private func makeDirectory(_ entry: ArchiveEntry, _ place: LayerPlace) throws(UnpackFailure) {
        var isNew = place.name.withCString { mkdirat(place.parent, $0, 0o700) } == 0
        if !isNew {
            let code = errno
            guard code == EEXIST else { throw .failed("mkdir", entry.path, code: code) }
            if try OpenedFile.status(place.name, in: place.parent, entry.path)?.isDirectory == false {
                try makeWay(place, entry)
                try attempt("mkdir", entry.path) { place.name.withCString { mkdirat(place.parent, $0, 0o700) } }
                isNew = true
            }
        }
        let components = try LayerPath(entry.path).components
        guard let directory = try way.enter(components, of: entry.path, create: false) else {
            throw .failed("open", entry.path, code: ENOENT)
        }
        try FileAttributes.apply(entry, to: directory, isNew: isNew)
        way.setTime(entry.modified)
    }

    /// Takes the name from what an earlier layer gave it to.
    private func makeWay(_ place: LayerPlace, _ entry: ArchiveEntry) throws(UnpackFailure) {
        let (parent, name) = (place.parent, place.name)
        if name.withCString({ unlinkat(parent, $0, 0) }) == 0 { return }
        let flags = OpenedFile.directoryFlags
        let inner = try attempt("open", entry.path) { OpenedFile.open(name, flags, in: parent) }
        defer { close(inner) }
        try TreeRemoval.empty(inner, place.path) { [names] in names.contains(PathKey($0)) }
        if name.withCString({ unlinkat(parent, $0, AT_REMOVEDIR) }) == 0 { return }
        let code = errno
        if code == ENOTEMPTY || code == EEXIST {
            throw .refused(.duplicate, entry.path, "is a directory in the same layer")
        }
        throw .failed("rmdir", entry.path, code: code)
    }

    private func makeFile(
        _ entry: ArchiveEntry, _ place: LayerPlace, _ layer: LayerReader
    ) throws(UnpackFailure) {
        try budget.addBytes(entry.size, entry.path)
        let flags = O_WRONLY | O_CREAT | O_EXCL
        var file = OpenedFile.open(place.name, flags, mode: entry.mode & 0o777, in: place.parent)
        if file < 0, errno == EEXIST {
            try makeWay(place, entry)
            file = OpenedFile.open(place.name, flags, mode: entry.mode & 0o777, in: place.parent)
        }
        if file < 0 { throw .failed("open", entry.path) }
        defer { close(file) }
        try FileContent.write(entry, to: file, layer)
        try FileAttributes.apply(entry, to: file, isNew: true)
        try FileAttributes.setTime(file, entry)
    }

    private func makeSymbolicLink(_ entry: ArchiveEntry, _ place: LayerPlace) throws(UnpackFailure) {
        if !entry.attributes.isEmpty {
            throw .refused(.badAttribute, entry.path, "has attributes, which its kind cannot have")
        }
        let link = { () -> CInt in
            entry.link.withCString { target in place.name.withCString { symlinkat(target, place.parent, $0) } }
        }
        if link() < 0 {
            let code = errno
            guard code == EEXIST else { throw .failed("symlink", entry.path, code: code) }
            try makeWay(place, entry)
            try attempt("symlink", entry.path, link)
        }
        try finishByName(entry, place)
    }

    private func makeFifo(_ entry: ArchiveEntry, _ place: LayerPlace) throws(UnpackFailure) {
        if !entry.attributes.isEmpty {
            throw .refused(.badAttribute, entry.path, "has attributes, which its kind cannot have")
        }
        let make = { () -> CInt in place.name.withCString { mknodat(place.parent, $0, S_IFIFO | 0o600, 0) } }
        if make() < 0 {
            let code = errno
            guard code == EEXIST else { throw .failed("mknod", entry.path, code: code) }
            try makeWay(place, entry)
            try attempt("mknod", entry.path, make)
        }
        try finishByName(entry, place)
    }

    /// For what cannot be opened.
    private func finishByName(_ entry: ArchiveEntry, _ place: LayerPlace) throws(UnpackFailure) {
        let (parent, name) = (place.parent, place.name)
        try attempt("fchownat", entry.path) {
            name.withCString { fchownat(parent, $0, entry.user, entry.group, AT_SYMLINK_NOFOLLOW) }
        }
        if entry.kind == .fifo {
            try attempt("fchmodat", entry.path) { name.withCString { fchmodat(parent, $0, entry.mode, 0) } }
        }
        let times = [timespec.unchanged, entry.modified]
        try attempt("utimensat", entry.path) {
            name.withCString { utimensat(parent, $0, times, AT_SYMLINK_NOFOLLOW) }
        }
    }

    private func makeHardLink(
        _ entry: ArchiveEntry, _ place: LayerPlace, _ source: LayerPlace
    ) throws(UnpackFailure) {
        let link = { () -> CInt in
            source.name.withCString { from in
                place.name.withCString { linkat(source.parent, from, place.parent, $0, 0) }
            }
        }
        if link() == 0 { return }
        let code = errno
        guard code == EEXIST else { throw .failed("link", entry.path, code: code) }
        try makeWay(place, entry)
        try attempt("link", entry.path, link)
    }

    /// What a hard link leads to, in a directory that the caller closes.
    private func linkSource(_ entry: ArchiveEntry, _ path: LayerPath) throws(UnpackFailure) -> LayerPlace {
        let target = try linkTarget(entry)
        if target.components == path.components {
            throw .refused(.linkLeaves, entry.path, "is a hard link to itself")
        }
        guard let name = target.components.last,
            let directory = try way.enter(target.components.dropLast(), of: entry.path, create: false),
            let status = try OpenedFile.status(name, in: directory, entry.path), !status.isDirectory
        else { throw .refused(.linkLeaves, entry.path, "is a hard link to \(entry.link.shown), which is no file") }
        let own = try attempt("open", entry.path) {
            OpenedFile.open(FilePath("."), OpenedFile.directoryFlags, in: directory)
        }
        return LayerPlace(parent: own, name: name, path: target.joined)
    }

    private func linkTarget(_ entry: ArchiveEntry) throws(UnpackFailure) -> LayerPath {
        do { return try LayerPath(entry.link) } catch {
            guard case .refused(let reason, _, let detail, _) = error else { throw error }
            let leaves = reason == .absolutePath || reason == .parentPath || entry.link.bytes.isEmpty
            throw .refused(
                leaves ? .linkLeaves : reason, entry.path, "is a hard link to \(entry.link.shown), which \(detail)")
        }
    }
}

/// A name in an open directory.
struct LayerPlace {
    let parent: CInt
    let name: FilePath
    /// From the image's root.
    let path: FilePath
}
