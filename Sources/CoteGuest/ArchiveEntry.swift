import Glibc

/// One member of a tar archive, as its headers together describe it.
struct ArchiveEntry {
    enum Kind: Equatable {
        case regular, directory
        /// To any target, which is `link`.
        case symbolicLink
        /// To an earlier member, whose path is `link`.
        case hardLink
    }

    var kind: Kind
    /// A directory's ends without a slash here; the root itself is empty.
    var path: FilePath
    var link = FilePath("")
    /// Bytes that follow; 0 for everything but a regular file.
    var size: UInt64 = 0
    /// Permission bits.
    var mode: UInt32
    var user: UInt32 = 0
    var group: UInt32 = 0
    var modified: timespec
}
