import AsyncHTTPClient
import CoteModel
import CoteSystem
import CoteWorker
import NIOCore
import NIOHTTP1

/// Sending one blob, if the registry lacks it: an upload in pieces, which goes on where the registry says it is when a
/// piece fails, and begins anew when the registry has forgotten it.
struct BlobPush: Sendable {
    let client: RegistryClient
    let blob: RegistryRequest.Blob
    let chunkSize: UInt64
    let source: BlobSource
    let meter: ProgressMeter

    init(
        _ client: RegistryClient, _ blob: RegistryRequest.Blob, chunkSize: UInt64,
        _ report: @escaping @Sendable (RegistryEvent) -> Void
    ) {
        self.client = client
        self.blob = blob
        self.chunkSize = max(chunkSize, 1)
        source = BlobSource(SharedDescriptor(Descriptor(owning: blob.descriptor)), size: blob.size)
        meter = ProgressMeter(blob.digest, report)
    }

    func run() async throws -> RegistryEvent {
        var isSent = false
        // An upload that the registry lost counts as a failed try of the whole.
        return try await client.retrying {
            if try await isPresent() { return .blob(digest: blob.digest, wasPresent: !isSent) }
            isSent = true
            try await upload()
            return .blob(digest: blob.digest, wasPresent: false)
        }
    }

    private func isPresent() async throws -> Bool {
        let call = RegistryCall(
            method: .HEAD, address: client.address("blobs/\(blob.digest)"), accepted: [200, 404])
        return try await client.retrying {
            try await client.exchange(call) { response, _, _ in response.status == .ok }
        }
    }

    /// Where the upload is, and how far it got.
    private struct Place: Sendable {
        var address: WebAddress
        var offset: UInt64
        /// Whether this is the end of a piece.
        var isEnd = true

        func isWorthwhile(after other: Place) -> Bool { isEnd || offset >= other.offset + 1 << 20 }
    }

    private func upload() async throws {
        let start = RegistryCall(
            method: .POST, address: client.address("blobs/uploads/"), accepted: [202])
        var place = try await client.retrying {
            try await client.exchange(start) { response, address, _ in
                Place(address: try client.location(response, from: address), offset: 0)
            }
        }
        var patience = client.patience()
        while place.offset < blob.size {
            let before = place
            do { place = try await sendPiece(before) } catch let failure as RegistryFailure {
                try await patience.pause(after: failure)
                place = try await ask(before, because: failure)
                continue
            }
            if place.isWorthwhile(after: before) {
                patience.renew()
            } else {
                // A registry that takes next to nothing of each piece would have it all sent for ever.
                try await patience.pause(after: Self.stuck)
            }
        }
        guard blob.size == 0 || source.digest == blob.digest else {
            throw RegistryFailure(.localFile, "the file on this machine is not what its digest says")
        }
        try await finish(place)
    }

    private func sendPiece(_ place: Place) async throws -> Place {
        let end = min(blob.size, place.offset + min(chunkSize, blob.size))
        let range = place.offset..<end
        let call = RegistryCall(
            method: .PATCH, address: place.address,
            headers: [
                ("Content-Type", "application/octet-stream"), ("Content-Range", "\(place.offset)-\(end - 1)"),
            ],
            body: { [source, meter] movement in
                let pieces = BlobSource.Pieces(source: source, range: range) { offset, count in
                    movement.add(count)
                    meter.update(offset)
                }
                return .stream(pieces, length: .known(Int64(clamping: range.count)))
            }, accepted: [202, 404, 416])
        return try await client.exchange(call) { response, address, _ in
            switch response.status {
            case .accepted:
                let offset = try reached(response, sent: end) ?? end
                let next = try client.location(response, from: address)
                return Place(address: next, offset: offset, isEnd: offset == end)
            case .notFound: throw Self.lost
            default: throw Self.stuck
            }
        }
    }

    /// Learns how far an upload got whose last piece failed.
    private func ask(_ place: Place, because failure: RegistryFailure) async throws -> Place {
        let call = RegistryCall(method: .GET, address: place.address, accepted: [204, 202, 200])
        do {
            return try await client.retrying {
                try await client.exchange(call) { response, address, _ in
                    let next =
                        response.headers.contains(name: "Location")
                        ? try client.location(response, from: address) : address
                    return Place(address: next, offset: try reached(response, sent: blob.size) ?? place.offset)
                }
            }
        } catch let refusal as RegistryFailure where refusal.reason == .notFound || refusal.reason == .badAnswer {
            // It is gone, or stands where it cannot go on; why it failed is still the reason.
            throw RegistryFailure(failure.reason, failure.message, isTransient: true)
        }
    }

    /// The offset behind `Range: 0-LAST`; `nil` where nothing is said. For an upload without a byte registries say
    /// `0-0`, which is what one byte would be too: where both can be, the upload is given up.
    private func reached(_ response: HTTPClientResponse, sent: UInt64) throws -> UInt64? {
        guard let text = response.headers.first(name: "Range") else { return nil }
        let numbers = (text.hasPrefix("bytes=") ? text.dropFirst(6) : text[...]).split(separator: "-")
        guard numbers.count == 2, numbers[0] == "0", let last = UInt64(numbers[1]), last < sent else {
            throw RegistryFailure(.badAnswer, "the registry claims to have bytes that were not sent")
        }
        guard last > 0 || sent == 1 else { throw Self.lost }
        return last + 1
    }

    private static let lost = RegistryFailure(.serverFailed, "the registry has lost the upload", isTransient: true)

    private static let stuck = RegistryFailure(
        .serverFailed, "the registry does not take what is sent", isTransient: true)

    private func finish(_ place: Place) async throws {
        let call = RegistryCall(
            method: .PUT, address: place.address.adding("digest=\(blob.digest)"), accepted: [201, 400, 404])
        let isTaken = try await client.retrying {
            try await client.exchange(call) { [digest = blob.digest] response, _, _ in
                if response.status == .badRequest {
                    throw RegistryFailure(.wrongContent, "the registry does not take its bytes")
                }
                try Self.compare(response, digest)
                return response.status == .created
            }
        }
        // It may have been taken, and the answer lost.
        guard isTaken else { throw Self.lost }
    }

    /// What the registry says that it has now must be what was sent.
    static func compare(_ response: HTTPClientResponse, _ digest: Digest) throws {
        guard let claimed = response.headers.first(name: "Docker-Content-Digest") else { return }
        guard claimed == digest.text || !claimed.hasPrefix("sha256:") else {
            throw RegistryFailure(.wrongContent, "the registry has stored it under another digest")
        }
    }
}
