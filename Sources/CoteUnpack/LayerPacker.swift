import CoteArchive
import CoteContent
import CoteWorker
import Glibc

/// Writes a directory as one uncompressed layer: names in the order of their bytes, plain ustar headers, extended ones
/// only for what those cannot hold, so that the same tree gives the same bytes.
///
/// Sockets are left out, as they are nothing without their program; devices are refused. What is zeros in a file is a
/// hole, whether or not its disk has it.
final class LayerPacker {
    private let output: LayerOutput
    /// Files with several names, of which some are still to come.
    private var links: [FileIdentity: (path: FilePath, left: UInt64)] = [:]

    private struct FileIdentity: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    private static let mostLinks = 1 << 20
    private static let longestPath = 4_095

    init(_ into: CInt) throws(UnpackFailure) { output = LayerOutput(into) }

    func pack(_ tree: CInt) throws(UnpackFailure) {
        let top = FilePath(".")
        let descriptor = try attempt("open") { OpenedFile.open(top, OpenedFile.directoryFlags, in: tree) }
        defer { close(descriptor) }
        try putDirectory(descriptor, top)
        try packMembers(of: descriptor, FilePath(""))
        try output.write([UInt8](repeating: 0, count: 2 * ArchiveHeader.blockSize))
        let (digest, bytes) = try output.finish()
        WorkerChannel.send(UnpackEvent.layer(index: 0, diffID: digest, bytes: bytes))
    }

    private func packMembers(of directory: CInt, _ path: FilePath) throws(UnpackFailure) {
        for name in try OpenedFile.names(in: directory, path).sorted() {
            let below = path.appending(name)
            if below.bytes.count > Self.longestPath { throw .refused(.longName, below, "has too long a path") }
            guard let status = try OpenedFile.status(name, in: directory, below) else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try packDirectory(name, in: directory, below)
            case S_IFREG: try packFile(name, in: directory, below)
            case S_IFLNK: try packLink(name, in: directory, below, status)
            case S_IFIFO:
                if try !putHardLink(below, status) { try put(entry(.fifo, below, status)) }
            case S_IFSOCK: continue
            default: throw .refused(.deviceNode, below, "is a device")
            }
        }
    }

    private func packDirectory(_ name: FilePath, in directory: CInt, _ path: FilePath) throws(UnpackFailure) {
        let inner = try attempt("open", path) { OpenedFile.open(name, OpenedFile.directoryFlags, in: directory) }
        defer { close(inner) }
        try putDirectory(inner, path)
        try packMembers(of: inner, path)
    }

    private func putDirectory(_ directory: CInt, _ path: FilePath) throws(UnpackFailure) {
        var entry = try entry(.directory, path, try OpenedFile.status(directory, path))
        entry.attributes = try attributes(directory, path)
        try put(entry)
    }

    private func packLink(
        _ name: FilePath, in directory: CInt, _ path: FilePath, _ status: stat
    ) throws(UnpackFailure) {
        if try putHardLink(path, status) { return }
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = try attempt("readlink", path) {
            name.withCString { name in
                buffer.withUnsafeMutableBytes { bytes in
                    // INVARIANT: the array is not empty, so that its buffer has an address.
                    guard let target = bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return -1 }
                    return readlinkat(directory, name, target, bytes.count)
                }
            }
        }
        var link = try entry(.symbolicLink, path, status)
        link.link = FilePath(buffer[..<count])
        try put(link)
    }

    private func packFile(_ name: FilePath, in directory: CInt, _ path: FilePath) throws(UnpackFailure) {
        let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY
        let file = try attempt("open", path) { OpenedFile.open(name, flags, in: directory) }
        defer { close(file) }
        let status = try OpenedFile.status(file, path)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .failed("replaced while it was read:", path, code: EAGAIN)
        }
        if try putHardLink(path, status) { return }
        var entry = try entry(.regular, path, status)
        entry.size = UInt64(clamping: status.st_size)
        entry.attributes = try attributes(file, path)
        entry.data = try SparseScan.extents(of: file, size: entry.size, path)
        try put(entry)
        for extent in entry.data ?? [ArchiveExtent(offset: 0, length: entry.size)] {
            try output.copy(file, extent, path)
        }
        let block = UInt64(ArchiveHeader.blockSize)
        try output.write([UInt8](repeating: 0, count: Int((block - entry.storedSize % block) % block)))
    }

    /// Whether the file had a name before, which this one is then a link to.
    private func putHardLink(_ path: FilePath, _ status: stat) throws(UnpackFailure) -> Bool {
        if status.st_nlink < 2 { return false }
        let identity = FileIdentity(device: status.st_dev, inode: status.st_ino)
        guard let (earlier, left) = links[identity] else {
            if links.count < Self.mostLinks { links[identity] = (path, UInt64(status.st_nlink) - 1) }
            return false
        }
        links[identity] = left > 1 ? (earlier, left - 1) : nil
        var link = try entry(.hardLink, path, status)
        link.link = earlier
        try put(link)
        return true
    }

    private func entry(_ kind: ArchiveEntry.Kind, _ path: FilePath, _ status: stat) throws(UnpackFailure)
        -> ArchiveEntry
    {
        guard status.st_uid < 65_536, status.st_gid < 65_536 else {
            throw .refused(.badOwner, path, "belongs to \(status.st_uid):\(status.st_gid), which no layer can say")
        }
        var entry = ArchiveEntry(kind: kind, path: path, mode: status.st_mode & 0o7777, modified: status.st_mtim)
        entry.user = status.st_uid
        entry.group = status.st_gid
        return entry
    }

    /// Those that a layer may have.
    private func attributes(_ file: CInt, _ path: FilePath) throws(UnpackFailure) -> [ArchiveAttribute] {
        var result: [ArchiveAttribute] = []
        for name in try FileAttributes.names(file, path) where ExtendedAttributes.isPacked(name) {
            guard let value = try FileAttributes.value(name, of: file, path) else { continue }
            result.append(ArchiveAttribute(name: name, value: value))
        }
        return result
    }

    private func put(_ entry: ArchiveEntry) throws(UnpackFailure) { try output.write(entry.blocks) }
}
