import CoteTestSupport
import Testing

@testable import CoteRegistry

@Suite struct `Names in certificates` {
    @Test(arguments: [
        ("ghcr.io", "ghcr.io", true), ("GHCR.io", "ghcr.io", true), ("ghcr.io", "ghcr.io.", true),
        ("*.ghcr.io", "a.ghcr.io", true), ("*.ghcr.io", "a.b.ghcr.io", false), ("*.ghcr.io", "ghcr.io", false),
        ("*.ghcr.io", ".ghcr.io", false), ("*.io", "ghcr.io", false), ("*", "ghcr", false), ("*.", "ghcr.", false),
        ("g*.io", "ghcr.io", false), ("ghcr.io\0.evil.example", "ghcr.io", false), ("", "", false),
        ("*.*.io", "a.b.io", false),
    ])
    func `cover hosts`(_ name: String, _ host: String, _ isCovered: Bool) {
        #expect(CertificateName.covers(name.utf8, host: host) == isCovered)
    }
}

@Suite struct Challenges {
    @Test(
        arguments: [
            (#"Basic realm="r""#, [("basic", ["realm": "r"])]),
            (
                #"bearer REALM="https://a/b?c=d,e",service=s"#,
                [("bearer", ["realm": "https://a/b?c=d,e", "service": "s"])]
            ),
            (
                #"Basic realm="a", Bearer realm="b" , scope = "x y""#,
                [("basic", ["realm": "a"]), ("bearer", ["realm": "b", "scope": "x y"])]
            ),
            (#"Negotiate, Basic realm="a""#, [("negotiate", [:]), ("basic", ["realm": "a"])]),
            (#"Basic realm="q\"uo\\te", realm="second""#, [("basic", ["realm": #"q"uo\te"#])]),
            (#"Bearer realm="open"#, [("bearer", [:])]), ("Bearer realm=", [("bearer", [:])]),
            ("Bearer", [("bearer", [:])]),
            ("", []), (",,, ,", []), ("\"quoted\"", []), ("=", []), ("\u{0}", []),
            (String(repeating: "a", count: 10_000), []),
        ] as [(String, [(String, [String: String])])])
    func `are read as far as they can be`(_ text: String, _ expected: [(String, [String: String])]) {
        #expect(AuthChallenge.parse(text) == expected.map { AuthChallenge(scheme: $0.0, parameters: $0.1) })
    }

    @Test func `are few, however many are sent`() {
        #expect(AuthChallenge.parse(String(repeating: "A b=c, ", count: 500)).count <= 8)
    }

    @Test func `of any bytes are read without harm`() {
        var random = SeededRandom(seed: Fuzzing.seed)
        let pieces = ["Bearer", "Basic", " ", ",", "=", "\"", "\\", "realm", "x", "\t", "ß", "\u{1}", "scope=\"a b\""]
        for _ in 0..<Fuzzing.count(20_000) {
            let text = (0..<random.below(20)).map { _ in random.pick(pieces) }.joined()
            #expect(AuthChallenge.parse(text).count <= 8)
        }
    }
}
