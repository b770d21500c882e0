import CoteModel
import CoteSystem
import CoteTestSupport
import CoteVolumes
import Glibc
import Testing

/// A process that is killed at every step of what it does.
@Suite(.requires(.root, .btrfs, .ext4))
struct VolumeCrashTests {
    struct Death: Sendable, CustomTestStringConvertible {
        var kind: VolumeKind
        var verb: String
        var step: VolumeStep
        var testDescription: String { "\(kind) \(verb) \(step)" }
    }

    /// The steps that each kind has. One that is not reached fails its test: the worker ends by itself.
    static let deaths: [Death] = VolumeKind.allCases.flatMap { kind -> [Death] in
        let pool: [VolumeStep] = [.poolSized, .poolFormatted, .poolPublished, .poolMounted, .poolReady]
        let create: [VolumeStep] =
            switch kind {
            case .btrfs: pool + [.begun, .limited, .filled, .published]
            case .ext4, .directory: [.begun, .filled, .published]
            }
        let copy: [VolumeStep] = kind == .btrfs ? [.begun, .published] : [.begun, .filled, .published]
        return create.map { Death(kind: kind, verb: "create", step: $0) }
            + ["snapshot", "fork"].flatMap { verb in copy.map { Death(kind: kind, verb: verb, step: $0) } }
            + [.withdrawn, .removed].map { Death(kind: kind, verb: "remove", step: $0) }
    }

    @Test(arguments: deaths)
    func `whoever dies leaves a whole volume or none, and the next try succeeds`(death: Death) async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(death.kind)
            let words = try prepare(store, scene, death)
            let result = try VolumeName.of(try #require(words.last))
            let end = try Worker(scene, death.kind, death.step, [death.verb] + words + limitWord(death)).end()
            #expect(end.status == .signaled(SIGKILL), "\(end)")

            let isThere = try store.list().contains { $0.name == result }
            let isRemoval = death.verb == "remove"
            #expect(isThere == (death.step == .published), "\(isThere)")
            if isThere, !isRemoval { try store.remove(result) }

            // Without anybody's tidying first.
            let again = try Worker(scene, death.kind, nil, [death.verb] + words + limitWord(death)).end()
            #expect(again.status == .exited(0), "\(again)")
            #expect(try store.list().contains { $0.name == result } == !isRemoval)
            if death.verb == "create" || death.verb == "fork" {
                #expect(try scene.mounted(store, result) { try Files.list($0) }.contains("upper"))
            }
            let whole = try store.list()
            try store.recover()
            #expect(scene.halves(death.kind).isEmpty)
            #expect(try store.list() == whole)
            #expect(!Files.exists(scene.poolPath + ".new"))
        }
    }

    private func limitWord(_ death: Death) -> [String] {
        death.verb == "create" && death.kind != .directory ? ["32m"] : []
    }

    /// What has to be there before; gives the names that the worker is told.
    private func prepare(_ store: any VolumeStore, _ scene: VolumeScene, _ death: Death) throws -> [String] {
        if death.verb == "create" { return ["volume"] }
        try store.create(
            .of("origin"), owner: VolumeScene.owner, limit: death.kind == .directory ? nil : .mebibytes(32))
        try scene.mounted(store, .of("origin")) { try Files.create($0 + "/upper/file", [1, 2, 3]) }
        switch death.verb {
        case "snapshot": return ["origin", "copy"]
        case "fork":
            try store.snapshot(of: .of("origin"), as: .of("frozen"))
            return ["frozen", "copy"]
        default: return ["origin"]
        }
    }

    @Test(arguments: VolumeKind.allCases)
    func `what the dead have left is removed, and nothing else`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(kind)
            try store.create(.of("whole"), owner: VolumeScene.owner, limit: nil)
            try scene.mounted(store, .of("whole")) { try Files.create($0 + "/upper/file", [1]) }
            try store.snapshot(of: .of("whole"), as: .of("frozen"))
            #expect(try scene.work(kind, dyingAt: .begun, "create", "half").end().status == .signaled(SIGKILL))
            #expect(
                try scene.work(kind, dyingAt: .begun, "snapshot", "whole", "half").end().status == .signaled(SIGKILL))
            try store.create(.of("leaving"), owner: VolumeScene.owner, limit: nil)
            #expect(try scene.work(kind, dyingAt: .withdrawn, "remove", "leaving").end().status == .signaled(SIGKILL))
            #expect(scene.halves(kind).count == 3)
            try store.recover()
            #expect(scene.halves(kind).isEmpty)
            #expect(try store.list().map(\.name.text) == ["frozen", "whole"])
            #expect(try scene.mounted(store, .of("whole")) { try Files.read($0 + "/upper/file") } == [1])
        }
    }
}
