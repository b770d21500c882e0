import CoteModel
import CoteTestSupport
import CoteWorker
import NIOCore
import NIOHTTP1
import Testing

@testable import CoteRegistry

@Suite struct Addresses {
    private func connections(_ authority: String, isPlain: Bool = false) throws -> Connections {
        let home = try #require(WebAddress.Origin(authority: authority, isPlain: isPlain))
        return Connections(home: home, RegistryRequest.Options(), authorities: nil)
    }

    private func mayLead(_ registry: String, isPlain: Bool = false, to target: String) async throws -> Bool {
        let connections = try connections(registry, isPlain: isPlain)
        let address = WebAddress(connections.home, "/v2/")
        let isAllowed = address.following(target).map { (try? connections.check($0, from: address)) != nil } ?? false
        await connections.shutdown()
        return isAllowed
    }

    @Test(arguments: [
        ("ghcr.io", "https://storage.example/a", true), ("ghcr.io", "https://10.0.0.1/a", true),
        ("ghcr.io", "/a", true), ("ghcr.io", "//cdn.example/a", true), ("ghcr.io", "http://ghcr.io/a", false),
        ("ghcr.io", "http://storage.example/a", false), ("ghcr.io", "https://127.0.0.1/a", false),
        ("ghcr.io", "https://localhost/a", false), ("ghcr.io", "https://[::1]:5000/a", false),
        ("ghcr.io", "https://0.0.0.0/a", false), ("ghcr.io", "https://[::]/a", false),
        ("ghcr.io", "https://[::ffff:127.0.0.1]/a", false), ("ghcr.io", "https://[64:ff9b::7f00:1]/a", false),
        ("ghcr.io", "https://169.254.169.254/a", false), ("ghcr.io", "https://[fd00:ec2::254]/a", false),
        ("ghcr.io", "https://x.localhost/a", false), ("10.0.0.5:5000", "https://127.0.0.1/a", false),
        ("127.0.0.1:5000", "https://127.0.0.2/a", true), ("127.0.0.1:5000", "https://[fe80::1]/a", false),
        ("169.254.1.1", "https://169.254.1.2/a", true), ("169.254.1.1", "https://127.0.0.1/a", false),
    ])
    func `that a registry may lead to are no nearer than itself, and never without its TLS`(
        _ registry: String, _ target: String, _ isAllowed: Bool
    ) async throws {
        #expect(try await mayLead(registry, to: target) == isAllowed)
    }

    @Test func `without TLS may lead to others without, and with`() async throws {
        #expect(try await mayLead("registry.local", isPlain: true, to: "http://storage.local/a"))
        #expect(try await mayLead("registry.local", isPlain: true, to: "https://storage.local/a"))
    }

    @Test func `are checked again when a connection stands, whatever name led to it`() async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene) { $1.reply(200) }
            let connections = try connections("registry.example")
            let address = try #require(WebAddress("http://\(server.host)/"))
            await #expect(throws: Connections.tooNear) { _ = try await connections.send(.GET, address, [:]) }
            #expect(server.requests.isEmpty)
            await connections.shutdown()
        }
    }

    @Test(arguments: [
        "", "http", "http:", "http://", "http:///a", "https://user@host/", "https://host:0/", "https://host:65536/",
        "https://host:/", "https://ho st/", "https://hö.st/", "https://host/\r\nX: y", "https://host/\u{0}",
        "ftp://host/",
        "https://[::1/", "https://[fe80::1%25eth0]/", "https://0x7f.1/", "https://2130706433/", "https://127.1/",
        "https://1.2.3.4.5/", "https://host.0x10/", "https://a\\b/", "https://ho%73t/", "//host/", "/path",
    ])
    func `of another form are none`(_ text: String) {
        #expect(WebAddress(text) == nil)
    }

    @Test(
        arguments: [
            ("/a", "https://h:5000/a"), ("a", "https://h:5000/v2/x/a"), ("?q=1", "https://h:5000/v2/x/y?q=1"),
            ("a:b", nil), ("./a:b", "https://h:5000/v2/x/./a:b"), ("//i/a", "https://i:443/a"),
            ("HTTP://I:81", "http://i:81/"), ("/a#frag", "https://h:5000/a"),
            ("https://i?q=/../", "https://i:443/?q=/../"),
        ] as [(String, String?)])
    func `that are relative are read from where they were said`(_ location: String, _ expected: String?) throws {
        let base = try #require(WebAddress("https://h:5000/v2/x/y?z=1"))
        #expect(base.following(location)?.text == expected)
    }
}
