import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Synchronization
import Testing

@Suite struct `A registry that lies about an upload` {
    private static let bytes: [UInt8] = {
        var random = SeededRandom(seed: 4)
        return random.bytes(100_000)
    }()
    private static let started = [("Location", "/upload")]

    @Test(arguments: lies)
    func `is refused for just that`(_ lie: Lie) async throws {
        try await lie.meet(.push([.init(Self.bytes)], manifests: []), Self.bytes)
    }

    /// An honest registry, but for what `answer` says first; it answers a request when it gives true.
    private static func lie(
        _ name: String, _ refusal: RegistryRefusal, most: Int,
        change: @escaping @Sendable (inout RegistryRequest.Options) -> Void = { _ in },
        _ answer: @escaping @Sendable (FakeServer.Request, Connection) -> Bool
    ) -> Lie {
        Lie(name, refusal, most: most, change: change) { request, connection in
            if !answer(request, connection) { honest(request, connection) }
        }
    }

    private static func honest(_ request: FakeServer.Request, _ connection: Connection) {
        switch request.method {
        case "HEAD": connection.reply(404)
        case "POST": connection.reply(202, started)
        case "PATCH":
            let end = request.headers["content-range"]?.split(separator: "-").last ?? "0"
            connection.reply(202, started + [("Range", "0-\(end)")])
        case "PUT": connection.reply(201)
        default: connection.reply(404)
        }
    }

    private func push(
        _ scene: Scene, _ server: FakeServer, chunkSize: UInt64 = 30_000, file: [UInt8]? = nil
    ) async throws -> Errand.Outcome {
        let request = RegistryRequest.test(server.host, .push([.init(Self.bytes)], manifests: [])) {
            $0.chunkSize = chunkSize
            $0.attempts = 3
        }
        return try await Errand.run(scene, request, [try scene.file("blob", file ?? Self.bytes)])
    }

    private func ranges(_ server: FakeServer) -> [String] {
        server.requests.compactMap { $0.method == "PATCH" ? $0.headers["content-range"] : nil }
    }

    @Test func `by failing in the middle of a piece is sent the rest of it`() async throws {
        try await Scene.with { scene in
            let failures = Mutex(1)
            let server = try FakeServer(scene) { request, connection in
                if request.method == "GET" { return connection.reply(204, Self.started + [("Range", "0-44999")]) }
                let isSecond = request.headers["content-range"]?.hasPrefix("30000-") == true
                if isSecond,
                    failures.withLock({
                        $0 -= 1; return $0 == 0
                    })
                {
                    return connection.reply(500)
                }
                Self.honest(request, connection)
            }
            let outcome = try await push(scene, server)
            #expect(outcome.isDone, "\(outcome.message)")
            #expect(ranges(server) == ["0-29999", "30000-59999", "45000-74999", "75000-99999"])
        }
    }

