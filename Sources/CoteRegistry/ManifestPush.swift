import AsyncHTTPClient
import CoteContent
import CoteModel
import CoteSystem
import CoteWorker
import NIOCore
import NIOHTTP1

/// Sending one manifest, when all that it names is there.
struct ManifestPush: Sendable {
    let client: RegistryClient
    let manifest: RegistryRequest.Manifest

    func run() async throws {
        let bytes: [UInt8]
        do {
            bytes = try SharedDescriptor(Descriptor(owning: manifest.descriptor)).descriptor.readAll(
                limit: Resolution.longest)
        } catch { throw RegistryFailure.localFile(error) }
        guard ContentHash.digest(of: bytes) == manifest.digest else {
            throw RegistryFailure(.localFile, "the file on this machine is not what its digest says")
        }
        let buffer = ByteBuffer(bytes: bytes)
        let call = RegistryCall(
            method: .PUT, address: client.address("manifests/\(manifest.tag ?? manifest.digest.text)"),
            headers: [("Content-Type", manifest.mediaType)], body: { _ in .bytes(buffer) }, accepted: [201, 200, 202])
        try await client.retrying {
            try await client.exchange(call) { [digest = manifest.digest] response, _, _ in
                try BlobPush.compare(response, digest)
            }
        }
    }
}
