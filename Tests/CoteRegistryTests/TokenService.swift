import CoteModel
import CoteSystem
import Foundation
import Glibc

/// A token service for a real registry: hands signed tokens to whoever has the right password.
struct TokenService: Sendable {
    let server: FakeServer
    /// The file of the certificate that its tokens are signed with.
    let certificate: String
    var realm: String { "http://\(server.host)/token" }

    static let user = "builder"
    static let password = "SECRET:word&ß"
    static let identity = "SECRET.identity/token+="

    static func start(_ scene: Scene) async throws -> TokenService {
        let (certificate, key) = try await Certificate.make(scene, "tokens", "DNS:tokens")
        let der = try await scene.tool(["/usr/bin/openssl", "x509", "-in", certificate, "-outform", "DER"])
        let server = try FakeServer(scene) { request, connection in
            guard let scope = Self.scope(request) else { return connection.reply(401) }
            guard let token = try? Self.token(scene, scope: scope, certificate: der, key: key) else {
                return connection.reply(500)
            }
            connection.reply(200, [], #"{"token":"\#(token)","expires_in":300}"#)
        }
        return TokenService(server: server, certificate: certificate)
    }

    /// What is asked for by somebody who may; `nil` for anyone else.
    private static func scope(_ request: FakeServer.Request) -> String? {
        let isRefresh = request.method == "POST"
        let text = isRefresh ? String(decoding: request.body, as: UTF8.self) : request.target
        let fields = URLComponents(string: isRefresh ? "/?" + text : text)?.queryItems ?? []
        func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }
        let basic = "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
        let mayAsk =
            isRefresh
            ? field("grant_type") == "refresh_token" && field("refresh_token") == identity
            : request.headers["authorization"] == basic && field("account") == user
        return mayAsk && field("service") == "test-service" ? field("scope") : nil
    }

    private static func token(
        _ scene: Scene, scope: String, certificate: [UInt8], key: String
    ) throws -> String {
        let parts = scope.split(separator: ":")
        guard parts.count == 3 else { throw CoteError(.internal, "a scope of another form") }
        let actions = parts[2].split(separator: ",").map { "\"\($0)\"" }.joined(separator: ",")
        let now = Int(Date().timeIntervalSince1970)
        let header = #"{"typ":"JWT","alg":"RS256","x5c":["\#(Data(certificate).base64EncodedString())"]}"#
        let claims =
            #"{"iss":"test-issuer","sub":"builder","aud":"test-service","exp":\#(now + 300),"nbf":\#(now - 10),"#
            + #""iat":\#(now),"jti":"\#(SandboxID.random())","access":[{"type":"\#(parts[0])","name":"\#(parts[1])","#
            + #""actions":[\#(actions)]}]}"#
        let text = encoded(Array(header.utf8)) + "." + encoded(Array(claims.utf8))
        let place = scene.path("token-\(SandboxID.random())")
        try Files.create(place, Array(text.utf8))
        let nothing = try Descriptor.open("/dev/null", O_RDWR)
        let words = ["openssl", "dgst", "-sha256", "-sign", key, "-out", place + ".signed", place]
        var request = SpawnRequest("/usr/bin/openssl", words)
        request.descriptors = [nothing.raw, nothing.raw, nothing.raw]
        guard try request.run().wait() == .exited(0) else { throw CoteError(.internal, "openssl") }
        return text + "." + encoded(try Files.read(place + ".signed"))
    }

    private static func encoded(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}

enum Certificate {
    /// A certificate that is signed by itself, and its key, both files in PEM.
    static func make(
        _ scene: Scene, _ name: String, _ alternative: String
    ) async throws -> (certificate: String, key: String) {
        let certificate = scene.path(name + ".crt")
        let key = scene.path(name + ".key")
        try await scene.tool([
            "/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
            "-addext", "subjectAltName=" + alternative, "-keyout", key, "-out", certificate,
        ])
        chmod(certificate, 0o644)
        return (certificate, key)
    }
}
