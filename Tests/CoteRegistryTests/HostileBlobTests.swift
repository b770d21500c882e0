import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Synchronization
import Testing

@Suite struct `A registry that lies about a blob` {
    private static let bytes: [UInt8] = {
        var random = SeededRandom(seed: 3)
        return random.bytes(100_000)
    }()
    private static let half = Array(bytes[..<50_000])

    @Test(arguments: lies)
    func `is refused for just that, and never fills the disk`(_ lie: Lie) async throws {
        try await lie.meet(.pull([.init(Self.bytes)]))
    }

    @Test func `never gets more of the disk than the blob's size`() async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene) { _, connection in
                connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                while connection.send([UInt8](repeating: 1, count: 1 << 16)) {}
            }
            let file = try scene.file("blob")
            let outcome = try await Errand.run(scene, .test(server.host, .pull([.init(Self.bytes)])), [file])
            #expect(outcome.refusal == .wrongContent)
            #expect(try file.descriptor.fileSize() <= UInt64(Self.bytes.count))
        }
    }

    /// Answers with the blob from where a range begins, but at most `most` bytes of it, and then hangs up.
    private static func part(_ request: FakeServer.Request, _ connection: Connection, most: Int) {
        let first = request.headers["range"].flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
        let head = first == 0 ? "200 OK" : "206 Partial\r\nContent-Range: bytes \(first)-99999/100000"
        connection.send("HTTP/1.1 \(head)\r\nContent-Length: \(bytes.count - first)\r\n\r\n")
        connection.send(Array(bytes[first..<min(first + most, bytes.count)]))
        if first + most < bytes.count { connection.close() }
    }

    private func pull(
        present: [UInt8] = [], attempts: UInt32 = 3, _ answer: @escaping Lie.Answer
    ) async throws -> (Errand.Outcome, [FakeServer.Request], [UInt8]) {
        try await Scene.with { scene in
            let server = try FakeServer(scene, answer)
            let file = try scene.file("blob", present)
            let request = RegistryRequest.test(
                server.host, .pull([.init(Self.bytes, present: UInt64(present.count))]), credentials: Lie.secret
            ) { $0.attempts = attempts }
            let outcome = try await Errand.run(scene, request, [file])
            return (outcome, server.requests, try scene.content("blob"))
        }
    }

    @Test func `by hanging up is asked for the rest`() async throws {
        let (outcome, requests, content) = try await pull(attempts: 20) { Self.part($0, $1, most: 40_000) }
        #expect(outcome.isDone, "\(outcome.message)")
        #expect(content == Self.bytes)
        // Of what was on its way when the connection broke, some may be lost; of what is here nothing is asked again.
        let starts = requests.map { $0.headers["range"].flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0 }
        #expect(starts.first == 0 && starts.count >= 3 && starts == starts.sorted())
    }

    @Test func `that has no parts sends the whole, and the file starts over`() async throws {
        let (outcome, requests, content) = try await pull(present: [UInt8](repeating: 9, count: 60_000)) {
            $1.reply(200, [], Self.bytes)
        }
        #expect(outcome.isDone && requests.count == 1 && content == Self.bytes)
    }

    @Test func `that has nothing after what is here is asked once more for all`() async throws {
        let (outcome, requests, content) = try await pull(present: Self.half) { request, connection in
            if request.headers["range"] != nil { connection.reply(416) } else { connection.reply(200, [], Self.bytes) }
        }
        #expect(outcome.isDone && requests.count == 2 && content == Self.bytes)
    }

    @Test func `gets one fresh try when the beginning was of another blob, and no more`() async throws {
        let other = [UInt8](repeating: 9, count: 60_000)
        let (good, requests, content) = try await pull(present: other) { Self.part($0, $1, most: 100_000) }
        #expect(good.isDone && requests.count == 2 && content == Self.bytes)
        let (bad, more, _) = try await pull(present: other) { request, connection in
            let first = request.headers["range"] == nil ? 0 : 60_000
            let head = [("Content-Range", "bytes \(first)-99999/100000")]
            connection.reply(first == 0 ? 200 : 206, head, [UInt8](repeating: 9, count: 100_000 - first))
        }
        #expect(bad.refusal == .wrongContent && more.count == 2)
    }

    @Test func `may keep blobs elsewhere, where no credential is sent`() async throws {
        try await Scene.with { scene in
            let storage = try FakeServer(scene) { $1.reply(200, [], Self.bytes) }
            let elsewhere = "http://localhost:\(storage.port)/blob?signature=SECRET"
            let server = try FakeServer(scene) { request, connection in
                if request.headers["authorization"] == nil {
                    connection.reply(401, [("WWW-Authenticate", "Basic realm=\"r\"")])
                } else {
                    connection.reply(307, [("Location", elsewhere)])
                }
            }
            let request = RegistryRequest.test(
                server.host, .pull([.init(Self.bytes)]), credentials: Lie.secret)
            let outcome = try await Errand.run(scene, request, [try scene.file("blob")])
            #expect(outcome.isDone, "\(outcome.message)")
            #expect(server.requests.map { $0.headers["authorization"] != nil } == [false, true])
            #expect(storage.requests.map(\.target) == ["/blob?signature=SECRET"])
            #expect(storage.requests.first?.headers["authorization"] == nil)
            #expect(!(outcome.text + outcome.log).contains("SECRET"))
            #expect(try scene.content("blob") == Self.bytes)
        }
    }

    @Test func `about one of many ends the others too`() async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene) { request, connection in
                if request.target.hasSuffix(Digest.of([1]).text) {
                    connection.reply(200, [], [2])
                } else {
                    connection.peerIsGone()
                }
            }
            let blobs = (1...3).map { RegistryRequest.Blob([UInt8($0)], descriptor: CInt(2 + $0)) }
            let files = try (1...3).map { try scene.file("blob-\($0)") }
            let outcome = try await Errand.run(scene, .test(server.host, .pull(blobs)), files)
            #expect(outcome.refusal == .wrongContent)
            #expect(outcome.message.hasPrefix("\(server.host)/team/app@\(Digest.of([1])): "))
        }
    }

    private static let lies: [Lie] = [
        Lie("other bytes", .wrongContent) { $1.reply(200, [], [UInt8](repeating: 0, count: 100_000)) },
        Lie("a larger size announced", .wrongContent) { $1.reply(200, [("Content-Length", "100001")], bytes + [0]) },
        Lie("a smaller size announced", .wrongContent) { $1.reply(200, [], half) },
        Lie("endless, in chunks", .wrongContent) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while connection.send(Array("100000\r\n".utf8) + [UInt8](repeating: 0x20, count: 1 << 20) + [13, 10]) {}
        },
        Lie("always short, in chunks", .wrongContent, most: 4) { request, connection in
            if request.headers["range"] == nil {
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc350\r\n")
                connection.send(half + Array("\r\n0\r\n\r\n".utf8))
            } else {
                let part = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 50000-99999/100000\r\n"
                connection.send(part + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
            }
        },
        Lie("hangs up before the first byte", .unreachable, most: 2) { part($0, $1, most: 0) },
        Lie("silence in the middle", .timeout, most: 2, change: Lie.hasty) { request, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            connection.peerIsGone()
        },
        Lie("a byte now and then", .timeout, most: 2, change: Lie.hasty) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while !connection.peerIsGone(after: 50) { connection.send("x") }
        },
        Lie("a part that nobody asked for", .badAnswer) {
            $1.reply(206, [("Content-Range", "bytes 5-99999/100000")], half)
        },
        Lie("another part than was asked for", .badAnswer, most: 2) { request, connection in
            if request.headers["range"] == nil { return part(request, connection, most: 50_000) }
            connection.reply(206, [("Content-Range", "bytes 0-49999/100000")], half)
        },
        Lie("compressed on the way", .wrongContent) { $1.reply(200, [("Content-Encoding", "gzip")], half) },
        Lie("500 for ever", .serverFailed, most: 2) { $1.reply(500) },
        Lie("404", .notFound) { $1.reply(404) },
        Lie("leads to the cloud's metadata", .badRedirect) { $1.reply(307, [("Location", "http://169.254.169.254/")]) },
    ]
}
