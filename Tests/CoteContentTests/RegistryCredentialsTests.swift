import CoteContent
import CoteModel
import CoteSystem
import CoteTestSupport
import Testing

@Suite struct `Credential files` {
    private func find(
        _ image: String, _ files: [String: String], _ environment: [String: String] = [:]
    ) throws -> RegistryCredentials? {
        let directory = "/tmp/cote-test-\(SandboxID.random())"
        defer { try? Files.removeTree(directory) }
        for (path, text) in files {
            let place = directory + "/" + path
            try Files.makeDirectories(String(place[..<(place.lastIndex(of: "/") ?? place.endIndex)]))
            try Files.create(place, Array(text.utf8))
        }
        let own = ["HOME": directory + "/home", "XDG_RUNTIME_DIR": directory + "/run"]
        let given = environment.mapValues { directory + "/" + $0 }
        return try RegistryCredentials.find(
            for: try ImageReference(parsing: image), environment: own.merging(given) { $1 })
    }

    private func docker(_ image: String, _ auths: String) throws -> RegistryCredentials? {
        try find(image, ["home/.docker/config.json": #"{"auths":{"# + auths + "}}"])
    }

    private static let auth = #"{"auth":"dXNlcjpwYTpzcw=="}"#  // user:pa:ss
    private static let ours = RegistryCredentials.password(user: "user", password: "pa:ss")

    @Test func `need not exist`() throws {
        #expect(try find("ghcr.io/a", [:]) == nil)
        #expect(try RegistryCredentials.find(for: ImageReference(parsing: "a"), environment: [:]) == nil)
    }

    @Test(arguments: [
        "home/.docker/config.json", "run/containers/auth.json", "special/config.json", "elsewhere/auth",
    ])
    func `are found where Docker and containers keep them`(_ path: String) throws {
        var environment: [String: String] = [:]
        if path.hasPrefix("special") { environment["DOCKER_CONFIG"] = "special" }
        if path.hasPrefix("elsewhere") { environment["REGISTRY_AUTH_FILE"] = path }
        let found = try find("ghcr.io/a", [path: #"{"auths":{"ghcr.io":\#(Self.auth)}}"#], environment)
        #expect(found == Self.ours)
        #expect(try find("quay.io/a", [path: #"{"auths":{"ghcr.io":\#(Self.auth)}}"#], environment) == nil)
    }

    @Test func `are asked in order, and one without an entry passes the question on`() throws {
        let named = #"{"auths":{"ghcr.io":{"username":"named","password":"p"}}}"#
        let other = #"{"auths":{"ghcr.io":\#(Self.auth)}}"#
        let files = ["named": named, "run/containers/auth.json": other, "home/.docker/config.json": "{}"]
        let first = try find("ghcr.io/a", files, ["REGISTRY_AUTH_FILE": "named"])
        #expect(first == .password(user: "named", password: "p"))
        #expect(try find("ghcr.io/a", files) == Self.ours)
    }

    @Test(arguments: [
        ("debian", "https://index.docker.io/v1/"), ("debian", "docker.io"), ("debian", "index.docker.io"),
        ("debian", "registry-1.docker.io"), ("ghcr.io/a/b", "https://ghcr.io"), ("ghcr.io/a/b", "http://GHCR.io/v2/"),
        ("ghcr.io/a/b", "ghcr.io/"), ("ghcr.io/a/b", "ghcr.io/a"), ("ghcr.io/a/b", "ghcr.io/a/b"),
        ("localhost:5000/a", "localhost:5000"),
    ])
    func `name a registry in several ways`(_ image: String, _ key: String) throws {
        #expect(try docker(image, #""\#(key)":\#(Self.auth)"#) == Self.ours)
    }

    @Test(arguments: [
        ("ghcr.io/ab", "ghcr.io/a"), ("ghcr.io/a", "ghcr.io/a/b"), ("ghcr.io/a", "ghcr.io.example.com"),
        ("ghcr.io.example.com/a", "ghcr.io"), ("localhost:5000/a", "localhost"), ("localhost/a", "localhost:5000"),
        ("ghcr.io/a", "https://example.com/ghcr.io"), ("ghcr.io/a", "user@ghcr.io"), ("ghcr.io/a", ""),
        ("debian", "debian"),
    ])
    func `are for no other registry`(_ image: String, _ key: String) throws {
        #expect(try docker(image, #""\#(key)":\#(Self.auth)"#) == nil)
    }

    @Test func `prefer what is nearest to the repository`() throws {
        let near = #""ghcr.io/a/b":{"username":"near","password":"p"}"#
        let found = try docker("ghcr.io/a/b/c", #""ghcr.io":\#(Self.auth),"# + near)
        #expect(found == .password(user: "near", password: "p"))
    }

    @Test func `may have a token instead of a password`() throws {
        #expect(try docker("ghcr.io/a", #""ghcr.io":{"identitytoken":"t"}"#) == .identityToken("t"))
        // <token>:t
        #expect(try docker("ghcr.io/a", #""ghcr.io":{"auth":"PHRva2VuPjp0"}"#) == .identityToken("t"))
        #expect(try docker("ghcr.io/a", #""ghcr.io":{}"#) == nil)
    }

    @Test(arguments: [
        #"{"credHelpers":{"ghcr.io":"secret\u001btool"},"auths":{"ghcr.io":{"auth":"dXNlcjpwYTpzcw=="}}}"#,
        #"{"credsStore":"desktop","auths":{"https://ghcr.io":{}}}"#,
    ])
    func `that leave a registry to a helper are refused for it alone`(_ text: String) throws {
        let files = ["home/.docker/config.json": text]
        let error = #expect(throws: CoteError.self) { try find("ghcr.io/a", files) }
        #expect(error?.code == .badState && error?.message.contains("helpers are not run") == true)
        #expect(error?.message.utf8.allSatisfy { $0 >= 0x20 } == true)
        #expect(try find("quay.io/a", files) == nil)
    }

    @Test(arguments: [
        "", "[]", "{", #"{"auths":[]}"#, #"{"auths":{"ghcr.io":"SECRET"}}"#,
        #"{"auths":{"ghcr.io":{"auth":"SECRET!"}}}"#, #"{"auths":{"ghcr.io":{"auth":"U0VDUkVU"}}}"#,
        #"{"auths":{"ghcr.io":{"auth":"OlNFQ1JFVA=="}}}"#, #"{"auths":{"ghcr.io":{"auth":"/////zo="}}}"#,
        String(repeating: "[", count: 600),
    ])
    func `of another form are an error that quotes nothing of them`(_ text: String) {
        let error = #expect(throws: CoteError.self) { try find("ghcr.io/a", ["home/.docker/config.json": text]) }
        #expect(error?.code == .badState)
        #expect(error?.message.contains("config.json") == true)
        #expect(error?.message.contains("SECRET") == false)
    }

    @Test func `that were named must be there`() {
        let error = #expect(throws: CoteError.self) { try find("ghcr.io/a", [:], ["REGISTRY_AUTH_FILE": "none"]) }
        #expect(error?.message.contains("No such file") == true)
    }

    @Test func `are never shown by a description`() {
        let secrets: [RegistryCredentials] = [.password(user: "SECRET", password: "SECRET"), .identityToken("SECRET")]
        for secret in secrets { #expect(!"\(secret) \(String(reflecting: secret))".contains("SECRET")) }
    }
}
