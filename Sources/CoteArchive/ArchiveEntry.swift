package import Glibc

/// One member of a tar archive, as its headers together describe it.
package struct ArchiveEntry: Sendable {
    package enum Kind: Equatable, Sendable {
        case regular, directory, fifo
        /// To any target, which is `link`.
        case symbolicLink
        /// To an earlier member, whose path is `link`.
        case hardLink
    }

    package var kind: Kind
    /// A directory's ends without a slash here; the root itself is empty.
    package var path: FilePath
    package var link = FilePath("")
    /// Bytes of content; 0 for everything but a regular file. Where `data` is given, they are not all in the archive.
    package var size: UInt64 = 0
    /// Permission bits.
    package var mode: UInt32
    package var user: UInt32 = 0
    package var group: UInt32 = 0
    package var modified: timespec
    /// Extended attributes, in order.
    package var attributes: [ArchiveAttribute] = []
    /// Where the content is that the archive has; zeros are between. `nil`: it has all of it.
    package var data: [ArchiveExtent]?

    package init(
        kind: Kind, path: FilePath, mode: UInt32, modified: timespec
    ) {
        self.kind = kind
        self.path = path
        self.mode = mode
        self.modified = modified
    }
}

/// An extended attribute of a file.
package struct ArchiveAttribute: Equatable, Sendable {
    package var name: String
    package var value: [UInt8]

    package init(name: String, value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// A piece of a sparse file that an archive has.
package struct ArchiveExtent: Equatable, Sendable {
    package var offset: UInt64
    package var length: UInt64

    package init(offset: UInt64, length: UInt64) {
        self.offset = offset
        self.length = length
    }
}
