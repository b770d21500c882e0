import CoteModel
import CoteSystem
import Glibc
import Synchronization
import Testing

/// Debian's `docker-registry` on loopback, with its data in the scene's directory.
struct RealRegistry: Sendable {
    enum Access: Sendable {
        case anonymous
        /// A file of `htpasswd`.
        case basic(String)
        /// A token service and the certificate that its tokens are signed with.
        case token(realm: String, certificate: String)
    }

    let port: UInt16
    var host: String { "127.0.0.1:\(port)" }
    static let program = "/usr/bin/docker-registry"

    /// - Parameter certificate: of the server, with its key; plain HTTP where absent.
    static func start(
        _ scene: Scene, _ access: Access = .anonymous, certificate: (certificate: String, key: String)? = nil
    ) async throws -> RealRegistry {
        let name = "registry-\(SandboxID.random())"
        var text = "version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\n"
        text += "storage: {filesystem: {rootdirectory: \(scene.path(name))}}\nhttp:\n  addr: 127.0.0.1:0\n"
        text += "  secret: not-a-secret\n"
        if let certificate {
            text += "  tls: {certificate: \(certificate.certificate), key: \(certificate.key)}\n"
        }
        switch access {
        case .anonymous: break
        case .basic(let file): text += "auth: {htpasswd: {realm: test, path: \(file)}}\n"
        case .token(let realm, let certificate):
            text += "auth:\n  token:\n    realm: \(realm)\n    service: test-service\n    issuer: test-issuer\n"
            text += "    rootcertbundle: \(certificate)\n"
        }
        try Files.create(scene.path(name + ".yml"), Array(text.utf8))
        var log = try Descriptor.pipe()
        let nothing = try Descriptor.open("/dev/null", O_RDWR)
        let words = log.takeSecond()
        var request = SpawnRequest(
            program, [program, "serve", scene.path(name + ".yml")], environment: ["OTEL_TRACES_EXPORTER=none"])
        request.descriptors = [nothing.raw, words.raw, words.raw]
        request.parentDeathSignal = 0
        let process = Server(try request.run())
        scene.atEnd { process.end() }
        close(words.release())
        return RealRegistry(port: try await Self.port(in: SharedDescriptor(log.takeFirst())))
    }

    private final class Server: Sendable {
        private let process: ChildProcess
        init(_ process: consuming ChildProcess) { self.process = process }
        func end() {
            process.signal(SIGKILL)
            _ = try? process.wait()
        }
    }

    /// Reads its log to the end, on a thread, and from it the port.
    private static func port(in log: SharedDescriptor) async throws -> UInt16 {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread {
                var text: [UInt8] = []
                var isKnown = false
                var buffer = [UInt8](repeating: 0, count: 4096)
                while case .bytes(let count) = try? buffer.withUnsafeMutableBytes({ try log.descriptor.read(into: $0) })
                {
                    if isKnown { continue }
                    text += buffer[..<count]
                    if let port = Self.port(String(decoding: text, as: UTF8.self)) {
                        isKnown = true
                        continuation.resume(returning: port)
                    }
                }
                if !isKnown {
                    let error = CoteError(.internal, "docker-registry: \(String(decoding: text, as: UTF8.self))")
                    continuation.resume(throwing: error)
                }
            }
            do { try thread.start() } catch { continuation.resume(throwing: error) }
        }
    }

    private static func port(_ log: String) -> UInt16? {
        guard let range = log.firstRange(of: "listening on 127.0.0.1:") else { return nil }
        let digits = log[range.upperBound...].prefix { $0.isNumber }
        // Whole only when something follows.
        return digits.endIndex < log.endIndex ? UInt16(digits) : nil
    }
}
