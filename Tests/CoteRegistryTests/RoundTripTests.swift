import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Glibc
import Synchronization
import Testing

@Suite(.requires(.registry, .skopeo)) struct `With a real registry` {
    @Test func `what is pushed, skopeo reads, byte by byte`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let sample = try await Sample.make(scene)
            let (work, files) = try sample.push(scene, tag: "one")
            let outcome = try await Errand.run(scene, .test(registry.host, work) { $0.chunkSize = 100_000 }, files)
            #expect(outcome.isDone, "\(outcome.message) \(outcome.log)")
            let sent = outcome.events.filter { if case .blob(_, false) = $0 { true } else { false } }
            #expect(sent.count == 3)

            try await scene.tool([
                "/usr/bin/skopeo", "copy", "--src-tls-verify=false", "docker://\(registry.host)/team/app:one",
                "oci:\(scene.path("out")):one",
            ])
            for blob in sample.blobs + [sample.manifest] {
                #expect(try scene.content("out/blobs/sha256/\(Digest.of(blob).hex)") == blob)
            }
            let (again, others) = try sample.push(scene, tag: "two")
            let second = try await Errand.run(scene, .test(registry.host, again), others)
            #expect(second.isDone)
            #expect(second.events.count { if case .blob(_, true) = $0 { true } else { false } } == 3)
            #expect(!second.text.contains("progress"))
            let inspected = try await scene.tool([
                "/usr/bin/skopeo", "inspect", "--raw", "--tls-verify=false", "docker://\(registry.host)/team/app:two",
            ])
            #expect(inspected == sample.manifest)
        }
    }

    @Test(arguments: ["oci", "v2s2"])
    func `what skopeo pushes is pulled, byte by byte`(_ format: String) async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let sample = try await Sample.make(scene, seed: 2)
            let (work, files) = try sample.push(scene, tag: "one")
            #expect(try await Errand.run(scene, .test(registry.host, work), files).isDone)
            try await scene.tool([
                "/usr/bin/skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", format,
                "docker://\(registry.host)/team/app:one", "docker://\(registry.host)/team/copy:one",
            ])

            let file = try scene.file("manifest", Array("longer than any manifest".utf8))
            let resolve = RegistryRequest.test(
                registry.host, .resolve(reference: "one", into: 3), repository: "team/copy")
            let resolved = try await Errand.run(scene, resolve, [file])
            #expect(resolved.isDone)
            let bytes = try scene.content("manifest")
            let raw = try await scene.tool([
                "/usr/bin/skopeo", "inspect", "--raw", "--tls-verify=false", "docker://\(registry.host)/team/copy:one",
            ])
            #expect(bytes == raw)
            let type = format == "oci" ? Sample.manifestType : "application/vnd.docker.distribution.manifest.v2+json"
            #expect(resolved.manifest?.mediaType == type)
            #expect(resolved.manifest?.digest == .of(bytes) && resolved.manifest?.size == UInt64(bytes.count))

            let parts = try ReadManifest(bytes).parts
            let targets = try parts.indices.map { try scene.file("blob-\($0)") }
            let blobs = parts.enumerated().map {
                RegistryRequest.Blob(digest: $1.digest, size: $1.size, descriptor: 3 + CInt($0))
            }
            let pull = RegistryRequest.test(registry.host, .pull(blobs), repository: "team/copy")
            #expect(try await Errand.run(scene, pull, targets).isDone)
            for (index, part) in parts.enumerated() {
                #expect(Digest.of(try scene.content("blob-\(index)")) == part.digest)
            }
        }
    }

    @Test func `a manifest is found by its digest too, and what is not there is not found`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let sample = try await Sample.make(scene)
            let (work, files) = try sample.push(scene, tag: "one")
            #expect(try await Errand.run(scene, .test(registry.host, work), files).isDone)
            let digest = Digest.of(sample.manifest)
            let file = try scene.file("manifest")
            let found = try await Errand.run(scene, .resolve(registry.host, digest.text), [file])
            #expect(found.manifest?.digest == digest)
            let missing = try await Errand.run(scene, .resolve(registry.host, "none"), [file])
            #expect(missing.refusal == .notFound)
            #expect(missing.message == "\(registry.host)/team/app:none: not found")
            let blob = RegistryRequest.Blob(digest: .of([1]), size: 1, descriptor: 3)
            let noBlob = try await Errand.run(scene, .test(registry.host, .pull([blob])), [file])
            #expect(noBlob.message == "\(registry.host)/team/app@\(Digest.of([1])): not found")
        }
    }

    @Test(arguments: [1, 1000, 4096, 99_999, 100_000, 100_001, UInt64.max])
    func `an upload in pieces of any size arrives`(_ chunkSize: UInt64) async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            var random = SeededRandom(seed: chunkSize)
            let bytes = random.bytes(chunkSize == 1 ? 20 : 100_000)
            let file = try scene.file("blob", bytes)
            let push = RegistryRequest.test(registry.host, .push([.init(bytes)], manifests: [])) {
                $0.chunkSize = chunkSize
            }
            let outcome = try await Errand.run(scene, push, [file])
            #expect(outcome.isDone, "\(outcome.message)")
            let target = try scene.file("back")
            #expect(try await Errand.run(scene, .test(registry.host, .pull([.init(bytes)])), [target]).isDone)
            #expect(try scene.content("back") == bytes)
        }
    }

    @Test func `an empty blob goes there and back`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let outcome = try await Errand.run(
                scene, .test(registry.host, .push([.init([])], manifests: [])), [try scene.file("blob")])
            #expect(outcome.isDone, "\(outcome.message)")
            let back = try await Errand.run(
                scene, .test(registry.host, .pull([.init([])])), [try scene.file("back", [1, 2, 3])])
            #expect(back.isDone)
            #expect(try scene.content("back").isEmpty)
        }
    }

    @Test func `cote's own side starts the program and hears what it says`() async throws {
        try await Scene.with { scene in
            let registry = try await RealRegistry.start(scene)
            let file = try scene.file("manifest")
            let events = Mutex<[RegistryEvent]>([])
            let thrown = await withCheckedContinuation { continuation in
                let thread = Thread {
                    let worker = WorkerProcess(Errand.program)
                    do {
                        try worker.run(RegistryRequest.resolve(registry.host), [file.descriptor.raw]) { event in
                            events.withLock { $0.append(event) }
                        }
                        continuation.resume(returning: nil as (any Error)?)
                    } catch { continuation.resume(returning: error) }
                }
                try? thread.start()
            }
            #expect(thrown == nil)
            let message = "\(registry.host)/team/app:1: not found"
            #expect(events.withLock { $0 } == [.failed(reason: .notFound, message: message)])
        }
    }
}
