public import CoteModel

/// What `cote` asks of `cote-unpack`, the program that decodes archives and layers without privilege and network.
/// Descriptors are the worker's own, from 3 on.
public struct UnpackRequest: Codable, Sendable {
    /// What to do, each with the descriptors it works on.
    public enum Work: Codable, Sendable {
        /// Applies OCI layers in order to an empty directory. Owners are those of the archives, in the worker's ids.
        case layers([Layer], into: CInt)
        /// Writes the members of an OCI or Docker archive that an image consists of to an empty directory.
        case archive(CInt, into: CInt)
        /// Writes a directory as one uncompressed layer, the same bytes for the same tree.
        case pack(CInt, into: CInt)
        /// Makes an erofs image of a directory by `program`, the same bytes for the same tree.
        case image(CInt, into: CInt, program: String)
        /// Says what a layer's uncompressed bytes are, and writes nothing.
        case measure(Layer)
        /// Removes all that is in a directory.
        case clear(CInt)
    }

    /// A layer as the manifest describes it.
    public struct Layer: Codable, Sendable {
        /// Open for reading, at its start; compressed by gzip or zstd, or not, which its first bytes say.
        public var descriptor: CInt
        /// Bytes of it as it is stored.
        public var size: UInt64
        /// What the image's configuration says its uncompressed bytes are; `nil` where nothing does.
        public var diffID: Digest?

        /// All as the manifest has it.
        public init(descriptor: CInt, size: UInt64, diffID: Digest?) {
            self.descriptor = descriptor
            self.size = size
            self.diffID = diffID
        }
    }

    /// Past these an image is refused as a bomb.
    public struct Bounds: Codable, Sendable {
        /// Uncompressed bytes of all layers.
        public var bytes: UInt64
        /// Members of all layers.
        public var entries: UInt64

        /// 64 GiB and four million members, more than any honest image has.
        public init(bytes: UInt64 = 64 << 30, entries: UInt64 = 4 << 20) {
            self.bytes = bytes
            self.entries = entries
        }
    }

    /// What to do.
    public var work: Work
    /// The id outside that is the worker's root, 65,536 of them from there on; `nil` leaves the worker whom it is.
    public var userBase: UInt32?
    /// How much is too much.
    public var bounds: Bounds

    /// A request for one worker, which ends when it is done.
    public init(_ work: Work, userBase: UInt32?, bounds: Bounds = Bounds()) {
        self.work = work
        self.userBase = userBase
        self.bounds = bounds
    }
}

/// What `cote-unpack` says, a line each; `done`, `refused` and `failed` are last words.
public enum UnpackEvent: Codable, Sendable, Equatable {
    /// Uncompressed bytes handled since the start, now and then.
    case progress(bytes: UInt64)
    /// A layer has been applied, and its uncompressed bytes are these.
    case layer(index: Int, diffID: Digest, bytes: UInt64)
    /// All of it is done.
    case done
    /// The input is not what it must be. `entry` is the member's name, as it may be shown; empty for the whole.
    case refused(layer: Int?, entry: String, reason: UnpackRefusal, detail: String)
    /// The host could not do it; an `errno` and what was tried.
    case failed(code: CInt, doing: String)
}

/// Why an archive, a layer or a member of one is not taken. Stable names.
public enum UnpackRefusal: String, Codable, Sendable, CaseIterable, Error {
    case absolutePath = "absolute-path"
    case parentPath = "parent-path"
    case linkLeaves = "link-leaves"
    case throughLink = "through-link"
    case deviceNode = "device-node"
    case unknownKind = "unknown-kind"
    case longName = "long-name"
    case badName = "bad-name"
    case duplicate
    case reservedName = "reserved-name"
    case sizeLie = "size-lie"
    case badHeader = "bad-header"
    case truncated
    case badCompression = "bad-compression"
    case trailingData = "trailing-data"
    case bomb
    case tooManyEntries = "too-many-entries"
    case badOwner = "bad-owner"
    case badAttribute = "bad-attribute"
    case badSparse = "bad-sparse"
    case badWhiteout = "bad-whiteout"
    case wrongDigest = "wrong-digest"
    case mountPoint = "mount-point"
    case notAnImage = "not-an-image"
}
