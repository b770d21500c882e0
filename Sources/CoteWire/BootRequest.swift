public import CoteModel

/// What a keeper is started with: the sandbox's spec and where everything is on the host. The keeper trusts it: it
/// comes from the program that made the keeper, over a socket nobody else holds.
public struct BootRequest: Equatable, Sendable {
    /// The sandbox to be, its user range chosen.
    public var spec: SandboxSpec
    /// `$COTE_HOME/sandboxes/<id>`
    public var sandboxDirectory: String
    /// `$COTE_HOME/journals/<id>`
    public var journalDirectory: String
    /// `$COTE_RUNTIME/<id>`
    public var runtimeDirectory: String
    /// The agent's program.
    public var agent: String
    /// The OCI runtime's program, verified.
    public var runtime: String
    /// What the root is made of.
    public var root: RootSource
    /// The layer on top, with `upper` and `work` in it.
    public var volume: VolumeSource

    /// Paths are absolute, on the host.
    public init(
        spec: SandboxSpec, sandboxDirectory: String, journalDirectory: String, runtimeDirectory: String,
        agent: String, runtime: String, root: RootSource, volume: VolumeSource
    ) {
        self.spec = spec
        self.sandboxDirectory = sandboxDirectory
        self.journalDirectory = journalDirectory
        self.runtimeDirectory = runtimeDirectory
        self.agent = agent
        self.runtime = runtime
        self.root = root
        self.volume = volume
    }

    /// What a `boot` frame carries; labels, and what an image says of commands, are left out: no keeper needs them.
    public var payload: [UInt8] {
        var writer = PayloadWriter()
        writer.put(spec.id.text)
        writer.put(spec.name?.text) { $0.put($1) }
        writer.put(spec.environment)
        writer.put(spec.sandboxClass.rawValue)
        writer.put(spec.limits.milliCPUs) { $0.put($1) }
        writer.put(spec.limits.memory?.bytes) { $0.put($1) }
        writer.put(spec.limits.processes) { $0.put($1) }
        writer.put(spec.limits.lifetime?.milliseconds) { $0.put($1) }
        writer.put(spec.limits.journal.bytes)
        writer.put(spec.userBase)
        writer.put(spec.isOneShot)
        writer.put(spec.showsOpt)
        writer.put(spec.createdAt)
        writer.put(spec.image) { writer, image in
            writer.put(image.digest.text)
            writer.put(image.volumes)
        }
        for path in [sandboxDirectory, journalDirectory, runtimeDirectory, agent, runtime] { writer.put(path) }
        put(root, &writer)
        put(volume, &writer)
        return writer.bytes
    }

    private func put(_ volume: VolumeSource, _ writer: inout PayloadWriter) {
        switch volume {
        case .directory(let path):
            writer.put(UInt32(0))
            writer.put(path)
        case .device(let path, let type, let options):
            writer.put(UInt32(1))
            for text in [path, type, options] { writer.put(text) }
        }
    }

    private func put(_ root: RootSource, _ writer: inout PayloadWriter) {
        switch root {
        case .host: writer.put(UInt32(0))
        case .device(let path):
            writer.put(UInt32(1))
            writer.put(path)
        case .directory(let path, let userBase):
            writer.put(UInt32(2))
            writer.put(path)
            writer.put(userBase)
        }
    }

    /// Reads a `boot` frame's payload; anything left over is a violation.
    public init(payload: [UInt8]) throws(WireViolation) {
        var reader = PayloadReader(payload, "boot request")
        spec = try Self.spec(&reader)
        sandboxDirectory = try reader.get()
        journalDirectory = try reader.get()
        runtimeDirectory = try reader.get()
        agent = try reader.get()
        runtime = try reader.get()
        root = try Self.root(&reader)
        volume = try Self.volume(&reader)
        try reader.finish()
    }

    private static func volume(_ reader: inout PayloadReader) throws(WireViolation) -> VolumeSource {
        switch try reader.get() as UInt32 {
        case 0: return .directory(try reader.get())
        case 1: return .device(path: try reader.get(), type: try reader.get(), options: try reader.get())
        default: throw reader.violation
        }
    }

    private static func root(_ reader: inout PayloadReader) throws(WireViolation) -> RootSource {
        switch try reader.get() as UInt32 {
        case 0: return .host
        case 1: return .device(try reader.get())
        case 2: return .directory(try reader.get(), userBase: try reader.get())
        default: throw reader.violation
        }
    }

    private static func image(_ reader: inout PayloadReader) throws(WireViolation) -> SandboxImage {
        guard let digest = Digest(try reader.get()) else { throw reader.violation }
        return SandboxImage(digest: digest, volumes: try reader.get())
    }

    private static func spec(_ reader: inout PayloadReader) throws(WireViolation) -> SandboxSpec {
        guard let id = SandboxID(try reader.get()) else { throw reader.violation }
        let nameText = try reader.getOptional { reader throws(WireViolation) in try reader.get() as String }
        let name = nameText.flatMap { SandboxName($0) }
        guard (nameText == nil) == (name == nil) else { throw reader.violation }
        let environment: String = try reader.get()
        guard let sandboxClass = SandboxClass(rawValue: try reader.get()) else { throw reader.violation }
        var limits = Limits()
        limits.milliCPUs = try reader.getOptional { reader throws(WireViolation) in try reader.get() }
        limits.memory = try reader.getOptional { reader throws(WireViolation) in ByteCount(try reader.get()) }
        limits.processes = try reader.getOptional { reader throws(WireViolation) in try reader.get() }
        limits.lifetime = try reader.getOptional { reader throws(WireViolation) in
            TimeSpan(milliseconds: try reader.get())
        }
        limits.journal = ByteCount(try reader.get())
        var spec = SandboxSpec(
            id: id, name: name, environment: environment, sandboxClass: sandboxClass, limits: limits,
            userBase: try reader.get(), isOneShot: try reader.get(), showsOpt: try reader.get(),
            createdAt: try reader.get())
        spec.image = try reader.getOptional { reader throws(WireViolation) in try image(&reader) }
        return spec
    }
}
