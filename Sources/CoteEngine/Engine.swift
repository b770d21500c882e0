public import CoteModel
import CoteContent
import CoteEnvironments
import CoteSystem
import CoteVolumes
import CoteWire

/// Cote as a library: sandboxes on this machine, created, used and removed from Swift.
///
/// An engine may be used from any number of tasks. Sandboxes belong to the machine, not to the engine: they outlive
/// the program, and another program, or the `cote` command, sees the same ones.
///
/// ```swift
/// let engine = try Engine()
/// let sandbox = try await engine.create(SandboxRequest(environment: "host"))
/// let result = try await sandbox.run(Command(["uname", "-a"]))
/// try await sandbox.remove()
/// ```
public final class Engine: Sendable {
    /// As given, or as the environment implied.
    public let configuration: EngineConfiguration
    let store: Store
    let loop: EngineLoop
    let launcher: KeeperLauncher
    let environments: EnvironmentStore

    /// - Throws: `usage` when the environment gives no place for state.
    public convenience init() throws(CoteError) { try self.init(EngineConfiguration.standard()) }

    /// Starts the thread that all connections share; nothing on disk is looked at yet. From here on a broken pipe is an
    /// error of `write` in this program, not a signal.
    /// - Throws: `internal` when the process is out of descriptors or threads.
    public init(_ configuration: EngineConfiguration) throws(CoteError) {
        ignoreBrokenPipes()
        self.configuration = configuration
        store = Store(configuration: configuration)
        launcher = KeeperLauncher(configuration: configuration, store: store)
        environments = EnvironmentStore(configuration.environments)
        loop = try EngineLoop()
    }

    // MARK: Creating

    /// Creates a sandbox and waits until commands can run in it.
    /// - Throws: `sandboxDied` with the reason when it does not come up; nothing is left of it then.
    public func create(_ request: SandboxRequest) async throws(CoteError) -> Sandbox {
        let sandbox = try await launch(request, isOneShot: false)
        do { try await sandbox.ready() } catch {
            await sandbox.process?.ended(on: loop)
            store.forget(sandbox.id)
            try? Files.removeTree(store.journal(sandbox.id))
            // The error's own hint leads to the journal, which is gone.
            throw CoteError(error.code, error.message, hint: "cote doctor says what works here")
        }
        return sandbox
    }

    /// Runs one command in a sandbox of its own, which ends with the command or with this program.
    ///
    /// `body` gets the command as soon as it has been asked for; what it returns is returned once the sandbox is gone.
    /// Its journal stays.
    public func run<Value: Sendable>(
        _ command: Command, in request: SandboxRequest,
        _ body: (SandboxID, Execution) async throws(CoteError) -> Value
    ) async throws(CoteError) -> Value {
        let sandbox = try await launch(request, isOneShot: true)
        let outcome: Result<Value, CoteError>
        do throws(CoteError) {
            let execution = try sandbox.start(command)
            outcome = .success(try await body(sandbox.id, execution))
        } catch {
            outcome = .failure(error)
        }
        sandbox.connection.send(.stop, payload: Self.milliseconds(0))
        let end = await sandbox.connection.wait { !$0.isAlive }
        await sandbox.process?.ended(on: loop)
        store.forget(sandbox.id)
        if case .failure = outcome, end.phase == .died { throw CoteError.died(sandbox.id, end) }
        return try outcome.get()
    }

    /// Everything up to the boot request; on failure nothing is left.
    private func launch(_ request: SandboxRequest, isOneShot: Bool) async throws(CoteError) -> Sandbox {
        try Privilege.require()
        var (wanted, runtime) = try resolve(request, isOneShot: isOneShot)
        try store.prepare()
        let root = try await root(named: request.environment)
        wanted.image = root?.use
        try HostLimits.prepare(wanted.limits)
        return try launch(wanted, root, runtime: runtime)
    }

    private func launch(
        _ wanted: SandboxSpec, _ root: EnvironmentRoot?, runtime: String
    ) throws(CoteError) -> Sandbox {
        // Until the sandbox is written down nothing else says that its environment is needed.
        let hold = try root.map { _ throws(CoteError) in try environments.content.hold() }
        defer { withExtendedLifetime(hold) {} }
        var rollback = Rollback()
        let (spec, lock) = try store.create(wanted, &rollback)
        let (attached, volume) = (try attach(root), try store.attachVolume(spec))
        let (connection, process) = try launcher.launch(
            spec, lock, runtime: runtime, root: attached, volume: volume, on: loop)
        rollback.commit()
        return Sandbox(spec, engine: self, connection: connection, process: process)
    }

    /// Checks a request against what exists; the runtime's program is the class's own.
    private func resolve(
        _ request: SandboxRequest, isOneShot: Bool
    ) throws(CoteError) -> (spec: SandboxSpec, runtime: String) {
        guard let sandboxClass = SandboxClass(rawValue: request.sandboxClass) else {
            throw CoteError(.unknownClass, "no class '\(request.sandboxClass)'", hint: "cote class list shows them")
        }
        var name: SandboxName?
        if let text = request.name {
            name = SandboxName(text)
            if name == nil {
                throw CoteError(
                    .usage, "'\(text)' cannot be a name",
                    hint: "use up to 63 of a-z 0-9 . _ - that do not look like an id")
            }
        }
        let limits = HostLimits.resolved(request)
        try check(limits)
        let runtime = try HostClasses(configuration).runtime(of: sandboxClass)
        let spec = SandboxSpec(
            id: .random(), name: name, labels: request.labels, environment: request.environment,
            sandboxClass: sandboxClass, limits: limits, volume: try store.volumes.best(for: limits.disk).kind,
            userBase: 0, isOneShot: isOneShot,
            showsOpt: request.showsOpt, createdAt: SystemClock.wall())
        return (spec, runtime)
    }

    private func check(_ limits: Limits) throws(CoteError) {
        if let memory = limits.memory, memory < Limits.leastMemory {
            throw CoteError(.usage, "--memory \(memory) is less than \(Limits.leastMemory)")
        }
        if let memory = limits.memory, memory > Limits.mostMemory {
            throw CoteError(.usage, "--memory \(memory) is more than \(Limits.mostMemory)")
        }
        if let processes = limits.processes, processes > Limits.mostProcesses {
            throw CoteError(.usage, "--pids \(processes) is more than \(Limits.mostProcesses)")
        }
        if limits.journal < Limits.leastJournal {
            throw CoteError(.usage, "--journal-limit \(limits.journal) is less than \(Limits.leastJournal)")
        }
        if limits.processes == 0 { throw CoteError(.usage, "--pids 0 leaves no process") }
        if let share = limits.milliCPUs, share < 10 { throw CoteError(.usage, "--cpus is less than 0.01") }
    }

    static func milliseconds(_ count: UInt32) -> [UInt8] {
        var writer = PayloadWriter()
        writer.put(count)
        return writer.bytes
    }
}
