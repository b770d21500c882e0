import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Foundation
import Glibc
import Testing

/// A real `cote-registry` on one request.
final class Errand: Sendable {
    let pid: Int32
    private let process: ChildProcess
    private let place: String

    /// What it said, and how it ended.
    struct Outcome: Sendable {
        var events: [RegistryEvent]
        var status: CoteSystem.ExitStatus
        var log: String
        /// All that it said, as it came.
        var text: String

        var isDone: Bool { events.last == .done }
        var refusal: RegistryRefusal? { if case .failed(let reason, _)? = events.last { reason } else { nil } }
        var message: String { if case .failed(_, let message)? = events.last { message } else { "" } }
        var manifest: (mediaType: String, size: UInt64, digest: Digest)? {
            for case .manifest(let type, let size, let digest) in events { return (type, size, digest) }
            return nil
        }
    }

    /// Bytes of memory of its own that it may have, whatever it is sent.
    private static let memory: UInt64 = 256 << 20
    /// Whom it runs as where the test may choose.
    private static let nobody: UInt32 = 3_999_999

    /// Starts it with `files` as its descriptors 3 and on.
    init(
        _ scene: Scene, _ request: RegistryRequest, _ files: [SharedDescriptor] = [], environment: [String] = []
    ) throws {
        place = scene.path("errand-\(SandboxID.random())")
        try Files.create(place + ".in", Array(try JSONEncoder().encode(request)))
        let input = try Descriptor.open(place + ".in", O_RDONLY)
        let output = try Descriptor.open(place + ".out", O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        let log = try Descriptor.open(place + ".log", O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        var spawn = SpawnRequest(Self.program, ["cote-registry"], environment: environment)
        spawn.descriptors = [input.raw, output.raw, log.raw] + files.map { $0.descriptor.raw }
        spawn.directory = "/"
        spawn.limits = [ResourceLimit(resource: CommandResource.data.rawValue, soft: Self.memory, hard: Self.memory)]
        if geteuid() == 0 { spawn.credentials = Credentials(user: Self.nobody, group: Self.nobody) }
        process = try spawn.run()
        pid = process.pid
    }

    static let program = Workbench.builtPrograms + "/cote-registry"

    func kill() { process.signal(SIGKILL) }

    func wait() async throws -> Outcome {
        let status = try await Self.status { try self.process.wait() }
        let text = try Files.readText(place + ".out", limit: 1 << 26)
        let events = text.split(separator: "\n").compactMap { line in
            try? JSONDecoder().decode(RegistryEvent.self, from: Data(line.utf8))
        }
        return Outcome(
            events: events, status: status, log: try Files.readText(place + ".log", limit: 1 << 20), text: text)
    }

    /// Starts one and waits for its end.
    static func run(
        _ scene: Scene, _ request: RegistryRequest, _ files: [SharedDescriptor] = [], environment: [String] = []
    ) async throws -> Outcome {
        try await Errand(scene, request, files, environment: environment).wait()
    }

    /// Waits for a process on a thread that may block.
    static func collect(_ process: consuming ChildProcess) async throws -> CoteSystem.ExitStatus {
        let running = Running(process)
        return try await status { try running.process.wait() }
    }

    private static func status(
        _ wait: @escaping @Sendable () throws -> CoteSystem.ExitStatus
    ) async throws -> CoteSystem.ExitStatus {
        try await withCheckedThrowingContinuation { continuation in
            let thread = CoteSystem.Thread { continuation.resume(with: Result { try wait() }) }
            do { try thread.start() } catch { continuation.resume(throwing: error) }
        }
    }

    private final class Running: Sendable {
        let process: ChildProcess
        init(_ process: consuming ChildProcess) { self.process = process }
    }
}

extension RegistryRequest {
    /// Of the repository `team/app`; patient enough for a busy machine, and quick to give up.
    static func test(
        _ registry: String, _ work: Work, credentials: Credentials? = nil, repository: String = "team/app",
        change: (inout Options) -> Void = { _ in }
    ) -> RegistryRequest {
        var options = Options(connectSeconds: 5, idleSeconds: 10, attempts: 2, isPlain: true)
        change(&options)
        return RegistryRequest(
            registry: registry, repository: repository, credentials: credentials, options: options, work: work)
    }

    static func resolve(_ registry: String, _ reference: String = "1") -> RegistryRequest {
        test(registry, .resolve(reference: reference, into: 3))
    }
}

extension RegistryRequest.Blob {
    init(_ bytes: [UInt8], present: UInt64 = 0, descriptor: CInt = 3) {
        self.init(digest: .of(bytes), size: UInt64(bytes.count), present: present, descriptor: descriptor)
    }
}
