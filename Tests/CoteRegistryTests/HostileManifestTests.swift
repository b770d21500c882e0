import CoteModel
import CoteWorker
import Testing

@Suite struct `A registry that lies about a manifest` {
    private static let body = Array(#"{"schemaVersion":2}"#.utf8)
    private static let type = [("Content-Type", "application/vnd.oci.image.index.v1+json")]

    @Test(arguments: answers + statuses + redirects)
    func `is refused for just that`(_ lie: Lie) async throws {
        try await lie.meet(.resolve(reference: "1", into: 3))
    }

    @Test func `whose bytes are not those of the digest that was asked for is refused`() async throws {
        let wanted = Digest.of([1, 2, 3])
        let lie = Lie("other bytes", .wrongContent) { $1.reply(200, Self.type, Self.body) }
        try await lie.meet(.resolve(reference: wanted.text, into: 3))
    }

    @Test(arguments: [
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "application/vnd.docker.distribution.manifest.v1+prettyjws"
        ),
        ("Text/HTML; charset=utf-8", "text/html"), ("", ""), ("a\"b", ""), (String(repeating: "x", count: 300), ""),
    ])
    func `about its type has that passed on`(_ sent: String, _ type: String) async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene) { _, connection in
                connection.reply(200, sent.isEmpty ? [] : [("Content-Type", sent)], Self.body)
            }
            let outcome = try await Errand.run(scene, .resolve(server.host), [try scene.file("file")])
            #expect(outcome.isDone)
            #expect(outcome.manifest?.mediaType == type)
            #expect(try scene.content("file") == Self.body)
            let accepted = try #require(server.requests.first?.headers["accept"])
            #expect(accepted.contains("application/vnd.") && server.requests.count == 1)
        }
    }

    private static let answers: [Lie] = [
        Lie("another digest in the header", .wrongContent) { _, connection in
            connection.reply(200, type + [("Docker-Content-Digest", Digest.of([]).text)], body)
        },
        Lie("a digest in the header that is none", .wrongContent) { _, connection in
            connection.reply(200, type + [("Docker-Content-Digest", "sha256:abc")], body)
        },
        Lie("100 MB announced", .tooLarge) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while connection.send([UInt8](repeating: 0x20, count: 1 << 20)) {}
        },
        Lie("endless, in chunks", .tooLarge) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while connection.send(Array("100000\r\n".utf8) + [UInt8](repeating: 0x20, count: 1 << 20) + [13, 10]) {}
        },
        Lie("endless, without a length", .tooLarge) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            while connection.send([UInt8](repeating: 0x20, count: 1 << 20)) {}
        },
        Lie("endless headers", .badAnswer) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\n")
            while connection.send("X-Header: \(String(repeating: "x", count: 1000))\r\n") {}
        },
        Lie("one endless header", .badAnswer) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nX-Header: ")
            while connection.send([UInt8](repeating: 0x78, count: 1 << 16)) {}
        },
        Lie("no HTTP", .badAnswer) { _, connection in
            connection.send("SSH-2.0-OpenSSH_9.2\r\n")
            connection.close()
        },
        Lie("a chunk of no length", .badAnswer) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            connection.peerIsGone()
        },
        Lie("two lengths", .badAnswer) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
            connection.peerIsGone()
        },
        Lie("closed at once", .unreachable, most: 2) { $1.close() },
        Lie("less than was announced", .unreachable, most: 2) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            connection.close()
        },
        Lie("silence", .timeout, most: 2, change: Lie.hasty) { $1.peerIsGone() },
        Lie("silence in the middle", .timeout, most: 2, change: Lie.hasty) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            connection.peerIsGone()
        },
        Lie("a byte of the head now and then", .timeout, most: 2, change: Lie.hasty) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nX-Header: ")
            while !connection.peerIsGone(after: 50) { connection.send("x") }
        },
        Lie("a byte of the body now and then", .timeout, most: 2, change: Lie.hasty) { _, connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
            while !connection.peerIsGone(after: 50) { connection.send("x") }
        },
    ]

    private static let statuses: [Lie] = [
        Lie("404", .notFound) { $1.reply(404, [], "<html>\u{1b}[2J") },
        Lie("403", .denied) { $1.reply(403) },
        Lie("418", .badAnswer) { $1.reply(418) },
        Lie("204", .badAnswer) { $1.reply(204) },
        Lie("408 for ever", .timeout, most: 2) { $1.reply(408) },
        Lie("500 for ever", .serverFailed, most: 3, change: { $0.attempts = 3 }, { $1.reply(500, [], "SECRET") }),
        Lie("503 with a length that lies", .serverFailed, most: 2) { $1.reply(503, [("Content-Length", "1000")]) },
        Lie("429 for ever", .tooManyRequests, most: 3, change: { $0.attempts = 3 }, { $1.reply(429) }),
        Lie("429 until next year", .tooManyRequests, most: 2, change: Lie.hasty) {
            $1.reply(429, [("Retry-After", "31536000")])
        },
        Lie("429 until nobody knows", .tooManyRequests, most: 2) {
            $1.reply(429, [("Retry-After", "99999999999999999999")])
        },
    ]

    private static func redirect(_ name: String, _ location: String, most: Int = 1) -> Lie {
        Lie("redirect \(name)", .badRedirect, most: most) { $1.reply(307, [("Location", location)]) }
    }

    private static let redirects: [Lie] = [
        redirect("to itself, for ever", "/v2/team/app/manifests/1", most: 6),
        Lie("redirect round in a circle", .badRedirect, most: 6) { request, connection in
            connection.reply(302, [("Location", request.target.hasSuffix("a") ? "b" : "a")])
        },
        Lie("redirect without an address", .badRedirect) { $1.reply(302) },
        redirect("to a file", "file:///etc/passwd"), redirect("to another protocol", "ftp://example.com/a"),
        redirect("to a script", "javascript:alert(1)"), redirect("to what has a user", "http://user:word@127.0.0.1/"),
        redirect("to no host", "http:///a"), redirect("to a port that is none", "http://127.0.0.1:99999/"),
        redirect("to the cloud's metadata", "http://169.254.169.254/latest/meta-data/"),
        redirect("to the cloud's metadata in other words", "http://2852039166/latest/"),
        redirect("to the link", "http://[fe80::1]/"),
        redirect("to the mapped link", "http://[::ffff:169.254.169.254]/"),
        redirect("with a zone", "http://[fe80::1%25eth0]/"),
        redirect("to an address that is too long", "/" + String(repeating: "a", count: 10_000)),
    ]
}
