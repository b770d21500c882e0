import CoteTestSupport
import Testing

/// What programs read: the keys here are part of the interface.
@Suite(.requires(.root, .crun)) struct JSONOutputTests {
    private static let limitKeys: Set =
        Requirement.limits.isWanted ? ["memory", "processes", "journal"] : ["journal"]
    private static let specKeys: Set = [
        "id", "labels", "environment", "sandboxClass", "limits", "volume", "userBase", "isOneShot", "showsOpt",
        "createdAt",
    ]

    private static func check(
        _ summary: JSONShape?, phase: Set<String> = ["keeper", "keeperStart"], named: Bool = true
    ) {
        #expect(summary?.keys == ["spec", "state"])
        #expect(summary?["spec"]?.keys == specKeys.union(named ? ["name"] : []))
        #expect(summary?["spec"]?["limits"]?.keys == limitKeys)
        #expect(summary?["spec"]?["id"] == .text && summary?["spec"]?["createdAt"] == .number)
        #expect(summary?["state"]?.keys == phase.union(["phase", "changedAt"]))
    }

    @Test func `sandboxes are shown as objects`() async throws {
        try await Workbench.with { bench in
            #expect(try await bench.cote(["list", "--json"]).decoded(JSONShape.self) == .array([]))
            Self.check(try await bench.cote(["create", "--json", "host", "--name", "box"]).decoded())
            Self.check(try await bench.cote(["show", "--json", "box"]).decoded())
            let list: JSONShape = try await bench.cote(["list", "--json"]).decoded()
            #expect(list.elements.count == 1)
            Self.check(list.elements.first)
            Self.check(try await bench.cote(["stop", "--json", "box"]).decoded(), phase: [])
            let removed: JSONShape = try await bench.cote(["remove", "--json", "box"]).decoded()
            #expect(removed == .object(["removed": .text]))
            let pruned: JSONShape = try await bench.cote(["prune", "--json"]).decoded()
            #expect(pruned.keys == ["sandboxes", "journals", "leftovers", "environments"])
            #expect(pruned["journals"] == .array([.text]) && pruned["sandboxes"] == .array([]))
            #expect(pruned["environments"]?.keys == ["blobs", "environments", "bytes", "isBusy"])
        }
    }

    @Test func `the journal is lines of objects`() async throws {
        try await Workbench.with { bench in
            #expect(try await bench.cote(["create", "host", "--name", "box"]).code == 0)
            #expect(try await bench.cote(["exec", "box", "--", "echo", "one"]).code == 0)
            #expect(try await bench.cote(["exec", "box", "--", "echo", "two"]).code == 0)
            let lines = { (arguments: [String]) async throws in
                try await bench.cote(["logs", "--json", "box"] + arguments).decodedLines()
            }
            let all = try await lines([])
            #expect(all.allSatisfy { $0.keys.isSuperset(of: ["seq", "ts", "kind"]) })
            let second = try await lines(["--exec", "2"])
            #expect(
                second.map(\.keys) == [
                    ["seq", "ts", "kind", "n", "cmd"], ["seq", "ts", "kind", "n", "data"],
                    ["seq", "ts", "kind", "n", "exit", "duration_ms"],
                ])
        }
    }

    @Test func `the host and its classes are shown as objects`() async throws {
        try await Workbench.with { bench in
            let doctor = try await bench.cote(["doctor", "--json"])
            #expect([0, 1].contains(doctor.code))
            let findings = try doctor.decoded(JSONShape.self).elements
            #expect(!findings.isEmpty)
            for finding in findings {
                #expect(finding.keys.subtracting(["fix"]) == ["subject", "isGood", "detail"])
            }
            let keys: Set = ["sandboxClass", "driver", "program", "version", "privilege", "capabilities"]
            let list: JSONShape = try await bench.cote(["class", "list", "--json"]).decoded()
            #expect(list.elements.map(\.keys) == [keys])
            let shown: JSONShape = try await bench.cote(["class", "show", "--json", "container"]).decoded()
            #expect(shown.keys == keys)
            #expect(shown["capabilities"]?.elements.first?.keys == ["name", "isProved", "detail", "root", "rootless"])
            let text = try await bench.cote(["class", "show", "container"]).output
            #expect(
                text.contains("\nboot            proved  untried   a sandbox came up\n")
                    || text.contains("\nboot            untried  proved    a sandbox came up\n"))
            #expect(try await bench.cote(["class", "list"]).output.contains("available"))
        }
    }
}
