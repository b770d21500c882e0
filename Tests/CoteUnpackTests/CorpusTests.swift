import CoteModel
import CoteTestSupport
import CoteWorker
import Testing

/// Layers and archives that want out of their directory, want too much, or are no layers. Each is refused for its own
/// reason, with the entry's name, and nothing beside the directory is touched.
@Suite(.requires(.root)) struct CorpusTests {
    struct Attempt: Sendable, CustomTestStringConvertible {
        var what: String
        /// Of members, each layer a whole archive.
        var layers: [[UInt8]]
        var reason: UnpackRefusal
        var entry: String
        var bounds = UnpackRequest.Bounds()
        /// By which program the last layer is compressed.
        var compression: String?
        /// What happens to its bytes then.
        var damage: @Sendable (inout [UInt8]) -> Void = { _ in }
        var diffIDs: [Digest?] = []
        var sizes: [UInt64] = []

        var testDescription: String { what }

        init(_ what: String, _ reason: UnpackRefusal, _ entry: String, _ members: [TestMember]...) {
            self.init(what, reason, entry, bytes: members.map { TestMember.archive($0) })
        }

        init(_ what: String, _ reason: UnpackRefusal, _ entry: String, bytes: [[UInt8]]) {
            (self.what, self.layers, self.reason, self.entry) = (what, bytes, reason, entry)
        }

        func set(_ change: (inout Attempt) -> Void) -> Attempt {
            var attempt = self
            change(&attempt)
            return attempt
        }
    }

    static let attempts = names + links + kinds + headers + compressions + bombs + sparse + attributes + whiteouts

    @Test func `the corpus is as large as it should be, and every case has a name of its own`() {
        #expect(Self.attempts.count >= 60)
        #expect(Set(Self.attempts.map(\.what)).count == Self.attempts.count)
    }

    @Test(arguments: attempts)
    func `a malicious layer is refused for its own reason and nothing outside is touched`(_ attempt: Attempt) throws {
        let trial = try UnpackTrial()
        var layers = attempt.layers
        if let compression = attempt.compression, let last = layers.popLast() {
            layers.append(try trial.compressed(last, by: compression))
        }
        if !layers.isEmpty { attempt.damage(&layers[layers.count - 1]) }
        let before = try trial.surroundings()
        let events = try trial.layers(
            layers, diffIDs: attempt.diffIDs, sizes: attempt.sizes, bounds: attempt.bounds)
        #expect(try trial.surroundings() == before)
        guard case .refused(_, let entry, let reason, _) = events.last else {
            Issue.record("\(events)")
            return
        }
        #expect(reason == attempt.reason, "\(events)")
        #expect(entry == attempt.entry, "\(events)")
    }

    struct Archived: Sendable, CustomTestStringConvertible {
        let what: String
        let reason: UnpackRefusal
        let entry: String
        let members: [TestMember]
        var testDescription: String { what }
    }

    private static let index = [TestMember.file("oci-layout"), .file("index.json")]

    static let archives: [Archived] = [
        Archived(what: "nothing in it", reason: .notAnImage, entry: "", members: []),
        Archived(what: "no index", reason: .notAnImage, entry: "", members: [.file("oci-layout"), .file("x")]),
        Archived(
            what: "a root file system", reason: .notAnImage, entry: "",
            members: [.directory("etc"), .link("etc/awk", "/usr/bin/mawk"), .link("x", "../.."), .kind("6", "f")]),
        Archived(what: "a device", reason: .deviceNode, entry: "d", members: index + [.kind("3", "d")]),
        Archived(what: "a fifo", reason: .unknownKind, entry: "f.json", members: index + [.kind("6", "f.json")]),
        Archived(what: "an absolute name", reason: .absolutePath, entry: "/x", members: index + [.file("/x")]),
        Archived(what: "a name that goes up", reason: .parentPath, entry: "../x", members: index + [.file("../x")]),
        Archived(what: "twice", reason: .duplicate, entry: "./index.json", members: index + [.file("./index.json")]),
        Archived(
            what: "a link out", reason: .linkLeaves, entry: "a/layer.tar",
            members: index + [.link("a/layer.tar", "../../b")]),
        Archived(
            what: "an absolute link", reason: .linkLeaves, entry: "a/layer.tar",
            members: index + [.link("a/layer.tar", "/etc/passwd")]),
        Archived(
            what: "a link to nothing", reason: .linkLeaves, entry: "a/layer.tar",
            members: index + [.link("a/layer.tar", "../b/layer.tar")]),
        Archived(
            what: "links in a circle", reason: .linkLeaves, entry: "a/layer.tar",
            members: index + [.link("a/layer.tar", "../b/layer.tar"), .link("b/layer.tar", "../a/layer.tar")]),
        Archived(
            what: "a hard link out", reason: .linkLeaves, entry: "a/layer.tar",
            members: index + [.hard("a/layer.tar", "../victim")]),
    ]

    @Test(arguments: archives)
    func `a malicious archive is refused for its own reason and nothing outside is touched`(_ one: Archived) throws {
        let trial = try UnpackTrial()
        let before = try trial.surroundings()
        let events = try trial.archive(TestMember.archive(one.members))
        #expect(try trial.surroundings() == before)
        guard case .refused(nil, one.entry, one.reason, _) = events.last else {
            Issue.record("\(events)")
            return
        }
    }
}
