import CoteArchive
import CoteSystem
import Glibc

/// Writes a tree as a POSIX pax archive: plain ustar headers, and extended ones only for what those cannot hold. Names
/// are in the order of their bytes, so that the same tree gives the same bytes.
///
/// Sockets, fifos and devices are left out with a note. Of what is held in memory, most is the names of one directory
/// on each level.
struct ArchivePacker: ~Copyable {
    private var output: ArchiveOutput
    private let note: (String) -> Void
    /// Files with several names, of which some are still to come.
    private var links: [FileStatus.Identity: (path: FilePath, left: UInt64)] = [:]

    private let mostLinks: Int
    /// What the kernel takes as a path, and so what can be unpacked again.
    private static let longestPath = 4_095

    /// - Parameter mostLinks: files with several names to remember; a second name of any other becomes a copy of it.
    init(_ output: consuming ArchiveOutput, mostLinks: Int = 1 << 18, note: @escaping (String) -> Void) {
        self.output = output
        self.mostLinks = mostLinks
        self.note = note
    }

    /// Packs what `path` leads to; symbolic links within are packed as such. Paths are relative to a directory, which
    /// is itself the first member, `./`; a file is a single member under its own name.
    mutating func pack(_ path: FilePath) throws(FileFailure) {
        let start = try Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, path)
        let status = try FileStatus(of: start, path)
        switch status.kind {
        case .directory:
            try put(entry(.directory, FilePath("."), status))
            try pack(FileTree(start, FilePath("")))
        case .regular:
            guard let name = path.split?.name else { throw FileFailure(path, "not the name of a file") }
            try put(entry(.regular, name, status))
            try content(start, status, name)
        default: throw FileFailure(path, "neither a directory nor a regular file")
        }
        try output.write([UInt8](repeating: 0, count: 2 * ArchiveHeader.blockSize))
        try output.flush()
    }

    private mutating func pack(_ start: consuming FileTree) throws(FileFailure) {
        var tree = start
        var levels = [Array(try tree.sortedNames().reversed())]
        while !levels.isEmpty {
            guard let name = levels[levels.count - 1].popLast() else {
                levels.removeLast()
                try tree.ascend()
                continue
            }
            let path = tree.path.appending(name)
            if path.bytes.count > Self.longestPath { throw FileFailure(path, "the path is too long") }
            do {
                if try packOne(name, path, tree.directory.raw) { continue }
                try tree.descend(into: name)
            } catch {
                // Removed since its name was read.
                if !error.isMissing { throw error }
                note(path.shown + " went away")
                continue
            }
            try put(entry(.directory, path, try FileStatus(of: tree.directory, path)))
            levels.append(try tree.sortedNames().reversed())
        }
    }

    /// Whether it is done; `false` for a directory.
    private mutating func packOne(
        _ name: FilePath, _ path: FilePath, _ directory: CInt
    ) throws(FileFailure) -> Bool {
        let status = try FileStatus(of: name, in: directory, path)
        switch status.kind {
        case .directory: return false
        case .regular: try file(name, path, directory)
        case .link:
            var link = entry(.symbolicLink, path, status)
            link.link = try FileLink.target(of: name, in: directory, path)
            try put(link)
        case .fifo: note("fifo left out: " + path.shown)
        case .socket: note("socket left out: " + path.shown)
        case .device: note("device left out: " + path.shown)
        }
        return true
    }

    private mutating func file(_ name: FilePath, _ path: FilePath, _ directory: CInt) throws(FileFailure) {
        let file = try Descriptor.open(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, in: directory, path)
        let status = try FileStatus(of: file, path)
        guard status.kind == .regular else { throw FileFailure(path, "was replaced while it was read") }
        if let earlier = earlierName(status, path) {
            var link = entry(.hardLink, path, status)
            link.link = earlier
            return try put(link)
        }
        try put(entry(.regular, path, status))
        try content(file, status, path)
    }

    private mutating func earlierName(_ status: FileStatus, _ path: FilePath) -> FilePath? {
        if status.raw.st_nlink < 2 { return nil }
        guard let (earlier, left) = links[status.identity] else {
            if links.count < mostLinks { links[status.identity] = (path, UInt64(status.raw.st_nlink) - 1) }
            return nil
        }
        links[status.identity] = left > 1 ? (earlier, left - 1) : nil
        return earlier
    }

    private mutating func content(
        _ file: borrowing Descriptor, _ status: FileStatus, _ path: FilePath
    ) throws(FileFailure) {
        try output.copy(file, count: status.size, path)
        let block = UInt64(ArchiveHeader.blockSize)
        try output.write([UInt8](repeating: 0, count: Int((block - status.size % block) % block)))
    }

    private func entry(_ kind: ArchiveEntry.Kind, _ path: FilePath, _ status: FileStatus) -> ArchiveEntry {
        var entry = ArchiveEntry(kind: kind, path: path, mode: status.permissions, modified: status.modified)
        entry.size = kind == .regular ? status.size : 0
        entry.user = status.raw.st_uid
        entry.group = status.raw.st_gid
        return entry
    }

    private mutating func put(_ entry: ArchiveEntry) throws(FileFailure) { try output.write(entry.blocks) }
}
