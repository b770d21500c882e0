import CoteModel
import CoteSystem
import CoteVolumes
import Glibc

/// The kinds of volumes, outside of any sandbox.
struct VolumeLife {
    let stores: VolumeStores
    /// An empty directory, where volumes are mounted.
    let place: String
    static let owner: UInt32 = 0x6fff_0000

    /// A name that is a constant of this program.
    static func name(_ text: String) throws -> VolumeName {
        guard let name = VolumeName(text) else { throw Stopwatch.Failure(description: "'\(text)' names no volume") }
        return name
    }

    /// Made, mounted, unmounted and removed again, as for a sandbox that writes nothing.
    func whole(_ kind: VolumeKind, limit: ByteCount?) throws -> UInt64 {
        let store = stores.store(kind)
        let name = try Self.name("bench-life")
        let begin = SystemClock.monotonic()
        try store.create(name, owner: Self.owner, limit: limit)
        try mounted(store, name) { _ in }
        try store.remove(name)
        return SystemClock.monotonic() - begin
    }

    /// Gives `body` the directory where the volume is mounted meanwhile.
    func mounted(_ store: any VolumeStore, _ name: VolumeName, _ body: (String) throws -> Void) throws {
        let attachment = try store.attach(name)
        try attachment.source.mount(at: place, owner: Self.owner)
        do { try body(place) } catch {
            try? Mounts.unmount(place)
            throw error
        }
        try Mounts.unmount(place)
        extendLifetime(attachment.hold)
    }
}

extension Benchmark {
    private static let limit = ["--disk", "1g"]

    /// The state directory of these rows, apart from the other rows': the pool is unmounted at the end.
    private func life() throws -> VolumeLife {
        let place = directory + "/mounted"
        try Files.makeDirectories(place)
        return VolumeLife(stores: VolumeStores(home: directory + "/home", runtime: directory + "/run"), place: place)
    }

    /// What a limit on disk adds to a one-shot sandbox.
    /// - Parameter run: runs `cote` with these arguments.
    private func volumeRow(
        _ kind: VolumeKind, isDefault: Bool, _ run: @escaping ([String]) throws -> UInt64
    ) async throws -> Row {
        let life = try life()
        let command = ["--"] + Self.command
        let samples = try await alternate(
            [
                Side("cote run --disk 1g") { try run(["run", "host"] + Self.limit + command) },
                Side("cote run") { try run(["run", "host"] + command) },
                Side("the volume alone") { try life.whole(kind, limit: .mebibytes(1024)) },
            ], rest: .milliseconds(50))
        var row = Row(name: "volume-\(kind.rawValue)", unit: "ms", cote: samples[0], peers: Array(samples[1...]))
        let added = samples[0].median - samples[1].median
        row.bars = isDefault ? [Bar(added, .most(4), "ms more than cote run")] : []
        row.notes = [
            "a limit adds \(added.short) ms; without one a sandbox has a plain directory",
            "alone: created, attached, mounted, unmounted and removed, with nothing written",
        ]
        return row
    }

    func poolVolumeRow() async throws -> Row {
        try await volumeRow(.btrfs, isDefault: true) { [self] in try cote($0) }
    }

    /// Where mkfs.btrfs is missing, Cote takes images.
    func imageVolumeRow() async throws -> Row {
        let side = try Peers(hiding: ["/usr/sbin/mkfs.btrfs"])
        var row = try await volumeRow(.ext4, isDefault: false) { [self] arguments in
            let variables = environment(home: directory + "/images")
            return try side.run(["/usr/bin/env", "-i"] + variables + [options.cote] + arguments)
        }
        guard Files.exists(directory + "/images/volumes/images") else {
            throw Stopwatch.Failure(description: "cote run --disk did not use an image")
        }
        row.notes.append("Cote sees no mkfs.btrfs here and takes an image of its own accord; both sides start by env")
        return row
    }

    /// Every sandbox has a volume, so there is none to compare one without a limit with.
    func directoryVolumeRow() async throws -> Row {
        let life = try life()
        let samples = try await alternate([
            Side("the volume alone") { try life.whole(.directory, limit: nil) },
            Side("cote run") { [self] in try cote(["run", "host", "--"] + Self.command) },
        ])
        var row = Row(name: "volume-directory", unit: "ms", cote: samples[0], peers: Array(samples[1...]))
        row.notes = ["created, attached, mounted, unmounted and removed; it is part of every cote run without --disk"]
        return row
    }

