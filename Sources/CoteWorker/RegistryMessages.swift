public import CoteModel

/// What `cote` asks of `cote-registry`, the program that speaks HTTP and TLS without privilege. Comes on its stdin,
/// credentials with it: never in an argument or a variable. Descriptors are the worker's own, from 3 on.
public struct RegistryRequest: Codable, Sendable {
    /// What to do, each with the descriptors it works on.
    public enum Work: Codable, Sendable {
        /// Fetches the manifest or index that `reference` names, a tag or a digest, and makes it a file's content.
        case resolve(reference: String, into: CInt)
        /// Fetches blobs, several at once, each into a file that may have its beginning. What a failure leaves in the
        /// files is a beginning too, though not one that is checked.
        case pull([Blob])
        /// Sends what the registry lacks of the blobs, then the manifests in order.
        case push([Blob], manifests: [Manifest])
    }

    /// A blob and the file that it is in, or shall be.
    public struct Blob: Codable, Sendable {
        /// What it is known by.
        public var digest: Digest
        /// All of its bytes; not one more is taken.
        public var size: UInt64
        /// How many of them the file has already.
        public var present: UInt64
        /// A regular file: open for reading and writing when pulling, for reading when pushing.
        public var descriptor: CInt

        /// A blob as a manifest describes it.
        public init(digest: Digest, size: UInt64, present: UInt64 = 0, descriptor: CInt) {
            self.digest = digest
            self.size = size
            self.present = present
            self.descriptor = descriptor
        }
    }

    /// A manifest to send.
    public struct Manifest: Codable, Sendable {
        /// What it is known by.
        public var digest: Digest
        /// The media type that the registry is told.
        public var mediaType: String
        /// Under which tag, or only under its digest.
        public var tag: String?
        /// Open for reading; less than 4 MiB.
        public var descriptor: CInt

        /// All as it is stored.
        public init(digest: Digest, mediaType: String, tag: String?, descriptor: CInt) {
            self.digest = digest
            self.mediaType = mediaType
            self.tag = tag
            self.descriptor = descriptor
        }
    }

    /// Whom the registry is told that this is.
    public enum Credentials: Codable, Sendable {
        case password(user: String, password: String)
        /// A token that is exchanged for others, as Docker's credential file calls it.
        case identityToken(String)
    }

    /// How patient, and in what pieces.
    public struct Options: Codable, Sendable {
        /// Seconds until a connection must stand.
        public var connectSeconds: UInt32
        /// Seconds after which a request that has moved next to nothing is tried again, and the longest pause before
        /// that.
        public var idleSeconds: UInt32
        /// Tries of each request, with growing pauses between them.
        public var attempts: UInt32
        /// Bytes of each piece of an upload; `UInt64.max` for all in one.
        public var chunkSize: UInt64
        /// Blobs at once, 1 to 16.
        public var parallel: UInt32
        /// Speaks HTTP instead of HTTPS.
        public var isPlain: Bool

        /// Thirty seconds to connect and without a byte, five tries, pieces of 8 MiB, four blobs at once, HTTPS.
        public init(
            connectSeconds: UInt32 = 30, idleSeconds: UInt32 = 30, attempts: UInt32 = 5, chunkSize: UInt64 = 8 << 20,
            parallel: UInt32 = 4, isPlain: Bool = false
        ) {
            self.connectSeconds = connectSeconds
            self.idleSeconds = idleSeconds
            self.attempts = attempts
            self.chunkSize = chunkSize
            self.parallel = parallel
            self.isPlain = isPlain
        }
    }

    /// `host` or `host:port`, as it is connected to.
    public var registry: String
    /// The name in the registry, such as `library/debian`.
    public var repository: String
    /// `nil`: anonymous.
    public var credentials: Credentials?
    /// How patient, and in what pieces.
    public var options: Options
    /// What to do.
    public var work: Work

    /// A request for one worker, which ends when it is done.
    public init(
        registry: String, repository: String, credentials: Credentials?, options: Options, work: Work
    ) {
        self.registry = registry
        self.repository = repository
        self.credentials = credentials
        self.options = options
        self.work = work
    }
}

/// What `cote-registry` says, a line each; `done` and `failed` are last words.
public enum RegistryEvent: Codable, Sendable, Equatable {
    /// The manifest is in its file: as many bytes, with this digest, which is the one asked for or claimed by the
    /// registry where there is one. The type is what the registry says, in lower case and without parameters; empty
    /// where it says none.
    case manifest(mediaType: String, size: UInt64, digest: Digest)
    /// Bytes of a blob that are here, or there, now and then.
    case progress(digest: Digest, bytes: UInt64)
    /// All of a blob is here, or there. `wasPresent`: the registry had it before.
    case blob(digest: Digest, wasPresent: Bool)
    /// All of it is done.
    case done
    /// One line, which names the registry, the repository and the tag or digest.
    case failed(reason: RegistryRefusal, message: String)
}

/// Why a registry did not give or take something. Stable names.
public enum RegistryRefusal: String, Codable, Sendable, CaseIterable, Error {
    /// No connection, or none that lasts, after all tries.
    case unreachable
    /// It did not answer, or went silent, in time, in all tries.
    case timeout
    /// Wrong or missing credentials.
    case denied
    case notFound = "not-found"
    /// 429 in all tries.
    case tooManyRequests = "too-many-requests"
    /// 5xx in all tries.
    case serverFailed = "server-failed"
    /// More or fewer bytes than announced, or another digest.
    case wrongContent = "wrong-content"
    /// A manifest above the limit.
    case tooLarge = "too-large"
    /// Too many redirects, or to where none may lead.
    case badRedirect = "bad-redirect"
    /// An answer that the protocol does not have.
    case badAnswer = "bad-answer"
    case certificate
    /// This host could not read or write a file.
    case localFile = "local-file"
}
