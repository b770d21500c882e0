public import CoteContent
public import CoteEnvironments
public import CoteModel
import CoteSystem
import CoteWorker
import Glibc

extension Engine {
    /// The machine's own `/usr`, which is no image.
    static let hostEnvironment = "host"

    // MARK: For sandboxes

    /// Makes the root of an environment, so that its next sandbox starts at once. Does nothing where it is there.
    /// - Throws: `unknownEnvironment`, `missingContent`, `badImage`, `diskFull`.
    public func prepare(
        environment: String, progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) async throws(CoteError) {
        _ = try await root(named: environment, progress: progress)
    }

    /// `nil` for `host`.
    func root(
        named name: String, progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) async throws(CoteError) -> EnvironmentRoot? {
        if name == Self.hostEnvironment { return nil }
        return try await root(of: try environments.resolve(name), progress: progress)
    }

    func root(
        of digest: Digest?, progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) async throws(CoteError) -> EnvironmentRoot? {
        guard let digest else { return nil }
        if let root = environments.sound(digest) { return root }
        return try await offThread { environments throws(CoteError) in
            try environments.root(of: digest, progress: progress)
        }
    }

    func attach(_ root: EnvironmentRoot?) throws(CoteError) -> AttachedRoot {
        try root.map { root throws(CoteError) in try environments.attach(root) } ?? .host
    }

    // MARK: For people

    /// Brings an image from files of this machine, see `ImportRequest`.
    public func importEnvironment(
        _ request: ImportRequest, progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) async throws(CoteError) -> EnvironmentSummary {
        try await offThread { environments throws(CoteError) in try environments.bring(request, progress: progress) }
    }

    /// Fetches an image from a registry. Its root is made when the first sandbox needs it.
    /// - Parameters:
    ///   - text: as `ImageReference` reads it.
    ///   - name: what to call it; `nil`: as the reference.
    public func pullEnvironment(
        _ text: String, name: String? = nil, options: RegistryOptions = RegistryOptions(),
        progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) async throws(CoteError) -> EnvironmentSummary {
        let reference = try ImageReference(parsing: text)
        let access = try options.access(reference)
        return try await offThread { environments throws(CoteError) in
            try environments.pull(reference, name: name, access, progress: progress)
        }
    }

    /// Sends an environment to a registry.
    /// - Parameter target: as `ImageReference` reads it; `nil`: the environment's own name.
    public func pushEnvironment(
        _ name: String, to target: String? = nil, options: RegistryOptions = RegistryOptions(),
        progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) async throws(CoteError) {
        let reference = try ImageReference(parsing: target ?? name)
        let access = try options.access(reference)
        try await offThread { environments throws(CoteError) in
            try environments.push(try environments.resolve(name), to: reference, access, progress: progress)
        }
    }

    /// Every named environment, by name.
    public func listEnvironments() -> [EnvironmentSummary] { environments.list() }

    /// What `listEnvironments` has and is stored for it all, in bytes.
    public func contentUsage() -> ContentUsage { environments.content.usage() }

    /// The environment that a name, a digest or the beginning of one means.
    public func showEnvironment(_ name: String) throws(CoteError) -> EnvironmentSummary { try environments.show(name) }

    /// Hashes all that environments consist of and repairs what has changed, see `VerifyReport`.
    /// - Parameters:
    ///   - names: all where empty.
    ///   - source: a layout or archive to repair from, before the place where each came from.
    public func verifyEnvironments(
        _ names: [String], source: String? = nil, options: RegistryOptions = RegistryOptions(),
        progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) async throws(CoteError) -> VerifyReport {
        try await offThread { environments throws(CoteError) in
            try environments.verify(
                names, source: source, access: { reference throws(CoteError) in try options.access(reference) },
                progress: progress)
        }
    }

    /// Takes a name away. What it meant stays as long as a name or a sandbox needs it, until `prune`.
    /// - Returns: what had the name; for a digest, all names of it are gone.
    public func removeEnvironment(_ name: String) throws(CoteError) -> [EnvironmentSummary] {
        try environments.unname(name)
    }

    /// - Parameter gone: sandboxes that count as removed.
    func pruneEnvironments(dryRun: Bool, gone: Set<SandboxID>) -> CollectReport {
        let none = CollectReport()
        guard Files.exists(environments.content.directory) else { return none }
        do throws(CoteError) {
            return try environments.collect(dryRun: dryRun) { () throws(CoteError) in
                var used: Set<Digest> = []
                for id in store.ids() where !gone.contains(id) {
                    do throws(CoteError) { if let image = try store.spec(id).image { used.insert(image.digest) } } catch
                    {
                        // One whose creator died before it wrote down what it is needs nothing.
                        if error.code != .unknownSandbox { throw error }
                    }
                }
                return used
            }
        } catch {
            var report = none
            report.problem = error.message
            return report
        }
    }

    /// Does what blocks on a thread of its own.
    private func offThread<Value: Sendable>(
        _ body: @escaping @Sendable (EnvironmentStore) throws(CoteError) -> Value
    ) async throws(CoteError) -> Value {
        let environments = environments
        let outcome: Result<Value, CoteError> = await withCheckedContinuation { continuation in
            let thread = Thread {
                do throws(CoteError) {
                    try Privilege.require()
                    try environments.prepare()
                    continuation.resume(returning: .success(try body(environments)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            do { try thread.start() } catch {
                continuation.resume(returning: .failure(CoteError(.internal, "\(error)")))
            }
        }
        return try outcome.get()
    }
}

/// How to speak with registries.
public struct RegistryOptions: Hashable, Sendable {
    /// Bytes of each piece of an upload.
    public var chunkSize: ByteCount
    /// Time without a byte, or to connect, after which a request is tried again.
    public var timeout: TimeSpan
    /// Tries of each request.
    public var attempts: UInt32
    /// Speaks HTTP; a registry of this machine is spoken to so in any case.
    public var isPlain: Bool

    /// Pieces of 8 MiB, thirty seconds, five tries, HTTPS.
    public init(
        chunkSize: ByteCount = .mebibytes(8), timeout: TimeSpan = .seconds(30), attempts: UInt32 = 5,
        isPlain: Bool = false
    ) {
        self.chunkSize = chunkSize
        self.timeout = timeout
        self.attempts = attempts
        self.isPlain = isPlain
    }

    /// With the credentials that the user's files have for the registry.
    func access(_ reference: ImageReference) throws(CoteError) -> RegistryAccess {
        let seconds = UInt32(clamping: max(1, timeout.milliseconds / 1000))
        let options = RegistryRequest.Options(
            connectSeconds: seconds, idleSeconds: seconds, attempts: max(1, attempts),
            chunkSize: max(1 << 16, chunkSize.bytes), isPlain: isPlain)
        let names = ["HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"]
        let environment = Dictionary(
            uniqueKeysWithValues: names.compactMap { name in getenv(name).map { (name, String(cString: $0)) } })
        let found = try RegistryCredentials.find(for: reference, environment: environment)
        let credentials: RegistryRequest.Credentials? =
            switch found {
            case .password(let user, let password): .password(user: user, password: password)
            case .identityToken(let token): .identityToken(token)
            case nil: nil
            }
        return RegistryAccess(options: options, credentials: credentials)
    }
}
