import CoteArchive
import CoteSystem
import Glibc

/// One regular file, out and in.
enum FileContent {
    private static let chunk = 128 << 10

    static func read(_ path: FilePath, _ output: borrowing Descriptor) throws(FileFailure) {
        // Not to wait for a writer, should this be a fifo.
        let file = try Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, path)
        guard try FileStatus(of: file, path).kind == .regular else { throw FileFailure(path, "not a regular file") }
        try copy(from: file, to: output, path)
    }

    /// Puts a new file in place of whatever `path` names, a symbolic link included, when all of the input is there.
    static func write(_ path: FilePath, mode: UInt32, _ input: borrowing Descriptor) throws(FileFailure) {
        guard let (parent, name) = path.split, path.bytes.last != FilePath.slash else {
            throw FileFailure(path, "not the name of a file")
        }
        let directory = try Descriptor.open(parent, O_RDONLY | O_DIRECTORY, parent)
        if let status = try? FileStatus(of: name, in: directory.raw, path), status.kind == .directory {
            throw FileFailure(errno: EISDIR, path)
        }
        let temporary = temporaryName()
        let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, in: directory.raw, path)
        do throws(FileFailure) {
            try copy(from: input, to: file, path)
            try attempt(path) { fchmod(file.raw, mode) }
            try attempt(path) {
                temporary.withCString { from in name.withCString { renameat(directory.raw, from, directory.raw, $0) } }
            }
        } catch {
            _ = temporary.withCString { unlinkat(directory.raw, $0, 0) }
            throw error
        }
    }

    private static func temporaryName() -> FilePath {
        FilePath(".cote-" + String(UInt64.random(in: .min ... .max), radix: 16))
    }

    private static func copy(
        from source: borrowing Descriptor, to target: borrowing Descriptor, _ path: FilePath
    ) throws(FileFailure) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try source.readSome(into: buffer, path)
            if count == 0 { return }
            do { try target.write(all: UnsafeRawBufferPointer(rebasing: buffer[..<count])) } catch {
                throw FileFailure(error, path)
            }
        }
    }
}
