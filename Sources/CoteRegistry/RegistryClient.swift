import AsyncHTTPClient
import CoteWorker
import NIOCore
import NIOHTTP1

/// One request to the registry.
struct RegistryCall: Sendable {
    var method: HTTPMethod
    var address: WebAddress
    var headers: [(String, String)] = []
    /// Made anew for each time that it is sent.
    var body: (@Sendable (Movement) -> HTTPClientRequest.Body)?
    /// The answers that are given to the caller; all others are failures.
    var accepted: Set<UInt>
}

/// Speaks to one repository: authorization, redirects, what a status means, and trying again.
final class RegistryClient: Sendable {
    let connections: Connections
    private let authorizer: Authorizer
    private let options: RegistryRequest.Options
    private let root: WebAddress

    static let userAgent = "cote"
    private static let mostRedirects = 5
    private static let mostRenewals = 2

    init(_ request: RegistryRequest, home: WebAddress.Origin, authorities: String?) {
        connections = Connections(home: home, request.options, authorities: authorities)
        authorizer = Authorizer(connections, request)
        options = request.options
        root = WebAddress(home, "/v2/\(request.repository)/")
    }

    /// `/v2/REPOSITORY/` and the rest.
    func address(_ rest: String) -> WebAddress { WebAddress(root.origin, root.target + rest) }

    // MARK: One exchange

    /// Sends a request once, with what it takes to be let in and to get where it leads, and reads the answer.
    /// - Throws: `RegistryFailure` or `CancellationError`.
    func exchange<Value: Sendable>(
        _ call: RegistryCall,
        _ read: @escaping @Sendable (HTTPClientResponse, WebAddress, Movement) async throws -> Value
    ) async throws -> Value {
        let host = call.address.origin.name
        let idle = Duration.seconds(Int64(max(options.idleSeconds, 1)))
        do {
            return try await watched(idle, else: .silence(of: host)) { movement in
                let (response, address) = try await self.answer(call, movement)
                return try await read(response, address, movement)
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            throw RegistryFailure(network: error, host: host)
        }
    }

    private func answer(
        _ call: RegistryCall, _ movement: Movement
    ) async throws -> (HTTPClientResponse, WebAddress) {
        var address = call.address
        var redirects = 0
        var renewals = 0
        while true {
            let isHome = address.origin == connections.home
            let authorization = isHome ? await authorizer.header : nil
            var headers = HTTPHeaders(call.headers + [("User-Agent", Self.userAgent)])
            if let authorization { headers.add(name: "Authorization", value: authorization) }
            let response = try await connections.send(call.method, address, headers, call.body?(movement))
            movement.addHead()
            if call.accepted.contains(response.status.code) { return (response, address) }
            switch response.status.code {
            case 401 where isHome:
                guard renewals < Self.mostRenewals else { throw RegistryFailure(.denied, "access is denied") }
                renewals += 1
                let challenges = response.headers["WWW-Authenticate"].prefix(8).flatMap(AuthChallenge.parse)
                try await Self.drain(response)
                _ = try await authorizer.renew(authorization, challenges)
            case 301, 302, 303, 307, 308:
                guard redirects < Self.mostRedirects else { throw RegistryFailure(.badRedirect, "too many redirects") }
                redirects += 1
                address = try redirect(call, response, from: address)
                try await Self.drain(response)
            default: throw Self.failure(response, address.origin.name)
            }
        }
    }

    private func redirect(
        _ call: RegistryCall, _ response: HTTPClientResponse, from address: WebAddress
    ) throws -> WebAddress {
        let target = try location(response, from: address)
        // What is being sent goes to the registry, and to nobody else.
        guard call.method == .GET || call.method == .HEAD || target.origin == address.origin else {
            throw RegistryFailure(.badRedirect, "an upload is led to \(target.origin.name)")
        }
        return target
    }

    /// Where an answer leads, if it may.
    func location(_ response: HTTPClientResponse, from address: WebAddress) throws -> WebAddress {
        guard let text = response.headers.first(name: "Location"), let target = address.following(text) else {
            throw RegistryFailure(.badRedirect, "\(address.origin.name) leads to what is no address of the web")
        }
        try connections.check(target, from: address)
        return target
    }

    /// Reads what little a connection has left, so that it can be used again.
    static func drain(_ response: HTTPClientResponse) async throws {
        var rest = 64 << 10
        for try await part in response.body {
            rest -= part.readableBytes
            if rest < 0 { return }
        }
    }

    // MARK: What a status means

    static func failure(_ response: HTTPClientResponse, _ host: String) -> RegistryFailure {
        switch response.status.code {
        case 401, 403: RegistryFailure(.denied, "access is denied")
        case 404: RegistryFailure(.notFound, "not found")
        default: transient(response, host) ?? unexpected(response, host)
        }
    }

    static func unexpected(_ response: HTTPClientResponse, _ host: String) -> RegistryFailure {
        RegistryFailure(.badAnswer, "\(host) answers with status \(response.status.code)")
    }

    /// `nil` unless the status promises that another time may be better.
    static func transient(_ response: HTTPClientResponse, _ host: String) -> RegistryFailure? {
        let code = response.status.code
        let pause = response.headers.first(name: "Retry-After").flatMap { UInt32($0) }.map {
            Duration.seconds(Int64($0))
        }
        switch code {
        case 408: return RegistryFailure(.timeout, "\(host) gave up waiting", isTransient: true, pause: pause)
        case 429:
            return RegistryFailure(
                .tooManyRequests, "\(host) has had too many requests", isTransient: true, pause: pause)
        case 500..<600:
            return RegistryFailure(
                .serverFailed, "\(host) answers with status \(code)", isTransient: true, pause: pause)
        default: return nil
        }
    }

    // MARK: Trying again

    /// Runs `body` until it succeeds, fails for good, or has failed as often as the options say.
    func retrying<Value>(_ body: () async throws -> Value) async throws -> Value {
        var patience = Patience(options)
        while true {
            do { return try await body() } catch let failure as RegistryFailure {
                try await patience.pause(after: failure)
            }
        }
    }

    /// The tries that are left.
    func patience() -> Patience { Patience(options) }
}

/// How often and when something is tried again: after pauses that double, with chance in them so that many clients do
/// not come back at once.
struct Patience {
    private let attempts: UInt32
    private let longest: Duration
    private var failures: UInt32 = 0

    private static let first = Duration.milliseconds(250)
    private static let longestOwn = Duration.seconds(8)

    init(_ options: RegistryRequest.Options) {
        attempts = max(options.attempts, 1)
        longest = .seconds(Int64(max(options.idleSeconds, 1)))
    }

    /// Something has come of it, so the tries are counted anew.
    mutating func renew() { failures = 0 }

    /// Waits before the next try, as long as the registry asks, but not longer than it may be silent.
    /// - Throws: the failure, where there is to be no next try.
    mutating func pause(after failure: RegistryFailure) async throws {
        failures += 1
        guard failure.isTransient, failures < attempts else {
            // Whoever tries something larger again does not multiply the tries.
            var last = failure
            last.isTransient = false
            throw last
        }
        let doubled = Self.first * (1 << min(failures - 1, 10))
        let own = min(doubled, Self.longestOwn) * Double.random(in: 0.5...1)
        try await Task.sleep(for: min(max(own, failure.pause ?? .zero), longest))
    }
}
