import CoteContent
import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Glibc
import Synchronization
import Testing

/// A directory and the servers of one test, all gone at its end.
final class Scene: Sendable {
    /// `/tmp/cote-test-…`, which others may enter, because the worker runs as somebody else.
    let directory: String
    private let endings = Mutex<[@Sendable () -> Void]>([])

    private init() throws {
        directory = "/tmp/cote-test-\(SandboxID.random())"
        try Files.makeDirectory(directory, mode: 0o755)
    }

    static func with<Value>(_ body: (Scene) async throws -> Value) async throws -> Value {
        await places.enter()
        defer { places.leave() }
        let scene = try Scene()
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await body(scene)) } catch { outcome = .failure(error) }
        scene.close()
        return try outcome.get()
    }

    /// Time-outs are part of what is tested, so not everything runs at once.
    private static let places = Turnstile(6)

    /// Runs when the scene is over, the last first.
    func atEnd(_ body: @escaping @Sendable () -> Void) { endings.withLock { $0.append(body) } }

    private func close() {
        for body in endings.withLock({ $0 }).reversed() { body() }
        for pid in (try? Files.list("/proc")) ?? [] where Int(pid) != nil {
            let line = (try? Files.readText("/proc/\(pid)/cmdline")) ?? ""
            if line.contains(directory) { Issue.record("left behind: process \(pid) \(line)") }
        }
        try? Files.removeTree(directory)
    }

    /// A file of this scene.
    func path(_ name: String) -> String { directory + "/" + name }

    /// Creates a file, open for reading and writing.
    func file(_ name: String, _ bytes: [UInt8] = []) throws -> SharedDescriptor {
        try Files.create(path(name), mode: 0o600, bytes)
        return SharedDescriptor(try Descriptor.open(path(name), O_RDWR))
    }

    func content(_ name: String) throws -> [UInt8] { try Files.read(path(name), limit: 1 << 30) }

    /// Runs a tool to its end, and fails the test if the tool fails.
    @discardableResult
    func tool(_ arguments: [String]) async throws -> [UInt8] {
        let output = path("tool-\(SandboxID.random())")
        let nothing = try Descriptor.open("/dev/null", O_RDWR)
        let file = try Descriptor.open(output, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        let errors = try Descriptor.open(output + ".err", O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        var request = SpawnRequest(
            arguments[0], arguments, environment: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + directory])
        request.descriptors = [nothing.raw, file.raw, errors.raw]
        request.directory = directory
        let status = try await Errand.collect(try request.run())
        let said = (try? Files.readText(output + ".err")) ?? ""
        try #require(status == .exited(0), "\(arguments.joined(separator: " ")): \(said)")
        return try Files.read(output, limit: 1 << 30)
    }
}

extension Digest {
    static func of(_ bytes: [UInt8]) -> Digest { ContentHash.digest(of: bytes) }
}
