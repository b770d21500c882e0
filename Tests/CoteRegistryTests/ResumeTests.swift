import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Glibc
import Testing

@Suite(.requires(.registry)) struct `A worker that is killed in the middle` {
    private func sampleBytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    private func store(_ scene: Scene, _ registry: RealRegistry, _ bytes: [UInt8]) async throws {
        let file = try scene.file("stored", bytes)
        #expect(try await Errand.run(scene, .test(registry.host, .push([.init(bytes)], manifests: [])), [file]).isDone)
    }

    @Test func `has pulled a beginning, from whose end the next one goes on`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let bytes = sampleBytes(3_000_000)
            try await store(scene, registry, bytes)
            let relay = try StoppingRelay(scene, to: registry.port, stopping: .fromServer, after: 2_000_000)
            let file = try scene.file("blob")
            let first = try Errand(scene, .test(relay.host, .pull([.init(bytes)])), [file])
            await relay.stopped()
            first.kill()
            #expect(try await first.wait().status == .signaled(SIGKILL))
            let present = try file.descriptor.fileSize()
            #expect(present < 2_000_000)
            #expect(try scene.content("blob") == Array(bytes[..<Int(present)]))

            // No more than what is missing, and a little for heads, gets through.
            let missing = bytes.count - Int(present) + 2000
            let second = try StoppingRelay(scene, to: registry.port, stopping: .fromServer, after: missing)
            let rest = RegistryRequest.test(second.host, .pull([.init(bytes, present: present)]))
            let outcome = try await Errand.run(scene, rest, [file])
            #expect(outcome.isDone, "\(outcome.message)")
            #expect(try scene.content("blob") == bytes)
        }
    }

    @Test func `has published nothing of its push, and the next one succeeds`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let relay = try StoppingRelay(scene, to: registry.port, stopping: .toServer, after: 700_000)
            let sample = try await Sample.make(scene, layerSize: 1_000_000)
            let (work, files) = try sample.push(scene, tag: "one")
            let first = try Errand(scene, .test(relay.host, work) { $0.chunkSize = 50_000 }, files)
            await relay.stopped()
            first.kill()
            _ = try await first.wait()
            let file = try scene.file("manifest")
            #expect(try await Errand.run(scene, .resolve(registry.host, "one"), [file]).refusal == .notFound)

            let (again, others) = try sample.push(scene, tag: "one")
            #expect(try await Errand.run(scene, .test(registry.host, again), others).isDone)
            #expect(try await Errand.run(scene, .resolve(registry.host, "one"), [file]).isDone)
            #expect(try scene.content("manifest") == sample.manifest)
        }
    }

    @Test func `may leave a beginning of other bytes, which is found out and fetched anew`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let bytes = sampleBytes(200_000)
            try await store(scene, registry, bytes)
            for wrong in [
                [UInt8](repeating: 7, count: 1000), sampleBytes(200_001), bytes + [1], Array(bytes.dropLast()) + [0],
            ] {
                let file = try scene.file("blob-\(wrong.count)-\(wrong.last ?? 0)", wrong)
                let request = RegistryRequest.test(
                    registry.host, .pull([.init(bytes, present: UInt64(wrong.count))]))
                let outcome = try await Errand.run(scene, request, [file])
                #expect(outcome.isDone, "\(outcome.message)")
                #expect(try scene.content("blob-\(wrong.count)-\(wrong.last ?? 0)") == bytes)
            }
        }
    }

    @Test func `is not needed when the registry stops taking what is sent`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let relay = try StoppingRelay(scene, to: registry.port, stopping: .toServer, after: 100_000)
            let bytes = [UInt8](repeating: 7, count: 30_000_000)
            let push = RegistryRequest.test(relay.host, .push([.init(bytes)], manifests: [])) {
                $0.idleSeconds = 1
                $0.attempts = 1
            }
            let outcome = try await Errand.run(scene, push, [try scene.file("blob", bytes)])
            #expect(outcome.refusal == .timeout, "\(outcome.message)")
        }
    }

    @Test func `leaves what is whole, of which nothing is fetched again`() async throws {
        try await Scene.with { scene in
            let bytes = sampleBytes(1000)
            let file = try scene.file("blob", bytes)
            // Nobody answers at that port.
            let request = RegistryRequest.test("127.0.0.1:1", .pull([.init(bytes, present: 1000)]))
            #expect(try await Errand.run(scene, request, [file]).isDone)
        }
    }
}