    // MARK: Copies

    func snapshotRow() async throws -> Row {
        try await copyRow("snapshot") { pool, volumes in try pool.snapshot(of: volumes.base, as: volumes.copy) }
    }

    func forkRow() async throws -> Row {
        try await copyRow("fork") { pool, volumes in try pool.fork(of: volumes.frozen, as: volumes.copy) }
    }

    private struct Volumes {
        let base: VolumeName
        /// A snapshot of it.
        let frozen: VolumeName
        let copy: VolumeName

        init() throws {
            base = try VolumeLife.name("bench-base")
            frozen = try VolumeLife.name("bench-frozen")
            copy = try VolumeLife.name("bench-copy")
        }
    }

    /// - Parameter make: makes the copy.
    private func copyRow(
        _ name: String, _ make: @escaping (PoolVolumes, Volumes) throws -> Void
    ) async throws -> Row {
        let life = try life()
        let (pool, volumes) = (life.stores.pool, try Volumes())
        // Both rows have the same: the kernel takes seconds to clear away what was removed, and holds up others
        // meanwhile.
        if try !pool.list().contains(where: { $0.name == volumes.base }) {
            try pool.create(volumes.base, owner: VolumeLife.owner, limit: .mebibytes(2048))
            try life.mounted(pool, volumes.base) { try Self.fill($0 + "/upper") }
            sync()
            try pool.snapshot(of: volumes.base, as: volumes.frozen)
        }
        let copied = {
            let begin = SystemClock.monotonic()
            try make(pool, volumes)
            let time = SystemClock.monotonic() - begin
            try pool.remove(volumes.copy)
            try Self.awaitClearing(pool, volumes.base)
            return time
        }
        let changed = {
            try life.mounted(pool, volumes.base) { place in
                try Files.replace(place + "/upper/last", durable: false, Array("\(SandboxID.random())".utf8))
            }
            return try copied()
        }
        let samples = try await alternate([Side(name) { try copied() }, Side("after a write") { try changed() }])
        let whole = try await alternate(
            [Side("cp -a") { [self] in try copiedWhole(pool, volumes.base) }], runs: Self.fewRuns, warmUps: 1)
        sync()
        var row = Row(name: name, unit: "ms", cote: samples[0], peers: [samples[1]] + whole)
        row.bars = [Bar(samples[0].median, .most(15), "ms")]
        row.notes = [
            "of 500 MiB in 2,000 files, with a limit, when the copy before has been cleared away; after a write: a "
                + "small file of the volume has just been written, which goes to the disk first",
            "cp goes to the host's own disk and is not forced to it; \(Self.fewRuns) runs",
        ]
        return row
    }

    /// A removed copy counts until the kernel has taken it apart, which it does later; a row is not to pay for the one
    /// before.
    private static func awaitClearing(_ pool: PoolVolumes, _ volume: VolumeName) throws {
        guard case .directory(let path) = try pool.attach(volume).source else { return }
        // The first wakes whoever clears away, the second waits for it.
        for verb in [["filesystem", "sync"], ["subvolume", "sync"]] {
            _ = try Stopwatch.run(["/usr/bin/btrfs"] + verb + [path], environment: [])
        }
    }

    private func copiedWhole(_ pool: PoolVolumes, _ volume: VolumeName) throws -> UInt64 {
        let target = directory + "/copy"
        defer { try? Files.removeTree(target) }
        guard case .directory(let path) = try pool.attach(volume).source else {
            throw Stopwatch.Failure(description: "volume '\(volume)' is no directory of the pool's")
        }
        return try Stopwatch.run(["/bin/cp", "-a", "--reflink=never", path, target], environment: [])
    }

    /// 500 MiB that compress badly, as most of what is large does.
    private static func fill(_ place: String) throws {
        var word: UInt64 = 0x9e37_79b9_7f4a_7c15
        for folder in 0..<20 {
            try Files.makeDirectory("\(place)/\(folder)", mode: 0o755)
            for file in 0..<100 {
                var bytes: [UInt8] = []
                bytes.reserveCapacity(256 << 10)
                for _ in 0..<(32 << 10) {
                    word ^= word << 13
                    word ^= word >> 7
                    word ^= word << 17
                    withUnsafeBytes(of: word) { bytes.append(contentsOf: $0) }
                }
                try Files.create("\(place)/\(folder)/\(file)", mode: 0o644, bytes)
            }
        }
    }
}
