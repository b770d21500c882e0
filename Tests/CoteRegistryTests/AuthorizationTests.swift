import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Foundation
import Glibc
import Synchronization
import Testing

@Suite struct Authorization {
    private func push(
        _ scene: Scene, _ host: String, _ credentials: RegistryRequest.Credentials?
    ) async throws -> Errand.Outcome {
        let sample = try await Sample.make(scene, seed: UInt64.random(in: 0...UInt64.max), layerSize: 1000)
        let (work, files) = try sample.push(scene, tag: "one")
        let outcome = try await Errand.run(scene, .test(host, work, credentials: credentials), files)
        #expect(!(outcome.text + outcome.log).contains("SECRET"))
        return outcome
    }

    @Test(.requires(.registry)) func `by user and password is what a real registry asks for`() async throws {
        try await Scene.with { scene in
            let line = try await scene.tool(["/usr/bin/htpasswd", "-nbB", "builder", "SECRET:word"])
            try Files.create(scene.path("htpasswd"), line)
            let registry = try await RealRegistry.start(scene, .basic(scene.path("htpasswd")))
            let right = RegistryRequest.Credentials.password(user: "builder", password: "SECRET:word")
            let outcome = try await push(scene, registry.host, right)
            #expect(outcome.isDone, "\(outcome.message)")
            let wrong = try await push(scene, registry.host, .password(user: "builder", password: "SECRET"))
            #expect(wrong.refusal == .denied && wrong.message.contains("the user or the password is wrong"))
            let anonymous = try await push(scene, registry.host, nil)
            #expect(anonymous.refusal == .denied && anonymous.message.contains("a user and a password are needed"))
        }
    }

    @Test(.requires(.registry)) func `by token is what a real registry asks for`() async throws {
        try await Scene.with { scene in
            let service = try await TokenService.start(scene)
            let registry = try await RealRegistry.start(
                scene, .token(realm: service.realm, certificate: service.certificate))
            for credentials: RegistryRequest.Credentials in [
                .password(user: TokenService.user, password: TokenService.password),
                .identityToken(TokenService.identity),
            ] {
                let outcome = try await push(scene, registry.host, credentials)
                #expect(outcome.isDone, "\(outcome.message)")
                let request = RegistryRequest.test(
                    registry.host, .resolve(reference: "one", into: 3), credentials: credentials)
                let file = try scene.file("manifest-\(credentials)".filter { $0.isLetter })
                #expect(try await Errand.run(scene, request, [file]).isDone)
            }
            for credentials: RegistryRequest.Credentials? in [
                nil, .password(user: TokenService.user, password: "SECRET"), .identityToken("SECRET"),
            ] {
                #expect(try await push(scene, registry.host, credentials).refusal == .denied)
            }
        }
    }

