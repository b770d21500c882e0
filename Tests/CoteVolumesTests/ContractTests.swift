import CoteModel
import CoteSystem
import CoteTestSupport
import CoteVolumes
import Glibc
import Testing

/// What every kind of volumes promises.
@Suite(.requires(.root, .btrfs, .ext4))
struct ContractTests {
    private static let limited: [VolumeKind] = [.btrfs, .ext4]

    @Test(arguments: VolumeKind.allCases)
    func `a new volume is an empty layer of its owner's`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let (store, name) = (scene.store(kind), try VolumeName.of("0123456789ab"))
            let mask = umask(0o077)
            defer { umask(mask) }
            try store.create(name, owner: VolumeScene.owner, limit: nil)
            for _ in 0..<2 {
                try scene.mounted(store, name) { place in
                    let (upper, work) = (try Files.status(place + "/upper"), try Files.status(place + "/work"))
                    #expect(upper.st_uid == VolumeScene.owner && upper.st_gid == VolumeScene.owner)
                    #expect(upper.st_mode == S_IFDIR | 0o755 && work.st_mode == S_IFDIR | 0o755)
                    let names = try Files.list(place + "/upper")
                    #expect(names.isEmpty)
                }
            }
            #expect(try store.list().map(\.name) == [name])
        }
    }

    @Test(arguments: limited)
    func `a limit holds, and only for its own volume`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(kind)
            let limit = ByteCount.mebibytes(48)
            for name in ["first", "second"] {
                try store.create(try .of(name), owner: VolumeScene.owner, limit: limit)
            }
            try scene.mounted(store, try .of("first")) { place in
                let (written, error) = try Filler.write(place + "/upper/file", upTo: 100 << 20)
                #expect(error?.isFull == true, "\(String(describing: error))")
                // The pool counts its own records of a volume, some of them before they are needed.
                #expect((44 << 20...52 << 20).contains(written), "\(written)")
                try Files.remove(place + "/upper/file")
                sync()
                let again = try Filler.write(place + "/upper/again", upTo: 40 << 20)
                #expect(again.stoppedBy == nil, "what is deleted can be written again: \(again)")
            }
            try scene.mounted(store, try .of("second")) { place in
                let second = try Filler.write(place + "/upper/file", upTo: 40 << 20)
                #expect(second.stoppedBy == nil, "\(second)")
            }
            #expect(try store.usage(of: .of("first")).limit == limit)
        }
    }

    @Test func `a directory refuses a limit, and no kind takes one that it could not hold`() async throws {
        try await VolumeScene.with { scene in
            let name = try VolumeName.of("volume")
            let refused = failure { () throws(CoteError) in
                try scene.store(.directory).create(name, owner: 0, limit: .mebibytes(64))
            }
            #expect(refused?.code == .limitUnsupported)
            for kind in Self.limited {
                for limit in [ByteCount(0), ByteCount((16 << 20) - 1), ByteCount(.max)] {
                    let store = scene.store(kind)
                    let refused = failure { () throws(CoteError) in try store.create(name, owner: 0, limit: limit) }
                    #expect(refused?.code == .usage, "\(kind) \(limit)")
                    #expect(try store.list().isEmpty)
                }
            }
        }
    }

    @Test(arguments: VolumeKind.allCases)
    func `a snapshot never changes, and forks of it go their own ways`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(kind)
            let limit: ByteCount? = kind == .directory ? nil : .mebibytes(64)
            let (origin, frozen) = (try VolumeName.of("origin"), try VolumeName.of("frozen"))
            let forks = [try VolumeName.of("left"), try VolumeName.of("right")]
            try store.create(origin, owner: VolumeScene.owner, limit: limit)
            try scene.mounted(store, origin) { try Files.create($0 + "/upper/file", Array("then".utf8)) }
            try store.snapshot(of: origin, as: frozen)
            try scene.mounted(store, origin) { try Files.replace($0 + "/upper/file", Array("now".utf8)) }
            for fork in forks {
                try store.fork(of: frozen, as: fork)
                try scene.mounted(store, fork) { place in
                    #expect(try Files.readText(place + "/upper/file") == "then")
                    #expect(try Files.status(place + "/upper").st_uid == VolumeScene.owner)
                    try Files.replace(place + "/upper/file", Array(fork.text.utf8))
                }
                #expect(try store.usage(of: fork).limit == limit)
            }
            for (name, text) in [(origin, "now"), (forks[0], "left"), (forks[1], "right")] {
                #expect(try scene.mounted(store, name) { try Files.readText($0 + "/upper/file") } == text)
            }
            // Nobody mounts a snapshot: that could change it.
            #expect(failure { () throws(CoteError) in _ = try store.attach(frozen) }?.code == .unknownVolume)
            try store.remove(origin)
            #expect(try store.list().count { $0.isSnapshot } == 1)
            try store.fork(of: frozen, as: origin)
            #expect(try scene.mounted(store, origin) { try Files.readText($0 + "/upper/file") } == "then")
        }
    }

    @Test(arguments: limited)
    func `a fork may hold what its origin may, with what it has from there`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(kind)
            try store.create(.of("origin"), owner: VolumeScene.owner, limit: .mebibytes(48))
            try scene.mounted(store, try .of("origin")) { place in
                try Filler.fill(place + "/upper/old", 24 << 20)
            }
            try store.snapshot(of: .of("origin"), as: .of("frozen"))
            try store.fork(of: .of("frozen"), as: .of("fork"))
            try scene.mounted(store, try .of("fork")) { place in
                let (written, error) = try Filler.write(place + "/upper/new", upTo: 100 << 20)
                #expect(error?.isFull == true && (20 << 20...28 << 20).contains(written), "\(written)")
                for name in ["old", "new"] { try Files.remove("\(place)/upper/\(name)") }
                sync()
                try Filler.fill(place + "/upper/new", 40 << 20)
            }
        }
    }

    @Test(arguments: VolumeKind.allCases)
    func `usage is what was written, and removing gives it back`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let (store, name) = (scene.store(kind), try VolumeName.of("volume"))
            try store.create(name, owner: VolumeScene.owner, limit: kind == .directory ? nil : .mebibytes(64))
            let empty = try store.usage(of: name).used
            #expect(empty < .mebibytes(1), "\(empty)")
            try scene.mounted(store, name) { place in
                try Filler.fill(place + "/upper/file", 20 << 20)
            }
            let used = try store.usage(of: name).used
            #expect((ByteCount.mebibytes(20)...ByteCount.mebibytes(22)).contains(used), "\(used)")
            try store.remove(name)
            #expect(try store.list().isEmpty)
            try store.remove(name)
            let place = kind == .btrfs ? scene.runtime + "/pool" : scene.home
            let isFreed = try scene.eventually {
                sync()
                guard kind == .btrfs else { return try TreeSize.blocks(place) < 4 << 20 }
                return try scene.pool.status()?.mounted.map { $0.used < .mebibytes(8) } ?? false
            }
            #expect(isFreed)
        }
    }

    @Test func `a name is never a path`() {
        let refused = [
            "", ".", "..", "a/b", "/", "../x", "A", "a b", "-a", ".a", "a\u{0}", "a\n", "é",
            String(repeating: "a", count: 64),
        ]
        for text in refused { #expect(VolumeName(text) == nil, "\(text)") }
        for text in ["0123456789ab", "a", "a.b_c-d", String(repeating: "a", count: 63)] {
            #expect(VolumeName(text)?.text == text)
        }
    }

    @Test(arguments: VolumeKind.allCases)
    func `a name is one volume's, and a name that nobody has is an error`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(kind)
            let (name, other) = (try VolumeName.of("volume"), try VolumeName.of("other"))
            try store.create(name, owner: VolumeScene.owner, limit: nil)
            try scene.mounted(store, name) { try Files.create($0 + "/upper/mine", []) }
            try store.snapshot(of: name, as: other)
            let taken = [
                failure { () throws(CoteError) in try store.create(name, owner: 0, limit: nil) },
                failure { () throws(CoteError) in try store.create(other, owner: 0, limit: nil) },
                failure { () throws(CoteError) in try store.snapshot(of: name, as: name) },
                failure { () throws(CoteError) in try store.fork(of: other, as: name) },
            ]
            #expect(taken.map { $0?.code } == Array(repeating: .nameTaken, count: 4))
            let nobody = try VolumeName.of("nobody")
            let missing = [
                failure { () throws(CoteError) in _ = try store.attach(nobody) },
                failure { () throws(CoteError) in _ = try store.usage(of: nobody) },
                failure { () throws(CoteError) in try store.snapshot(of: nobody, as: .init(.random())) },
                failure { () throws(CoteError) in try store.fork(of: name, as: .init(.random())) },
            ]
            #expect(missing.map { $0?.code } == Array(repeating: .unknownVolume, count: 4))
            #expect(missing[0]?.message.contains("'nobody'") == true)
            #expect(try scene.mounted(store, name) { try Files.list($0 + "/upper") } == ["mine"])
            #expect(scene.halves(kind).isEmpty)
        }
    }

    @Test(arguments: VolumeKind.allCases)
    func `of two processes that want the same names each name goes to one`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let workers = try (0..<2).map { _ in try scene.work(kind, "many", "shared", "25") }
            let ends = try workers.map { try $0.end() }
            #expect(ends.allSatisfy { $0.status == .exited(0) }, "\(ends)")
            let made = ends.compactMap { Int($0.text.split(separator: "\n").first ?? "") }
            #expect(made.reduce(0, +) == 25, "\(made)")
            #expect(try scene.store(kind).list().count == 25)
            #expect(scene.halves(kind).isEmpty)
        }
    }

    @Test func `an image that is in use is neither mounted again nor copied`() async throws {
        try await VolumeScene.with { scene in
            let (store, name) = (scene.store(.ext4), try VolumeName.of("volume"))
            try store.create(name, owner: VolumeScene.owner, limit: .mebibytes(32))
            try scene.mounted(store, name) { _ in
                let copy = failure { () throws(CoteError) in try store.snapshot(of: name, as: .init(.random())) }
                let again = failure { () throws(CoteError) in _ = try store.attach(name) }
                #expect(copy?.code == .wrongState && again?.code == .wrongState)
                #expect(again?.message.contains("'volume'") == true)
            }
            try store.snapshot(of: name, as: .of("frozen"))
        }
    }
}

/// Which kind a sandbox gets.
@Suite(.requires(.root, .btrfs, .ext4))
struct BestKindTests {
    @Test func `a limit is held by the pool, and what needs none is a directory`() async throws {
        try await VolumeScene.with { scene in
            let stores = VolumeStores(home: scene.home, runtime: scene.runtime)
            #expect(try stores.best(for: nil).kind == .directory)
            #expect(try stores.best(for: .mebibytes(64)).kind == .btrfs)
            let refused = failure { () throws(CoteError) in _ = try stores.best(for: .mebibytes(15)) }
            #expect(refused?.code == .usage)
            #expect(VolumeKind.allCases.allSatisfy { stores.lack(of: $0) == nil })
            try stores.recover()
            #expect(!Files.exists(scene.poolPath), "recovery makes nothing")
        }
    }
}
