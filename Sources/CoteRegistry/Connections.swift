import AsyncHTTPClient
import CoteWorker
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// The HTTP clients, one for each host that is spoken to: the registry, and wherever it leads. Whom a connection has
/// reached is checked when it stands, by address and certificate and not by name alone, so that a name cannot mean one
/// thing to a check and another to the connection.
final class Connections: Sendable {
    let home: WebAddress.Origin
    private let configuration: HTTPClient.Configuration
    private let clients = Mutex<[WebAddress.Origin: HTTPClient]>([:])
    private let zone: ZoneRecord

    /// Registries spread over a few hosts, not over many.
    private static let mostHosts = 16

    /// - Parameter authorities: a file of certificates to trust instead of the machine's own.
    init(home: WebAddress.Origin, _ options: RegistryRequest.Options, authorities: String?) {
        self.home = home
        zone = ZoneRecord(AddressZone(host: home.host))
        configuration = Self.configuration(options, authorities: authorities)
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

    private func client(for origin: WebAddress.Origin) throws -> HTTPClient {
        try clients.withLock { clients in
            if let client = clients[origin] { return client }
            guard clients.count < Self.mostHosts else {
                throw RegistryFailure(.badRedirect, "the registry leads to too many hosts")
            }
            var configuration = configuration
            configuration.http1_1ConnectionDebugInitializer = { [isHome = origin == home, zone] channel in
                guard let address = channel.remoteAddress else { return Self.refuse(channel, Self.tooNear) }
                if isHome {
                    zone.set(AddressZone(address))
                } else if !zone.mayLead(to: AddressZone(address)) {
                    return Self.refuse(channel, Self.tooNear)
                }
                return Self.checkCertificate(channel, origin)
            }
            let group = MultiThreadedEventLoopGroup.singleton
            let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
            clients[origin] = client
            return client
        }
    }

    /// NIOSSL, which has found the certificate to be signed by somebody known, lets the address of a connection stand
    /// for the name as well. Whoever has a certificate for an address and can make the name lead there would pass.
    private static func checkCertificate(_ channel: any Channel, _ origin: WebAddress.Origin) -> EventLoopFuture<Void> {
        guard !origin.isPlain, !origin.isAddress else { return channel.eventLoop.makeSucceededVoidFuture() }
        return channel.nioSSL_peerCertificate().flatMap { certificate in
            let names = certificate?._subjectAlternativeNames().filter { $0.nameType == .dnsName } ?? []
            let isNamed = names.contains { CertificateName.covers($0.contents, host: origin.host) }
            if isNamed { return channel.eventLoop.makeSucceededVoidFuture() }
            let host = origin.name
            return refuse(channel, RegistryFailure(.certificate, "the certificate of \(host) is for another name"))
        }
    }

    private static func refuse(_ channel: any Channel, _ failure: RegistryFailure) -> EventLoopFuture<Void> {
        channel.close(promise: nil)
        return channel.eventLoop.makeFailedFuture(failure)
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
        do {
            let client = try client(for: address.origin)
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
        for client in clients.withLock({ Array($0.values) }) { try? await client.shutdown() }
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
