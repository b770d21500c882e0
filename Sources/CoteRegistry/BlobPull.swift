import AsyncHTTPClient
import CoteModel
import CoteSystem
import CoteWorker
import NIOCore
import NIOHTTP1

/// Fetching one blob into its file: from where the file ends, again from there when the connection breaks, and from
/// the start when what is there turns out wrong.
struct BlobPull: Sendable {
    let client: RegistryClient
    let blob: RegistryRequest.Blob
    let file: BlobFile
    let meter: ProgressMeter

    init(
        _ client: RegistryClient, _ blob: RegistryRequest.Blob, _ report: @escaping @Sendable (RegistryEvent) -> Void
    ) {
        self.client = client
        self.blob = blob
        file = BlobFile(SharedDescriptor(Descriptor(owning: blob.descriptor)), size: blob.size)
        meter = ProgressMeter(blob.digest, report)
    }

    func run() async throws -> RegistryEvent {
        try await file.resume(blob.present)
        let isResumed = await file.count > 0
        do { try await fetch() } catch let failure as RegistryFailure {
            // The beginning that was here may be that of something else.
            guard isResumed, failure.reason == .wrongContent else { throw failure }
            try await file.restart()
            try await fetch()
        }
        return .blob(digest: blob.digest, wasPresent: false)
    }

    /// Gets what is missing, and compares the whole.
    private func fetch() async throws {
        var patience = client.patience()
        while true {
            let before = await file.count
            guard before < blob.size else { break }
            do { try await part(from: before) } catch let failure as RegistryFailure {
                if await file.count >= before + Self.worthwhile { patience.renew() }
                try await patience.pause(after: failure)
            }
        }
        let digest = await file.digest()
        guard digest == blob.digest else {
            throw RegistryFailure(.wrongContent, "its \(blob.size) bytes have the digest \(digest)")
        }
    }

    /// After so many bytes a broken connection is no reason to lose patience.
    private static let worthwhile: UInt64 = 1 << 20

    private func part(from start: UInt64) async throws {
        var call = RegistryCall(method: .GET, address: client.address("blobs/\(blob.digest)"), accepted: [200, 206])
        if start > 0 {
            call.headers = [("Range", "bytes=\(start)-")]
            call.accepted.insert(416)
        }
        try await client.exchange(call) { response, _, movement in
            try await prepare(response, start)
            for try await bytes in response.body {
                meter.update(try await file.append(bytes))
                movement.add(bytes.readableBytes)
            }
        }
        let count = await file.count
        if count < blob.size {
            throw RegistryFailure(
                .wrongContent, "it ends after \(count) of \(blob.size) bytes", isTransient: true)
        }
    }

    /// Makes the file end where the answer begins.
    private func prepare(_ response: HTTPClientResponse, _ start: UInt64) async throws {
        var start = start
        switch response.status {
        case .partialContent:
            guard Self.rangeStart(response.headers.first(name: "Content-Range")) == start else {
                throw RegistryFailure(.badAnswer, "another part was sent than was asked for")
            }
        case .ok where start > 0:
            try await file.restart()
            start = 0
        case .ok: break
        // The registry has less than the file: whose bytes are wrong, the digest says.
        default:
            throw RegistryFailure(.wrongContent, "the registry has no bytes after the first \(start)")
        }
        let announced = response.headers.first(name: "Content-Length").flatMap { UInt64($0) }
        if let announced, announced != blob.size - start {
            throw RegistryFailure(
                .wrongContent, "\(announced) bytes are announced where \(blob.size - start) are missing")
        }
    }

    /// The first number of `bytes FIRST-LAST/ALL`.
    private static func rangeStart(_ text: String?) -> UInt64? {
        guard let text, text.hasPrefix("bytes ") else { return nil }
        return UInt64(text.dropFirst(6).prefix { $0 >= "0" && $0 <= "9" })
    }
}
