import CoteEngine
import CoteModel
public import CoteSystem
import Glibc

/// What one run of the `cote` program gave.
public struct ProgramResult: Sendable {
    /// Its exit code, or 128 plus the signal that ended it.
    public var code: Int32
    /// All of stdout as text.
    public var output: String
    /// All of stderr.
    public var errors: String
    /// All of stdout as it came.
    public var bytes: [UInt8]
}

extension Workbench {
    /// Runs this build's `cote` with this workbench's state, waiting for its end on a thread of its own.
    /// - Parameter environment: on top of what the program needs to find its state; this process's is not inherited.
    public func cote(
        _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
    ) async throws -> ProgramResult {
        let own = [
            "COTE_HOME": home, "COTE_RUNTIME": runtime, "COTE_LIBEXEC": configuration.programs,
            "COTE_BINARIES": configuration.binaryDirectories.joined(separator: ":"),
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        ]
        let variables = own.merging(environment) { $1 }.map { "\($0.key)=\($0.value)" }
        var request = SpawnRequest(Self.builtPrograms + "/cote", ["cote"] + arguments, environment: variables)
        request.directory = "/"
        return try await run(request, input: input)
    }

    /// Runs any program to its end.
    public func run(_ request: SpawnRequest, input: [UInt8] = []) async throws -> ProgramResult {
        let places = ["in", "out", "err"].map { "\(directory)/\($0)-\(SandboxID.random())" }
        defer { for place in places { try? Files.remove(place) } }
        try Files.create(places[0], input)
        var request = request
        let files = try places.enumerated().map { index, place in
            let flags = index == 0 ? O_RDONLY : O_WRONLY | O_CREAT
            return SharedDescriptor(try Descriptor.open(place, flags, mode: 0o600))
        }
        request.descriptors = files.map { $0.descriptor.raw }
        let status = try await Self.waited(request)
        let output = try Files.read(places[1], limit: 1 << 30)
        let errors = try Files.readText(places[2], limit: 1 << 24)
        let code: Int32 =
            switch status {
            case .exited(let code): code
            case .signaled(let signal): 128 + signal
            }
        return ProgramResult(code: code, output: String(decoding: output, as: UTF8.self), errors: errors, bytes: output)
    }

    private static func waited(_ request: SpawnRequest) async throws -> ExitStatus {
        let child = Running(try request.run())
        return try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Result { try child.process.wait() }) }
            do { try thread.start() } catch { continuation.resume(throwing: error) }
        }
    }

    private final class Running: Sendable {
        let process: ChildProcess
        init(_ process: consuming ChildProcess) { self.process = process }
    }
}
