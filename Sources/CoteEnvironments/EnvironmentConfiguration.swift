/// Where environments are kept and what may be used to make them. All paths are absolute.
public struct EnvironmentConfiguration: Hashable, Sendable {
    /// `$COTE_HOME`
    public var home: String
    /// `$COTE_RUNTIME`
    public var runtime: String
    /// Where `cote-unpack` and `cote-registry` are.
    public var programs: String
    /// Where `mkfs.erofs` is looked for. Only the operator's own choice: never `PATH`.
    public var binaryDirectories: [String]
    /// First of the 65,536 ids out here that are ids from 0 on to whoever decodes images.
    public var workerBase: UInt32
    /// Whether this process may mount block devices; else roots are plain directories.
    public var mountsImages: Bool

    /// Takes everything as given.
    public init(
        home: String, runtime: String, programs: String, binaryDirectories: [String], workerBase: UInt32,
        mountsImages: Bool
    ) {
        self.home = home
        self.runtime = runtime
        self.programs = programs
        self.binaryDirectories = binaryDirectories
        self.workerBase = workerBase
        self.mountsImages = mountsImages
    }
}
