import CoteModel
import CoteSystem
import CoteTestSupport
import CoteVolumes
import Glibc
import Testing

/// What only a pool has: a file that can be damaged, missing, too small, or on a full disk.
@Suite(.requires(.root, .btrfs))
struct PoolTests {
    enum Damage: String, CaseIterable, Sendable {
        case superblock, trees, cut, empty, garbage, shortened

        /// Does it to a pool that is not mounted.
        func inflict(_ path: String) throws {
            let file = try Descriptor.open(path, O_RDWR)
            var seed = SeededRandom(seed: Fuzzing.seed)
            func overwrite(_ range: Range<Int>) {
                let bytes = seed.bytes(4096)
                for place in stride(from: range.lowerBound, to: range.upperBound, by: 4096) {
                    _ = pwrite(file.raw, bytes, bytes.count, off_t(place))
                }
            }
            switch self {
            case .superblock: overwrite(64 << 10..<68 << 10)
            case .trees:
                // Everything but the superblocks, at 64 KiB and 64 MiB.
                overwrite(1 << 20..<64 << 20)
                overwrite(65 << 20..<200 << 20)
            case .cut: try file.truncate(to: 100 << 10)
            case .empty: try file.truncate(to: 0)
            case .garbage:
                try file.truncate(to: 0)
                overwrite(0..<1 << 20)
            case .shortened: try file.truncate(to: 300 << 20)
            }
        }
    }

    @Test(arguments: Damage.allCases)
    func `a damaged pool is set aside with a word, and the next try has a new one`(damage: Damage) async throws {
        try await VolumeScene.with { scene in
            let pool = scene.pool
            try pool.create(.of("old"), owner: VolumeScene.owner, limit: .mebibytes(32))
            try scene.releasePool()
            try damage.inflict(scene.poolPath)
            let bytes = try Descriptor.open(scene.poolPath, O_RDONLY).fileSize()

            let first = failure { () throws(CoteError) in try pool.create(.init(.random()), owner: 0, limit: nil) }
            #expect(first?.code == .damagedVolumes)
            #expect(first?.message.contains(scene.poolPath) == true, "\(String(describing: first))")
            let aside = try #require(try Files.list(scene.home + "/volumes").first { $0.contains("damaged") })
            #expect(first?.message.contains(aside) == true)
            let kept = try Descriptor.open("\(scene.home)/volumes/\(aside)", O_RDONLY).fileSize()
            #expect(kept == bytes, "never changed, never deleted")

            try pool.create(.of("new"), owner: VolumeScene.owner, limit: .mebibytes(32))
            #expect(try pool.list().map(\.name.text) == ["new"])
            let lost = failure { () throws(CoteError) in _ = try pool.attach(.init(.random())) }
            #expect(lost?.code == .unknownVolume && lost?.hint?.contains(aside) == true)
            #expect(try pool.status()?.setAside.count == 1)
        }
    }

    @Test func `the next try succeeds where the one who set the pool aside was killed`() async throws {
        try await VolumeScene.with { scene in
            try scene.pool.create(.of("old"), owner: VolumeScene.owner, limit: nil)
            try scene.releasePool()
            try Damage.superblock.inflict(scene.poolPath)
            #expect(try scene.work(.btrfs, dyingAt: .setAside, "create", "new").end().status == .signaled(SIGKILL))
            #expect(try scene.work(.btrfs, "create", "new").end().status == .exited(0))
        }
    }