    @Test func `by taking less than was sent is sent what it lacks`() async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene) { request, connection in
                if request.headers["content-range"] == "0-29999" {
                    return connection.reply(202, Self.started + [("Range", "0-9999")])
                }
                Self.honest(request, connection)
            }
            #expect(try await push(scene, server).isDone)
            #expect(ranges(server) == ["0-29999", "10000-39999", "40000-69999", "70000-99999"])
        }
    }

    @Test func `by forgetting it gets a new one`() async throws {
        try await Scene.with { scene in
            let failures = Mutex(2)
            let server = try FakeServer(scene) { request, connection in
                let isSecond = request.headers["content-range"]?.hasPrefix("30000-") == true
                switch isSecond
                    ? failures.withLock({
                        $0 -= 1; return $0
                    }) : -1
                {
                case 1: connection.close()
                case 0: connection.reply(404)
                default: Self.honest(request, connection)
                }
            }
            let outcome = try await push(scene, server)
            #expect(outcome.isDone, "\(outcome.message)")
            #expect(server.requests.count { $0.method == "POST" } == 3)
        }
    }

    @Test func `that had the answer lost is asked whether it has the blob`() async throws {
        try await Scene.with { scene in
            let isStored = Mutex(false)
            let server = try FakeServer(scene) { request, connection in
                switch request.method {
                case "HEAD" where isStored.withLock({ $0 }): connection.reply(200)
                case "PUT" where isStored.withLock({ $0 }): connection.reply(404)
                case "PUT":
                    isStored.withLock { $0 = true }
                    connection.close()
                default: Self.honest(request, connection)
                }
            }
            let outcome = try await push(scene, server)
            #expect(outcome.events.suffix(2) == [.blob(digest: .of(Self.bytes), wasPresent: false), .done])
        }
    }

    @Test(arguments: [
        ("shorter", Array(bytes.dropLast())),
        ("of other bytes", Array(bytes.dropLast()) + [bytes[0] ^ bytes[99_999] ^ 1]),
    ])
    func `is never told of a file that is not what it should be`(_ name: String, _ file: [UInt8]) async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene, Self.honest)
            let outcome = try await push(scene, server, file: file)
            #expect(outcome.refusal == .localFile)
            #expect(!server.requests.contains { $0.method == "PUT" })
        }
    }

    @Test func `of a manifest is refused, and one that is wrong here is not sent`() async throws {
        let manifest = Array(#"{"schemaVersion":2}"#.utf8)
        for (claimed, sent, refusal) in [
            (Digest.of([1]), manifest, RegistryRefusal.wrongContent), (Digest.of(manifest), [1], .localFile),
            (Digest.of(manifest), [UInt8](repeating: 1, count: 5 << 20), .localFile),
        ] {
            try await Scene.with { scene in
                let server = try FakeServer(scene) { $1.reply(201, [("Docker-Content-Digest", claimed.text)]) }
                let pushed = RegistryRequest.Manifest(
                    digest: .of(manifest), mediaType: Sample.manifestType, tag: "1", descriptor: 3)
                let request = RegistryRequest.test(server.host, .push([], manifests: [pushed]))
                let outcome = try await Errand.run(scene, request, [try scene.file("manifest", sent)])
                #expect(outcome.refusal == refusal)
                #expect(outcome.message.hasPrefix("\(server.host)/team/app:1: "))
                #expect(server.requests.count == (refusal == .localFile ? 0 : 1))
            }
        }
    }

    private static let lies: [Lie] = [
        lie("no place to send to", .badRedirect, most: 2) { request, connection in
            if request.method == "POST" { connection.reply(202) }
            return request.method == "POST"
        },
        lie("a place at the cloud's metadata", .badRedirect, most: 2) { request, connection in
            if request.method == "POST" { connection.reply(202, [("Location", "http://169.254.169.254/")]) }
            return request.method == "POST"
        },
        lie("more than was sent", .badAnswer, most: 3) { request, connection in
            if request.method == "PATCH" { connection.reply(202, started + [("Range", "0-100000")]) }
            return request.method == "PATCH"
        },
        lie("more than there is", .badAnswer, most: 3) { request, connection in
            if request.method == "PATCH" { connection.reply(202, started + [("Range", "0-99999999999999999999")]) }
            return request.method == "PATCH"
        },
        lie("pieces led elsewhere", .badRedirect, most: 3) { request, connection in
            if request.method == "PATCH" { connection.reply(307, [("Location", "http://127.0.0.1:1/")]) }
            return request.method == "PATCH"
        },
        lie("500 for every piece", .serverFailed, most: 12) { request, connection in
            if request.method == "PATCH" { connection.reply(500) }
            return request.method == "PATCH"
        },
        lie("500 for every question", .serverFailed, most: 12) { request, connection in
            connection.reply(500)
            return true
        },
        lie("less each time", .serverFailed, most: 40) { request, connection in
            if request.method == "PATCH" { connection.reply(202, started + [("Range", "0-0")]) }
            return request.method == "PATCH"
        },
        lie("the same place for ever", .serverFailed, most: 60) { request, connection in
            if request.method == "PATCH" { connection.reply(202, started + [("Range", "0-9")]) }
            return request.method == "PATCH"
        },
        lie("it takes nothing", .timeout, most: 9, change: Lie.hasty) { request, connection in
            if request.method == "PATCH" { connection.peerIsGone() }
            return request.method == "PATCH"
        },
        lie("another digest", .wrongContent, most: 4) { request, connection in
            if request.method == "PUT" { connection.reply(201, [("Docker-Content-Digest", Digest.of([]).text)]) }
            return request.method == "PUT"
        },
        lie("wrong digest, it says", .wrongContent, most: 4) { request, connection in
            if request.method == "PUT" { connection.reply(400) }
            return request.method == "PUT"
        },
        lie("uploads not allowed", .denied, most: 2) { request, connection in
            if request.method == "POST" { connection.reply(403) }
            return request.method == "POST"
        },
    ]
}
