import CoteModel
import CoteSystem
import FoundationEssentials
import Glibc

/// What was made of an image, beside it as `environment.json`, written last.
struct EnvironmentRecord: Codable, Hashable {
    enum Form: String, Codable {
        /// `image.erofs`
        case erofs
        /// `root/`
        case directory
    }

    var digest: Digest
    var form: Form
    /// Of the erofs image; `nil` for a directory.
    var file: FileIdentity?
    /// Bytes on disk.
    var size: UInt64
    /// The ids that owners have in a directory, from here on; owners in an image begin with 0.
    var userBase: UInt32
    /// What the image says of sandboxes, so that starting one reads nothing else.
    var use: SandboxImage

    static let name = "environment.json"
    static let imageName = "image.erofs"
    static let rootName = "root"

    static func read(_ directory: String) -> EnvironmentRecord? {
        guard let bytes = try? Files.read("\(directory)/\(name)") else { return nil }
        return try? JSONDecoder().decode(EnvironmentRecord.self, from: Data(bytes))
    }

    func write(_ directory: String) throws(SystemError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // INVARIANT: strings and numbers always encode.
        let bytes = (try? encoder.encode(self)).map { Array($0) } ?? []
        try Files.replace("\(directory)/\(Self.name)", bytes)
    }
}

/// Which file something was written to, and when: enough to know it again in a directory that nobody else may enter.
struct FileIdentity: Codable, Hashable {
    var inode: UInt64
    var size: UInt64
    /// Nanoseconds since 1970, when the file last changed in any way.
    var changedAt: UInt64
    /// What was written. A file is hashed again before use where the rest does not tell it any more.
    var digest: Digest
    /// The boot in which its bytes were last known to be right. A power cut may take what was not on the disk yet.
    var boot: String

    static var currentBoot: String {
        ((try? Files.readText("/proc/sys/kernel/random/boot_id", limit: 64)) ?? "").trimmed
    }

    init(_ status: stat, digest: Digest, boot: String = currentBoot) {
        inode = UInt64(status.st_ino)
        size = UInt64(clamping: status.st_size)
        changedAt = UInt64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ UInt64(status.st_ctim.tv_nsec)
        self.digest = digest
        self.boot = boot
    }

    /// Whether the file is the one, unchanged since it was known to be right.
    func isStill(_ status: stat) -> Bool { FileIdentity(status, digest: digest) == self }
}

extension String {
    fileprivate var trimmed: String { String(prefix { !$0.isNewline }) }
}