    @Test func `without credentials takes the token that everybody gets`() async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene) { request, connection in
                if request.target.hasPrefix("/token") { return connection.reply(200, [], #"{"access_token":"t"}"#) }
                if request.headers["authorization"] == "Bearer t" { return connection.reply(200, [], "{}") }
                let scope = "repository:team/app:pull repository:a&b=c#d:pull"
                connection.reply(
                    401, [("WWW-Authenticate", "Basic realm=\"x, y\", Bearer realm=\"/token?a=b\",scope=\"\(scope)\"")])
            }
            let outcome = try await Errand.run(scene, .resolve(server.host), [try scene.file("manifest")])
            #expect(outcome.isDone, "\(outcome.message)")
            let asked = try #require(server.requests.first { $0.target.hasPrefix("/token") })
            #expect(asked.headers["authorization"] == nil)
            let scope = "repository%3Ateam%2Fapp%3Apull%20repository%3Aa%26b%3Dc%23d%3Apull"
            #expect(asked.target == "/token?a=b&scope=\(scope)")
        }
    }

    @Test func `by a token that is over gets another, and many requests share one`() async throws {
        try await Scene.with { scene in
            let issued = Mutex(0)
            let used = Mutex(0)
            let bytes = Array("blob".utf8)
            let server = try FakeServer(scene) { request, connection in
                if request.target.hasPrefix("/token") {
                    let number = issued.withLock {
                        $0 += 1; return $0
                    }
                    used.withLock { $0 = 0 }
                    return connection.reply(200, [], #"{"token":"t\#(number)"}"#)
                }
                // Each token is good for three requests.
                let isGood = request.headers["authorization"] == "Bearer t\(issued.withLock { $0 })"
                if isGood,
                    used.withLock({
                        $0 += 1; return $0 <= 3
                    })
                {
                    return connection.reply(200, [], bytes)
                }
                connection.reply(401, [("WWW-Authenticate", "Bearer realm=\"/token\"")])
            }
            let files = try (0..<9).map { try scene.file("blob-\($0)") }
            let blobs = (0..<9).map { RegistryRequest.Blob(bytes, descriptor: 3 + CInt($0)) }
            let outcome = try await Errand.run(
                scene, .test(server.host, .pull(blobs)) { $0.parallel = 1 }, files)
            #expect(outcome.isDone, "\(outcome.message)")
            #expect(issued.withLock { $0 } == 3)
        }
    }

    @Test func `for a push is asked for once, with all that it needs`() async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene) { request, connection in
                if request.target.hasPrefix("/token") {
                    let isWhole = request.target.hasSuffix("scope=repository%3Ateam%2Fapp%3Apull%2Cpush")
                    return connection.reply(200, [], #"{"token":"\#(isWhole ? "good" : "bad")"}"#)
                }
                if request.headers["authorization"] == "Bearer good" { return connection.reply(200) }
                let challenge = "Bearer realm=\"/token\",scope=\"repository:team/app:pull\""
                connection.reply(401, [("WWW-Authenticate", challenge)])
            }
            let push = RegistryRequest.test(server.host, .push([.init([1])], manifests: []))
            #expect(try await Errand.run(scene, push, [try scene.file("blob", [1])]).isDone)
            #expect(server.requests.count == 3)
        }
    }

    @Test func `is not sent along to another host, not even to another port of the same`() async throws {
        try await Scene.with { scene in
            let other = try FakeServer(scene) { request, connection in
                // Whoever is sent here is asked for its password again.
                connection.reply(401, [("WWW-Authenticate", "Basic realm=\"r\"")])
            }
            let server = try FakeServer(scene) { request, connection in
                guard request.headers["authorization"] != nil else {
                    return connection.reply(401, [("WWW-Authenticate", "Basic realm=\"r\"")])
                }
                connection.reply(307, [("Location", "http://\(other.host)/")])
            }
            let request = RegistryRequest.test(
                server.host, .resolve(reference: "1", into: 3), credentials: Lie.secret)
            let outcome = try await Errand.run(scene, request, [try scene.file("manifest")])
            #expect(outcome.refusal == .denied)
            #expect(other.requests.count == 1 && other.requests.first?.headers["authorization"] == nil)
        }
    }

    @Test(arguments: lies)
    func `that lies is refused for just that`(_ lie: Lie) async throws {
        try await lie.meet(.resolve(reference: "1", into: 3))
    }

    /// A registry that answers everything but its token service with a challenge.
    private static func asking(
        _ name: String, _ refusal: RegistryRefusal, most: Int, _ challenge: String,
        change: @escaping @Sendable (inout RegistryRequest.Options) -> Void = { _ in },
        token: @escaping @Sendable (Connection) -> Void = { $0.reply(200, [], #"{"token":"t"}"#) }
    ) -> Lie {
        Lie(name, refusal, most: most, change: change) { request, connection in
            if request.target.hasPrefix("/token") { return token(connection) }
            connection.reply(401, challenge.isEmpty ? [] : [("WWW-Authenticate", challenge)], "SECRET")
        }
    }

    private static func tokens(
        _ name: String, _ refusal: RegistryRefusal, most: Int = 2,
        change: @escaping @Sendable (inout RegistryRequest.Options) -> Void = { _ in },
        _ token: @escaping @Sendable (Connection) -> Void
    ) -> Lie {
        asking("token: " + name, refusal, most: most, "Bearer realm=\"/token\"", change: change, token: token)
    }

    private static let lies: [Lie] = [
        asking("401 without a word", .denied, most: 1, ""),
        asking("401 for ever", .denied, most: 2, "Basic realm=\"r\""),
        asking("401 for ever, with tokens", .denied, most: 5, "Bearer realm=\"/token\",service=\"s\""),
        asking("a scheme that nobody knows", .denied, most: 1, "Negotiate"),
        asking("no end of a text", .denied, most: 1, "Unknown realm=\"\\\"\\\\"),
        asking(
            "a challenge that is too long", .denied, most: 1, "Basic realm=\"\(String(repeating: "x", count: 9000))\""),
        asking("no realm", .badAnswer, most: 1, "Bearer service=\"s\""),
        asking("a realm that is a file", .badAnswer, most: 1, "Bearer realm=\"file:///etc/passwd\""),
        asking("a realm with a user", .badAnswer, most: 1, "Bearer realm=\"http://a:b@127.0.0.1/token\""),
        asking("a realm elsewhere without TLS", .badRedirect, most: 1, "Bearer realm=\"http://tokens.example/token\""),
        asking(
            "a realm at the cloud's metadata", .badRedirect, most: 1, "Bearer realm=\"http://169.254.169.254/token\""),
        asking(
            "a realm at the cloud's metadata, with TLS", .badRedirect, most: 1,
            "Bearer realm=\"https://169.254.169.254/\""),
        tokens("endless", .badAnswer) { connection in
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"token\":\"")
            while connection.send([UInt8](repeating: 0x78, count: 1 << 16)) {}
        },
        tokens("none", .badAnswer) { $0.reply(200, [], "{}") },
        tokens("no JSON", .badAnswer) { $0.reply(200, [], "<html>") },
        tokens("deep JSON", .badAnswer) { $0.reply(200, [], String(repeating: "[", count: 500_000)) },
        tokens("of several lines", .badAnswer) { $0.reply(200, [], #"{"token":"a\r\nX-Evil: b"}"#) },
        tokens("too long", .badAnswer) { $0.reply(200, [], #"{"token":"\#(String(repeating: "x", count: 70_000))"}"#) },
        tokens("refused", .denied) { $0.reply(401) },
        tokens("led elsewhere", .badRedirect) { $0.reply(302, [("Location", "/token2")]) },
        tokens("500", .serverFailed, most: 4) { $0.reply(500) },
        tokens("429", .tooManyRequests, most: 4) { $0.reply(429) },
        tokens("silence", .timeout, most: 4, change: Lie.hasty) { $0.peerIsGone() },
    ]
}
