import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Testing

@Suite(.requires(.registry)) struct `The certificate of a real registry` {
    private func resolve(
        _ scene: Scene, _ host: String, trusting authority: String? = nil, isPlain: Bool = false
    ) async throws -> Errand.Outcome {
        let request = RegistryRequest.test(host, .resolve(reference: "1", into: 3)) { $0.isPlain = isPlain }
        let environment = authority.map { ["SSL_CERT_FILE=" + $0] } ?? []
        let file = try scene.file("manifest-\(SandboxID.random())")
        return try await Errand.run(scene, request, [file], environment: environment)
    }

    @Test func `must be signed by somebody known, and be for its name`() async throws {
        try await Scene.with { scene in
            let own = try await Certificate.make(scene, "own", "IP:127.0.0.1")
            let registry = try await RealRegistry.start(scene, certificate: own)
            let unknown = try await resolve(scene, registry.host)
            #expect(unknown.refusal == .certificate)
            #expect(unknown.message.contains("not signed by anyone whom this machine trusts"))
            // It is spoken to, and has no such manifest.
            #expect(try await resolve(scene, registry.host, trusting: own.certificate).refusal == .notFound)
            let named = try await resolve(scene, "localhost:\(registry.port)", trusting: own.certificate)
            #expect(named.refusal == .certificate)
            // Neither does an address that is a name's stand for the name.
            let other = try await Certificate.make(scene, "other", "DNS:localhost,DNS:*.example")
            let second = try await RealRegistry.start(scene, certificate: other)
            let right = try await resolve(scene, "localhost:\(second.port)", trusting: other.certificate)
            #expect(right.refusal == .notFound)
            #expect(try await resolve(scene, second.host, trusting: other.certificate).refusal == .certificate)
            let plain = try await resolve(scene, registry.host, isPlain: true)
            #expect(plain.refusal == .badAnswer)
        }
    }

    @Test func `is asked of a server that has none`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let outcome = try await resolve(scene, registry.host)
            #expect(outcome.refusal == .unreachable && outcome.message.contains("does not speak TLS"))
        }
    }

    @Test func `is checked before anything is said`() async throws {
        try await Scene.with { scene in
            let own = try await Certificate.make(scene, "own", "IP:127.0.0.1")
            let registry = try await RealRegistry.start(scene, certificate: own)
            let bytes: [UInt8] = [1, 2, 3]
            let file = try scene.file("blob", bytes)
            let request = RegistryRequest.test(
                registry.host, .push([.init(bytes)], manifests: []), credentials: Lie.secret
            ) { $0.isPlain = false }
            let outcome = try await Errand.run(scene, request, [file])
            #expect(outcome.refusal == .certificate)
            let trusting = ["SSL_CERT_FILE=" + own.certificate]
            #expect(try await Errand.run(scene, request, [file], environment: trusting).isDone)
        }
    }
}
