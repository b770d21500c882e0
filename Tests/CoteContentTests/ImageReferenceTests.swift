import CoteContent
import CoteModel
import Testing

@Suite struct `Names of images` {
    private static let hex = String(repeating: "0123456789abcdef", count: 4)

    @Test(
        arguments: [
            ("debian", "docker.io", "library/debian", nil, "debian"),
            ("debian:12", "docker.io", "library/debian", "12", "debian:12"),
            ("docker.io/debian", "docker.io", "library/debian", nil, "debian"),
            ("index.docker.io/library/debian:a", "docker.io", "library/debian", "a", "debian:a"),
            ("user/app", "docker.io", "user/app", nil, "user/app"),
            ("library/a/b", "docker.io", "library/a/b", nil, "library/a/b"),
            ("localhost/app:1", "localhost", "app", "1", "localhost/app:1"),
            ("localhost:5000/app", "localhost:5000", "app", nil, "localhost:5000/app"),
            ("localhost:5000", "docker.io", "library/localhost", "5000", "localhost:5000"),
            ("GHCR.io/a/b__c/d--e.f:V1.0_-x", "ghcr.io", "a/b__c/d--e.f", "V1.0_-x", "ghcr.io/a/b__c/d--e.f:V1.0_-x"),
            ("[::1]:5000/a/b:t", "[::1]:5000", "a/b", "t", "[::1]:5000/a/b:t"),
            ("10.0.0.1/a", "10.0.0.1", "a", nil, "10.0.0.1/a"),
        ] as [(String, String, String, String?, String)])
    func `are read into registry, repository and tag, and written as people write them`(
        _ text: String, _ registry: String, _ repository: String, _ tag: String?, _ written: String
    ) throws {
        let reference = try ImageReference(parsing: text)
        #expect(reference.registry == registry)
        #expect(reference.repository == repository)
        #expect(reference.tag == tag)
        #expect(reference.digest == nil)
        #expect(reference.description == written)
        #expect(try ImageReference(parsing: written) == reference)
        #expect(ImageReference(registry: registry, repository: repository, tag: tag) == reference)
    }

    @Test func `may have a digest, with a tag and without`() throws {
        let digest = try #require(Digest(hex: Self.hex))
        let both = try ImageReference(parsing: "ghcr.io/a:1@sha256:\(Self.hex)")
        #expect(both.tag == "1" && both.digest == digest && both.wanted == digest.text)
        #expect(both.description == "ghcr.io/a:1@\(digest)")
        let alone = try ImageReference(parsing: "a@\(digest)")
        #expect(alone.tag == nil && alone.digest == digest && alone.description == "a@\(digest)")
        #expect(try ImageReference(parsing: "a").wanted == "latest")
    }

    @Test(arguments: [
        "", " ", "a b", "a\n", "å", "A", "ghcr.io/User/app", "user/App", "/a", "a/", "a//b", "a/../b", "./a", "a/.",
        ".a", "a.",
        "a..b", "a___b", "a._b", "-a", "a-", "a:", "a:.x", "a:-x", "a:b:c", "a:" + String(repeating: "t", count: 129),
        "a@", "a@sha256:00", "a@sha512:" + hex, "a@sha256:" + hex.uppercased(), "a@sha256:\(hex)@sha256:\(hex)",
        "host:0/a", "host:65536/a", "host:x/a", "host:/a", ":5000/a", "ho_st:1/a", "-h.io/a", "h-.io/a", "h..io/a",
        "[::g]/a",
        "[::1/a", "::1/a", "https://h.io/a", "user@h.io/a", "a\u{1b}[2J", "a?b", "a#b", "a%2fb",
        String(repeating: "a", count: 300), String(repeating: "a", count: 2000),
        "a.io/" + String(repeating: "b", count: 251),
        String(repeating: "h", count: 64) + ".io/a",
    ])
    func `of another form are refused, and shown only as a terminal can`(_ text: String) {
        do {
            let read = try ImageReference(parsing: text)
            Issue.record("read as \(read)")
        } catch {
            #expect(error.code == .usage)
            #expect(error.message.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
            #expect(error.message.utf8.count < 300)
        }
    }

    @Test(
        arguments: [
            ("localhost/a", true), ("localhost:5000/a", true), ("127.0.0.1:5000/a", true), ("127.9.8.7/a", true),
            ("[::1]/a", true), ("[::1]:80/a", true), ("a", false), ("localhost.example.com/a", false),
            ("127.0.0.1.example.com/a", false), ("128.0.0.1/a", false), ("127.1:80/a", false), ("[::2]:80/a", false),
            ("10.127.0.1/a", false), ("localhost.:80/a", nil),
        ] as [(String, Bool?)])
    func `say whether their registry is on this machine`(_ text: String, _ isLoopback: Bool?) {
        #expect((try? ImageReference(parsing: text))?.isLoopback == isLoopback)
    }

    @Test func `lead to Docker's registry by the name at which it answers`() throws {
        #expect(try ImageReference(parsing: "debian").endpoint == "registry-1.docker.io")
        #expect(try ImageReference(parsing: "quay.io/a").endpoint == "quay.io")
    }

    @Test func `are not put together from parts that would be read otherwise`() {
        #expect(ImageReference(registry: "ghcr.io", repository: "a:b") == nil)
        #expect(ImageReference(registry: "user", repository: "a") == nil)
        #expect(ImageReference(registry: "docker.io", repository: "debian") == nil)
        #expect(ImageReference(registry: "ghcr.io", repository: "a", tag: "b/c") == nil)
    }
}
