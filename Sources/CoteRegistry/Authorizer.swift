import AsyncHTTPClient
import CoteModel
import CoteWorker
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// What is sent as `Authorization` to the registry, got from what its 401 asks for: basic credentials, or a token of
/// its token service (the distribution project's token and OAuth2 specifications).
actor Authorizer {
    private let connections: Connections
    private let credentials: RegistryRequest.Credentials?
    private let repository: String
    private let actions: String
    private var current: String?

    init(_ connections: Connections, _ request: RegistryRequest) {
        self.connections = connections
        credentials = request.credentials
        repository = request.repository
        if case .push = request.work { actions = "pull,push" } else { actions = "pull" }
    }

    /// What the last 401 led to; `nil` as long as nothing asked.
    var header: String? { current }

    /// Another value for the header than `rejected`, which another request may have got meanwhile.
    func renew(_ rejected: String?, _ challenges: [AuthChallenge]) async throws -> String {
        if let current, current != rejected { return current }
        let value = try await obtain(challenges, rejected)
        current = value
        return value
    }

    private func obtain(_ challenges: [AuthChallenge], _ rejected: String?) async throws -> String {
        if let bearer = challenges.first(where: { $0.scheme == "bearer" }) { return try await token(bearer) }
        guard challenges.contains(where: { $0.scheme == "basic" }) else {
            throw RegistryFailure(.denied, "access is denied, and how to ask for it is not said")
        }
        guard case .password(let user, let password)? = credentials else {
            throw RegistryFailure(.denied, "a user and a password are needed")
        }
        let header = Self.basic(user, password)
        guard header != rejected else { throw RegistryFailure(.denied, "the user or the password is wrong") }
        return header
    }

    private static func basic(_ user: String, _ password: String) -> String {
        "Basic " + Data((user + ":" + password).utf8).base64EncodedString()
    }

    // MARK: Tokens

    private func token(_ challenge: AuthChallenge) async throws -> String {
        let home = WebAddress(connections.home, "/")
        guard let realm = challenge.parameters["realm"].flatMap({ home.following($0) }) else {
            throw RegistryFailure(.badAnswer, "the address of the token service cannot be read")
        }
        try connections.check(realm, from: home)
        // Over plain HTTP a secret goes no further than it would to the registry itself.
        guard
            !realm.origin.isPlain || realm.origin.host == home.origin.host
                || AddressZone(host: realm.origin.host) == .loopback
        else { throw RegistryFailure(.badRedirect, "the token service \(realm.origin.name) is without TLS") }
        var fields: [(String, String)] = []
        if let service = challenge.parameters["service"], !service.isEmpty { fields.append(("service", service)) }
        fields.append(("scope", scope(challenge.parameters["scope"])))
        let response = try await ask(realm, fields)
        guard response.status == .ok else { throw Self.failure(response, realm.origin.name) }
        return "Bearer " + (try await Self.token(in: response))
    }

    /// What the registry names, but for its own repository all that this errand will do there: requests side by side
    /// need different rights, and one token is for all of them.
    private func scope(_ named: String?) -> String {
        let own = "repository:\(repository):"
        guard let named, !named.isEmpty else { return own + actions }
        return named.split(separator: " ").map { $0.hasPrefix(own) ? own + actions : String($0) }.joined(separator: " ")
    }

    private func ask(_ realm: WebAddress, _ fields: [(String, String)]) async throws -> HTTPClientResponse {
        var headers = HTTPHeaders([("User-Agent", RegistryClient.userAgent), ("Accept", "application/json")])
        switch credentials {
        case .identityToken(let token)?:
            let grant = [("grant_type", "refresh_token"), ("client_id", "cote"), ("refresh_token", token)]
            headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            let body = ByteBuffer(string: Self.form(grant + fields))
            return try await connections.send(.POST, realm, headers, .bytes(body))
        case .password(let user, let password)?:
            headers.add(name: "Authorization", value: Self.basic(user, password))
            return try await connections.send(.GET, realm.adding(Self.form([("account", user)] + fields)), headers)
        case nil:
            return try await connections.send(.GET, realm.adding(Self.form(fields)), headers)
        }
    }

    private static func failure(_ response: HTTPClientResponse, _ host: String) -> RegistryFailure {
        switch response.status.code {
        case 400, 401, 403, 404: RegistryFailure(.denied, "the token service \(host) refuses")
        case 300..<400: RegistryFailure(.badRedirect, "the token service \(host) leads elsewhere")
        default: RegistryClient.transient(response, host) ?? RegistryClient.unexpected(response, host)
        }
    }

    private struct TokenAnswer: Decodable {
        var token: String?
        var access_token: String?
    }

    private static let longestAnswer = 1 << 20
    private static let longestToken = 64 << 10

    private static func token(in response: HTTPClientResponse) async throws -> String {
        var bytes: [UInt8] = []
        for try await part in response.body {
            bytes.append(contentsOf: part.readableBytesView)
            guard bytes.count <= longestAnswer else { throw RegistryFailure(.badAnswer, "the token is too long") }
        }
        let answer = try? JSONDecoder().decode(TokenAnswer.self, from: Data(bytes))
        guard let token = answer?.token ?? answer?.access_token, !token.isEmpty, token.utf8.count <= longestToken,
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw RegistryFailure(.badAnswer, "the token service gives no token") }
        return token
    }

    /// `application/x-www-form-urlencoded`, which a query takes too.
    static func form(_ fields: [(String, String)]) -> String {
        fields.map { "\(escaped($0.0))=\(escaped($0.1))" }.joined(separator: "&")
    }

    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: result.append(byte)
            default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
