import AsyncHTTPClient
import CoteContent
import CoteModel
import CoteSystem
import CoteWorker
import NIOCore
import NIOHTTP1

/// Fetching a manifest or an index.
struct Resolution: Sendable {
    let client: RegistryClient
    /// A tag or a digest.
    let reference: String
    let file: SharedDescriptor

    /// What a manifest may be at most; the distribution specification asks registries to take as much.
    static let longest = 4 << 20

    /// Other kinds may come all the same; they are passed on with the type they say they are.
    private static let accepted = [
        "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]

    func run() async throws -> RegistryEvent {
        let call = RegistryCall(
            method: .GET, address: client.address("manifests/\(reference)"),
            headers: Self.accepted.map { ("Accept", $0) }, accepted: [200])
        return try await client.retrying { try await client.exchange(call, read) }
    }

    private func read(
        _ response: HTTPClientResponse, _ address: WebAddress, _ movement: Movement
    ) async throws -> RegistryEvent {
        let announced = response.headers.first(name: "Content-Length").flatMap { UInt64($0) }
        if let announced, announced > Self.longest { throw Self.tooLarge }
        var bytes: [UInt8] = []
        for try await part in response.body {
            bytes.append(contentsOf: part.readableBytesView)
            movement.add(part.readableBytes)
            guard bytes.count <= Self.longest else { throw Self.tooLarge }
        }
        let digest = ContentHash.digest(of: bytes)
        let claimed = response.headers.first(name: "Docker-Content-Digest")
        try Self.check(digest, wanted: reference, claimed: claimed)
        do {
            try file.descriptor.truncate(to: 0)
            try file.descriptor.write(all: bytes)
        } catch { throw RegistryFailure.localFile(error) }
        return .manifest(mediaType: Self.mediaType(response), size: UInt64(bytes.count), digest: digest)
    }

    private static let tooLarge = RegistryFailure(.tooLarge, "the manifest has more than \(longest >> 20) MiB")

    /// A claim that is no sha256 cannot be compared, and the bytes have a digest of their own.
    private static func check(_ digest: Digest, wanted: String, claimed: String?) throws {
        if let wanted = Digest(wanted), wanted != digest {
            throw RegistryFailure(.wrongContent, "the manifest's bytes have the digest \(digest)")
        }
        if let claimed, claimed.hasPrefix("sha256:"), Digest(claimed) != digest {
            throw RegistryFailure(.wrongContent, "the manifest's bytes are not those that the registry announces")
        }
    }

    /// Without parameters; empty where none is said, or what cannot be one.
    private static func mediaType(_ response: HTTPClientResponse) -> String {
        let text = response.headers.first(name: "Content-Type") ?? ""
        let type = text.prefix { $0 != ";" && $0 != " " }
        guard type.utf8.count <= 255, type.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x22 }) else { return "" }
        return type.lowercased()
    }
}
