import CoteModel
import CoteSystem
import CoteTestSupport
import CoteVolumes
import Glibc
import Testing

/// Volumes on a disk that is full: a small file system in memory as `$COTE_HOME`.
@Suite(.requires(.root, .btrfs, .ext4))
struct FullDiskTests {
    private static func withDisk(_ size: String, _ body: (VolumeScene) throws -> Void) async throws {
        try await VolumeScene.with { scene in
            try Files.makeDirectory(scene.home)
            try Mounts.mountNew("tmpfs", at: scene.home, options: "size=\(size)")
            defer {
                try? scene.pool.unmountPool()
                try? Mounts.unmount(scene.home)
            }
            try body(scene)
        }
    }

    @Test(arguments: VolumeKind.allCases)
    func `no volume is begun on a disk that is full, and the next try after tidying succeeds`(
        kind: VolumeKind
    ) async throws {
        try await Self.withDisk("512m") { scene in
            let store = scene.store(kind)
            try store.create(.of("first"), owner: VolumeScene.owner, limit: nil)
            try store.snapshot(of: .of("first"), as: .of("frozen"))
            let filler = scene.home + "/filler"
            #expect(try Filler.write(filler, upTo: 1 << 30).stoppedBy?.isFull == true)
            let errors = [
                failure { () throws(CoteError) in try store.create(.init(.random()), owner: 0, limit: nil) },
                failure { () throws(CoteError) in try store.snapshot(of: .of("first"), as: .init(.random())) },
                failure { () throws(CoteError) in try store.fork(of: .of("frozen"), as: .init(.random())) },
            ].map { $0 }
            #expect(errors.map { $0?.code } == Array(repeating: .diskFull, count: 3))
            #expect(errors.allSatisfy { $0?.message.contains(scene.home) == true }, "\(errors)")
            #expect(scene.halves(kind).isEmpty)
            try Files.remove(filler)
            try store.create(.of("second"), owner: VolumeScene.owner, limit: nil)
            #expect(try store.list().count == 3)
        }
    }

    @Test func `a pool is not begun on a disk that is too small for it`() async throws {
        try await Self.withDisk("100m") { scene in
            let pool = PoolVolumes(home: scene.home, runtime: scene.runtime)
            let error = failure { () throws(CoteError) in try pool.create(.init(.random()), owner: 0, limit: nil) }
            #expect(error?.code == .diskFull && error?.message.contains(scene.poolPath) == true, "\(error as Any)")
            let left = try Files.list(scene.home + "/volumes")
            #expect(left == ["pool.btrfs.lock"])
        }
    }

    @Test(arguments: [VolumeKind.ext4, .directory])
    func `a copy for which there is no room leaves nothing`(kind: VolumeKind) async throws {
        try await Self.withDisk("200m") { scene in
            let store = scene.store(kind)
            try store.create(.of("volume"), owner: VolumeScene.owner, limit: kind == .ext4 ? .mebibytes(128) : nil)
            try scene.mounted(store, .of("volume")) { place in
                try Filler.fill(place + "/upper/file", 110 << 20)
            }
            let error = failure { () throws(CoteError) in try store.snapshot(of: .of("volume"), as: .of("copy")) }
            #expect(error?.code == .diskFull && error?.message.contains("'copy'") == true, "\(error as Any)")
            #expect(scene.halves(kind).isEmpty)
            #expect(try store.list().count == 1)
        }
    }

    @Test func `a pool whose disk fills up under it says so, keeps what it had, and works again`() async throws {
        try await Self.withDisk("600m") { scene in
            let pool = PoolVolumes(home: scene.home, runtime: scene.runtime, firstSize: .mebibytes(2048)) { _ in }
            try pool.create(.of("kept"), owner: VolumeScene.owner, limit: nil)
            try scene.mounted(pool, .of("kept")) { try Files.create($0 + "/upper/file", [1]) }
            #expect(try pool.usage(of: .of("kept")).used > ByteCount(0))
            let filler = scene.home + "/filler"
            #expect(try Filler.write(filler, upTo: 1 << 30).stoppedBy?.isFull == true)
            try scene.mounted(pool, .of("kept")) { place in
                // The pool cannot know, so its own writes fail late.
                _ = try? Filler.write(place + "/upper/more", upTo: 100 << 20)
                sync()
                let full = failure { () throws(CoteError) in try pool.create(.init(.random()), owner: 0, limit: nil) }
                #expect(full?.code == .diskFull && full?.message.contains(scene.home) == true, "\(full as Any)")
                try Files.remove(filler)
                let used = failure { () throws(CoteError) in try pool.create(.init(.random()), owner: 0, limit: nil) }
                #expect(used?.code == .damagedVolumes && used?.message.contains(scene.poolPath) == true)
                #expect(used?.hint?.contains("stop the sandboxes") == true)
            }
            // Not before everybody has let go of what the kernel has stopped; until then it is not called damaged.
            let isBack = scene.eventually {
                let error = failure { () throws(CoteError) in
                    try pool.create(.of("next"), owner: VolumeScene.owner, limit: nil)
                }
                return error == nil
            }
            #expect(isBack)
            #expect(try scene.mounted(pool, .of("kept")) { try Files.read($0 + "/upper/file") } == [1])
            #expect(try pool.status()?.setAside == [], "a full disk is no damage")
        }
    }
}
