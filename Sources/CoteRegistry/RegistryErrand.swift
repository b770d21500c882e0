import CoteModel
import CoteSystem
import CoteWorker

/// One request from beginning to end, and what is said of it.
struct RegistryErrand: Sendable {
    private let request: RegistryRequest
    private let authorities: String?

    /// - Parameter authorities: a file of certificates to trust instead of the machine's own.
    init(_ request: RegistryRequest, authorities: String?) {
        self.request = request
        self.authorities = authorities
    }

    /// Ends with `done` or `failed`, always.
    func run(_ report: @escaping @Sendable (RegistryEvent) -> Void) async {
        let isPlain = request.options.isPlain
        guard let home = WebAddress.Origin(authority: request.registry, isPlain: isPlain), isRepository else {
            report(.failed(reason: .badAnswer, message: "the name of the registry or the repository has another form"))
            return
        }
        let client = RegistryClient(request, home: home, authorities: authorities)
        do {
            try await work(client, report)
            report(.done)
        } catch {
            let failure = (error as? Named)?.failure ?? RegistryFailure(network: error, host: home.name)
            let subject = (error as? Named)?.subject ?? ""
            let name = "\(request.registry)/\(request.repository)\(subject)"
            report(.failed(reason: failure.reason, message: "\(name): \(failure.message)"))
        }
        await client.connections.shutdown()
    }

    /// What goes into paths must be what `cote` has checked already.
    private var isRepository: Bool {
        let parts = request.repository.split(separator: "/", omittingEmptySubsequences: false)
        return parts.allSatisfy { part in
            !part.isEmpty && !part.hasPrefix(".")
                && part.utf8.allSatisfy {
                    $0 >= 0x61 && $0 <= 0x7a || $0 >= 0x30 && $0 <= 0x39 || $0 == 0x2d || $0 == 0x2e || $0 == 0x5f
                }
        }
    }

    /// A failure, and of what.
    private struct Named: Error {
        var failure: RegistryFailure
        /// `:tag` or `@digest`.
        var subject: String
    }

    private func named<Value>(_ subject: String, _ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let failure as RegistryFailure {
            throw Named(failure: failure, subject: subject)
        }
    }

    private func work(_ client: RegistryClient, _ report: @escaping @Sendable (RegistryEvent) -> Void) async throws {
        switch request.work {
        case .resolve(let reference, let descriptor):
            let file = SharedDescriptor(Descriptor(owning: descriptor))
            let resolution = Resolution(client: client, reference: reference, file: file)
            report(try await named(Self.subject(reference)) { try await resolution.run() })
        case .pull(let blobs):
            try await each(blobs, report) { try await BlobPull(client, $0, report).run() }
        case .push(let blobs, let manifests):
            let chunkSize = request.options.chunkSize
            try await each(blobs, report) {
                try await BlobPush(client, $0, chunkSize: chunkSize, report).run()
            }
            for manifest in manifests {
                try await named(Self.subject(manifest.tag ?? manifest.digest.text)) {
                    try await ManifestPush(client: client, manifest: manifest).run()
                }
            }
        }
    }

    private static func subject(_ reference: String) -> String {
        Digest(reference) == nil ? ":" + reference : "@" + reference
    }

    /// Does something with each blob, as many at once as the options say; the first failure ends all.
    private func each(
        _ blobs: [RegistryRequest.Blob], _ report: @escaping @Sendable (RegistryEvent) -> Void,
        _ body: @escaping @Sendable (RegistryRequest.Blob) async throws -> RegistryEvent
    ) async throws {
        try await withThrowingTaskGroup(of: RegistryEvent.self) { group in
            var waiting = blobs[...]
            func start() {
                guard let blob = waiting.popFirst() else { return }
                group.addTask { try await named("@" + blob.digest.text) { try await body(blob) } }
            }
            for _ in 0..<min(max(request.options.parallel, 1), 16) { start() }
            while let event = try await group.next() {
                report(event)
                start()
            }
        }
    }
}
