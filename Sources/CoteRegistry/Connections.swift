import AsyncHTTPClient
import CoteWorker
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// The HTTP clients: one for the registry itself, one for wherever it sends us. What is connected to is checked when
/// the connection stands, by its address and not by its name, so that a name cannot mean one thing to the check and
/// another to the connection.
final class Connections: Sendable {
    let home: WebAddress.Origin
    private let direct: HTTPClient
    private let elsewhere: HTTPClient
    private let zone: ZoneRecord

    /// - Parameter authorities: a file of certificates to trust instead of the machine's own.
    init(home: WebAddress.Origin, _ options: RegistryRequest.Options, authorities: String?) {
        self.home = home
        let zone = ZoneRecord(AddressZone(host: home.host))
        self.zone = zone
        var configuration = Self.configuration(options, authorities: authorities)
        configuration.http1_1ConnectionDebugInitializer = { channel in
            if let address = channel.remoteAddress { zone.set(AddressZone(address)) }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let group = MultiThreadedEventLoopGroup.singleton
        direct = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
        configuration.http1_1ConnectionDebugInitializer = { channel in
            if let address = channel.remoteAddress, zone.mayLead(to: AddressZone(address)) {
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(Self.tooNear)
        }
        elsewhere = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    private static func configuration(
        _ options: RegistryRequest.Options, authorities: String?
    ) -> HTTPClient.Configuration {
        var security = TLSConfiguration.makeClientConfiguration()
        security.minimumTLSVersion = .tlsv12
        if let authorities { security.trustRoots = .file(authorities) }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: security, redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(Int64(max(options.connectSeconds, 1)))), decompression: .disabled)
        configuration.httpVersion = .http1Only
        // Trying again is decided where it is known what was asked, not below.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Int(clamping: options.parallel) + 1
        return configuration
    }

    static let tooNear = RegistryFailure(
        .badRedirect, "the registry leads to an address of this machine or of its own link")

    /// Sends one request and waits for the head of the answer.
    func send(
        _ method: HTTPMethod, _ address: WebAddress, _ headers: HTTPHeaders, _ body: HTTPClientRequest.Body? = nil
    ) async throws -> HTTPClientResponse {
        var request = HTTPClientRequest(url: address.text)
        request.method = method
        request.headers = headers
        request.body = body
        let client = address.origin == home ? direct : elsewhere
        do {
            // The exchange's own watch ends it; this is only so that the client has no shorter idea.
            return try await client.execute(request, deadline: .distantFuture)
        } catch let error as CancellationError {
            throw error
        } catch {
            throw RegistryFailure(network: error, host: address.origin.name)
        }
    }

    /// Whether the registry may send us there.
    /// - Parameter base: what said so.
    func check(_ address: WebAddress, from base: WebAddress) throws {
        if address.origin.isPlain, !base.origin.isPlain {
            throw RegistryFailure(.badRedirect, "\(base.origin.name) leads to \(address.origin.name) without TLS")
        }
        if address.origin != home, let there = AddressZone(host: address.origin.host), !zone.mayLead(to: there) {
            throw Self.tooNear
        }
    }

    func shutdown() async {
        try? await direct.shutdown()
        try? await elsewhere.shutdown()
    }
}

/// Where the registry is, once that is known.
private final class ZoneRecord: Sendable {
    private let zone: Mutex<AddressZone>

    /// What is not known is taken for far away, which allows least.
    init(_ zone: AddressZone?) { self.zone = Mutex(zone ?? .elsewhere) }

    func set(_ new: AddressZone) { zone.withLock { $0 = new } }
    func mayLead(to other: AddressZone) -> Bool { zone.withLock { $0.mayLead(to: other) } }
}
