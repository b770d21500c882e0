import CoteArchive
import CoteSystem
import Glibc

/// Makes the members of an archive into files below one directory, and into nothing else.
///
/// Every name is looked up from that directory one component at a time, never through a symbolic link, so that neither
/// the archive's own links nor those that were there before lead out. What is refused ends the work; what was unpacked
/// before it stays. Files belong to the caller; set-user and set-group bits are dropped.
struct ArchiveUnpacker: ~Copyable {
    private var places: ArchivePlaces
    private let createdRoot: Bool
    /// A directory gets its mode and time last, when nothing will be put into it any more.
    private var directories: [FilePath: (mode: UInt32, modified: timespec)] = [:]

    private let mostDirectories: Int

    /// Creates `path` where it is missing.
    /// - Parameter mostDirectories: an archive with more is refused.
    init(_ path: String, mostDirectories: Int = 1 << 20) throws(FileFailure) {
        let shown = FilePath(path)
        self.mostDirectories = mostDirectories
        createdRoot = !Files.exists(path)
        try telling(shown) { () throws(SystemError) in try Files.makeDirectories(path, mode: 0o755) }
        places = ArchivePlaces(try Descriptor.open(shown, O_RDONLY | O_DIRECTORY, shown))
    }

    mutating func unpack(_ archive: consuming ArchiveReader) throws(FileFailure) {
        var archive = archive
        while let entry = try archive.next() {
            let path = try ArchivePlaces.checked(entry.path, of: entry.path)
            if path.isEmpty {
                guard entry.kind == .directory else { throw FileFailure(entry.path, "has no name") }
                // A directory that was there keeps its own mode.
                if createdRoot { try remember(entry, FilePath("")) }
                continue
            }
            do { try place(entry, path, &archive) } catch {
                // Here a missing file is the archive's fault, not the request's.
                if error.isMissing { throw FileFailure(error.message) }
                throw error
            }
        }
        try finishDirectories()
    }

    private mutating func place(
        _ entry: ArchiveEntry, _ path: [FilePath], _ archive: inout ArchiveReader
    ) throws(FileFailure) {
        let place = try places.find(path, of: entry.path)
        switch entry.kind {
        case .directory:
            try makeDirectory(place, entry)
            try remember(entry, path.dropFirst().reduce(path[0]) { $0.appending($1) })
        case .regular: try makeFile(place, entry, &archive)
        case .symbolicLink: try makeSymbolicLink(place, entry, depth: path.count - 1)
        case .hardLink: try makeHardLink(place, entry, path)
        case .fifo: throw FileFailure(entry.path, "a fifo is not unpacked")
        }
    }

    // MARK: Directories

    private func makeDirectory(_ place: borrowing ArchivePlace, _ entry: ArchiveEntry) throws(FileFailure) {
        let directory = place.directory.raw
        if place.name.withCString({ mkdirat(directory, $0, 0o700) }) == 0 { return }
        let code = errno
        guard code == EEXIST else { throw FileFailure(errno: code, entry.path) }
        guard try place.status(entry.path)?.kind == .directory else {
            throw FileFailure(entry.path, "something else is in the way of the directory")
        }
    }

    private mutating func remember(_ entry: ArchiveEntry, _ path: FilePath) throws(FileFailure) {
        if directories.count >= mostDirectories { throw FileFailure(entry.path, "too many directories") }
        directories[path] = (entry.mode & 0o1777, entry.modified)
    }

    /// Deepest first: a mode may take away the way in.
    private mutating func finishDirectories() throws(FileFailure) {
        for (path, attributes) in directories.sorted(by: { $0.key > $1.key }) {
            let directory = try places.directory(try ArchivePlaces.checked(path, of: path)[...], of: path)
            // Somebody else's directory, which was there before, stays as it is.
            if fchmod(directory.raw, attributes.mode) < 0, errno != EPERM { throw FileFailure(errno: errno, path) }
            if setTime(directory.raw, attributes.modified) < 0, errno != EPERM { throw FileFailure(errno: errno, path) }
        }
    }

    // MARK: Files and links

    private func makeFile(
        _ place: borrowing ArchivePlace, _ entry: ArchiveEntry, _ archive: inout ArchiveReader
    ) throws(FileFailure) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
        try place.clear(entry.path)
        let file = try Descriptor.open(place.name, flags, mode: 0o600, in: place.directory.raw, entry.path)
        while true {
            let piece = try archive.piece()
            if piece.isEmpty { break }
            do { try file.write(all: piece) } catch { throw FileFailure(error, entry.path) }
        }
        try attempt(entry.path) { fchmod(file.raw, entry.mode & 0o1777) }
        try attempt(entry.path) { setTime(file.raw, entry.modified) }
    }

    private func makeSymbolicLink(
        _ place: borrowing ArchivePlace, _ entry: ArchiveEntry, depth: Int
    ) throws(FileFailure) {
        guard ArchivePlaces.staysInside(entry.link, depth: depth) else {
            throw FileFailure(entry.path, "a link to \(entry.link.shown), which leaves the directory")
        }
        let (directory, name) = (place.directory.raw, place.name)
        try place.clear(entry.path)
        try attempt(entry.path) {
            entry.link.withCString { target in name.withCString { symlinkat(target, directory, $0) } }
        }
        let times = [.unchanged, entry.modified]
        try attempt(entry.path) { name.withCString { utimensat(directory, $0, times, AT_SYMLINK_NOFOLLOW) } }
    }

    private mutating func makeHardLink(
        _ place: borrowing ArchivePlace, _ entry: ArchiveEntry, _ path: [FilePath]
    ) throws(FileFailure) {
        let target = try ArchivePlaces.checked(entry.link, of: entry.path)
        if target == path { return }
        let source = try places.find(target, of: entry.path, create: false)
        guard try source.status(entry.path)?.kind == .regular else {
            throw FileFailure(entry.path, "a hard link to \(entry.link.shown), which is no file here")
        }
        let (from, to, sourceName, name) = (source.directory.raw, place.directory.raw, source.name, place.name)
        try place.clear(entry.path)
        try attempt(entry.path) {
            sourceName.withCString { target in name.withCString { linkat(from, target, to, $0, 0) } }
        }
    }

    private func setTime(_ descriptor: CInt, _ modified: timespec) -> CInt {
        futimens(descriptor, [.unchanged, modified])
    }
}