    @Test(arguments: [false, true])
    func `volumes of a pool that is missing have an error that says so`(whileMounted: Bool) async throws {
        try await VolumeScene.with { scene in
            let (pool, name) = (scene.pool, try VolumeName.of("volume"))
            try pool.create(name, owner: VolumeScene.owner, limit: nil)
            if !whileMounted { try scene.releasePool() }
            try Files.remove(scene.poolPath)
            let errors = [
                failure { () throws(CoteError) in _ = try pool.attach(name) },
                failure { () throws(CoteError) in _ = try pool.usage(of: name) },
                failure { () throws(CoteError) in try pool.snapshot(of: name, as: .init(.random())) },
                failure { () throws(CoteError) in try pool.fork(of: name, as: .init(.random())) },
            ]
            #expect(errors.map { $0?.code } == Array(repeating: .damagedVolumes, count: 4))
            #expect(
                errors.allSatisfy {
                    $0?.message.contains(scene.poolPath) == true && $0?.message.contains("missing") == true
                })
            #expect(!Files.exists(scene.poolPath), "looking for a volume makes no pool")
            #expect(try pool.list().isEmpty)
            try pool.remove(name)
            try pool.recover()
            try pool.create(name, owner: VolumeScene.owner, limit: nil)
            #expect(try scene.mounted(pool, name) { try Files.list($0 + "/upper") }.isEmpty)
        }
    }

    @Test func `a pool outlives its mount, and is the same in every process`() async throws {
        try await VolumeScene.with { scene in
            let (pool, name) = (scene.pool, try VolumeName.of("volume"))
            #expect(try pool.status() == nil)
            try pool.create(name, owner: VolumeScene.owner, limit: .mebibytes(32))
            try scene.mounted(pool, name) { try Files.create($0 + "/upper/file", [7]) }
            try pool.unmountPool()
            let idle = try #require(try pool.status())
            #expect(idle.mounted == nil && idle.size == VolumeScene.poolSize && idle.onDisk < .mebibytes(16))
            #expect(try scene.work(.btrfs, "snapshot", "volume", "frozen").end().status == .exited(0))
            #expect(try scene.mounted(pool, name) { try Files.read($0 + "/upper/file") } == [7])
            let status = try #require(try pool.status()?.mounted)
            #expect(status.volumes == 1 && status.snapshots == 1)
            #expect(scene.leaks().count { $0.contains("pool.btrfs") } == 1, "one device, whoever comes")
        }
    }

    @Test func `a running sandbox keeps a pool that is unmounted, and there is never a second device of it`()
        async throws
    {
        try await VolumeScene.with { scene in
            let (pool, name) = (scene.pool, try VolumeName.of("volume"))
            try pool.create(name, owner: VolumeScene.owner, limit: nil)
            try scene.mounted(pool, name) { place in
                try pool.unmountPool()
                try Files.create(place + "/upper/file", [1])
                try pool.create(.of("other"), owner: VolumeScene.owner, limit: nil)
                #expect(scene.leaks().count { $0.hasPrefix("loop") } == 1)
            }
            #expect(try scene.mounted(pool, name) { try Files.read($0 + "/upper/file") } == [1])
        }
    }

    @Test(arguments: [nil, VolumeStep.fileGrown, .poolGrown])
    func `a pool that is nearly full grows with its disk`(death: VolumeStep?) async throws {
        try await VolumeScene.with { scene in
            let small = PoolVolumes(home: scene.home, runtime: scene.runtime, firstSize: .mebibytes(256)) { _ in }
            try small.create(.of("volume"), owner: VolumeScene.owner, limit: nil)
            try scene.mounted(small, try .of("volume")) { place in
                let filled = try Filler.write(place + "/upper/file", upTo: 1 << 30)
                #expect(filled.stoppedBy?.isFull == true)
            }
            // The least that a volume needs is there.
            try scene.mounted(small, try .of("volume")) { place in
                #expect(truncate(place + "/upper/file", 60 << 20) == 0)
                sync()
            }
            let before = try #require(try small.status()?.mounted).free
            if let death {
                let end = try scene.work(.btrfs, dyingAt: death, "create", "dying").end()
                #expect(end.status == .signaled(SIGKILL), "\(end)")
            }
            try small.create(.of("next"), owner: VolumeScene.owner, limit: nil)
            let status = try #require(try small.status())
            #expect(status.size > .mebibytes(1024), "\(status)")
            #expect(try #require(status.mounted).free.bytes > before.bytes + (512 << 20))
            try scene.mounted(small, try .of("next")) { place in
                try Filler.fill(place + "/upper/file", 300 << 20)
            }
        }
    }
}
