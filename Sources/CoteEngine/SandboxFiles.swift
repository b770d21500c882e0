public import CoteModel
import CoteWire
import FoundationEssentials

extension Sandbox {
    /// Files in the sandbox. Every operation runs inside it as its root, without a capability: it can reach what a
    /// command could, and what it sends is never trusted here.
    public var files: SandboxFiles { SandboxFiles(sandbox: self) }
}

/// Moves files and trees in and out of one sandbox. Paths are absolute, inside the sandbox.
public struct SandboxFiles: Sendable {
    let sandbox: Sandbox

    /// One entry of a directory.
    public struct Entry: Hashable, Sendable, Codable {
        /// What an entry is.
        public enum Kind: String, Sendable, Codable {
            case file, directory, link, fifo, socket, device
        }

        /// Bytes that are not UTF-8 are replaced.
        public var name: String
        /// Of the entry itself: a link is `link`, whatever it points to.
        public var type: Kind
        /// Bytes of a file, or of a link's target.
        public var size: UInt64
        /// Permission bits.
        public var mode: UInt32
        /// Seconds since 1970.
        public var mtime: Double
        /// Where a link points; absent for everything else.
        public var target: String?
    }

    /// A regular file's content.
    /// - Parameter limit: the most bytes to take.
    /// - Throws: `noSuchFile`, `fileOperationFailed`, or `requestTooLarge` when there are more than `limit`.
    public func read(_ path: String, limit: Int = 64 << 20) async throws(CoteError) -> [UInt8] {
        let execution = try open(.read, path)
        var content: [UInt8] = []
        var errors: [UInt8] = []
        while let chunk = await execution.nextOutput() {
            if chunk.isError { errors += chunk.bytes } else { content += chunk.bytes }
            if content.count > limit {
                execution.signal(9)
                throw CoteError(.requestTooLarge, "\(path) has more than \(limit) bytes")
            }
        }
        try await Self.check(execution, errors)
        return content
    }

    /// Replaces a file's content, or creates it; a reader sees the old content or the new.
    public func write(_ path: String, _ content: [UInt8], mode: UInt32 = 0o644) async throws(CoteError) {
        let execution = try open(.write, path, mode: mode)
        await execution.write(content)
        execution.closeInput()
        try await finish(execution)
    }

    /// A directory's entries, in the order of their names' bytes.
    public func list(_ path: String) async throws(CoteError) -> [Entry] {
        let execution = try open(.list, path)
        var lines: [UInt8] = []
        try await finish(execution) { lines += $0 }
        return lines.split(separator: 0x0a).compactMap { try? JSONDecoder().decode(Listed.self, from: Data($0)).entry }
    }

    /// Removes a file or a whole tree. Symbolic links are removed, not followed.
    public func remove(_ path: String) async throws(CoteError) { try await finish(try open(.remove, path)) }

    /// Hands out a tree as a POSIX tar stream, in pieces as they come. A sandbox's tar is hostile: unpack it with care.
    public func pack(
        _ path: String, _ receive: (ArraySlice<UInt8>) async throws -> Void
    ) async throws {
        let execution = try open(.pack, path)
        var errors: [UInt8] = []
        while let chunk = await execution.nextOutput() {
            if chunk.isError { errors += chunk.bytes } else { try await receive(chunk.bytes[...]) }
        }
        try await Self.check(execution, errors)
    }

    /// Unpacks a tar stream below a directory, which is created if it is missing. Entries that would leave it are
    /// refused by name.
    public func unpack(
        _ archive: some AsyncSequence<[UInt8], any Error>, to path: String
    ) async throws {
        let execution = try open(.unpack, path)
        do {
            for try await bytes in archive { await execution.write(bytes) }
        } catch {
            execution.signal(9)
            throw error
        }
        execution.closeInput()
        try await finish(execution)
    }

    // MARK: One transfer

    private func open(_ verb: FileTransfer.Verb, _ path: String, mode: UInt32 = 0o644) throws(CoteError) -> Execution {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw CoteError(.usage, "'\(path)' is not an absolute path")
        }
        return try sandbox.connection.open(.transfer(FileTransfer(verb, path: path, mode: mode)))
    }

    private func finish(
        _ execution: Execution, _ receive: ([UInt8]) -> Void = { _ in }
    ) async throws(CoteError) {
        var errors: [UInt8] = []
        while let chunk = await execution.nextOutput() {
            if chunk.isError { errors += chunk.bytes } else { receive(chunk.bytes) }
        }
        try await Self.check(execution, errors)
    }

    /// The transfer's last line on stderr is `CODE: MESSAGE` when it failed.
    private static func check(_ execution: Execution, _ errors: [UInt8]) async throws(CoteError) {
        let result = try await execution.wait()
        guard result.shellCode != 0 else { return }
        let line = String(decoding: errors.suffix(2048), as: UTF8.self).split(separator: "\n").last ?? "no reason given"
        let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
        if parts.count == 2, let code = ErrorCode(rawValue: parts[0]) { throw CoteError(code, parts[1]) }
        throw CoteError(.fileOperationFailed, String(line))
    }
}

/// A line of a listing as the agent writes it.
private struct Listed: Decodable {
    var name: String
    var type: SandboxFiles.Entry.Kind
    var size: UInt64
    var mode: UInt32
    var mtime: Double
    var target: String?
    var encoding: String?
    var targetEncoding: String?

    private enum CodingKeys: String, CodingKey {
        case name, type, size, mode, mtime, target, encoding
        case targetEncoding = "target_encoding"
    }

    var entry: SandboxFiles.Entry {
        SandboxFiles.Entry(
            name: Self.text(name, encoding), type: type, size: size, mode: mode, mtime: mtime,
            target: target.map { Self.text($0, targetEncoding) })
    }

    private static func text(_ text: String, _ encoding: String?) -> String {
        guard encoding == "base64", let data = Data(base64Encoded: text) else { return text }
        return String(decoding: data, as: UTF8.self)
    }
}
