import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Foundation

/// A small real image: two compressed layers, a configuration and a manifest.
struct Sample: Sendable {
    var layers: [[UInt8]]
    var configuration: [UInt8]
    var manifest: [UInt8]

    static let manifestType = "application/vnd.oci.image.manifest.v1+json"
    var blobs: [[UInt8]] { layers + [configuration] }

    static func make(_ scene: Scene, seed: UInt64 = 1, layerSize: Int = 300_000) async throws -> Sample {
        var random = SeededRandom(seed: seed)
        var layers: [[UInt8]] = []
        for index in 0..<2 {
            let name = "layer-\(seed)-\(index)"
            try Files.create(scene.path(name), random.bytes(layerSize))
            layers.append(try await scene.tool(["/usr/bin/tar", "-czf", "-", name]))
        }
        let diffs = layers.map { "\"\(Digest.of($0))\"" }.joined(separator: ",")
        let configuration = Array(
            #"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[\#(diffs)]}}"#.utf8
        )
        func descriptor(_ type: String, _ bytes: [UInt8]) -> String {
            #"{"mediaType":"application/vnd.oci.image.\#(type)","digest":"\#(Digest.of(bytes))","#
                + #""size":\#(bytes.count)}"#
        }
        let list = layers.map { descriptor("layer.v1.tar+gzip", $0) }.joined(separator: ",")
        let head = #"{"schemaVersion":2,"mediaType":"\#(manifestType)","config":"#
        let manifest = Array("\(head)\(descriptor("config.v1+json", configuration)),\"layers\":[\(list)]}".utf8)
        return Sample(layers: layers, configuration: configuration, manifest: manifest)
    }

    /// What pushes all of it under a tag, and the files for that.
    func push(_ scene: Scene, tag: String) throws -> (RegistryRequest.Work, [SharedDescriptor]) {
        let name = "push-\(SandboxID.random())-"
        let files = try (blobs + [manifest]).enumerated().map { try scene.file(name + "\($0)", $1) }
        let sent = blobs.enumerated().map { RegistryRequest.Blob($1, descriptor: 3 + CInt($0)) }
        let last = RegistryRequest.Manifest(
            digest: .of(manifest), mediaType: Self.manifestType, tag: tag, descriptor: 3 + CInt(blobs.count))
        return (.push(sent, manifests: [last]), files)
    }
}

/// What of an OCI manifest the tests read.
struct ReadManifest: Decodable {
    struct Part: Decodable {
        var digest: Digest
        var size: UInt64
    }
    var config: Part
    var layers: [Part]

    var parts: [Part] { layers + [config] }

    init(_ bytes: [UInt8]) throws { self = try JSONDecoder().decode(ReadManifest.self, from: Data(bytes)) }
}
