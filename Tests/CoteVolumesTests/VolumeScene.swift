import CoteModel
import CoteSystem
import CoteTestSupport
import CoteVolumes
import Glibc
import Testing

/// A state directory of one test's own, and at the end the proof that no mount and no loop device of it is left.
struct VolumeScene: Sendable {
    let directory: String

    var home: String { directory + "/home" }
    var runtime: String { directory + "/run" }
    var poolPath: String { home + "/volumes/pool.btrfs" }
    var pool: PoolVolumes { PoolVolumes(home: home, runtime: runtime, firstSize: Self.poolSize) { _ in } }

    static let owner: UInt32 = 0x7000_0000
    /// Small enough that no test waits for it, large enough for every limit here.
    static let poolSize = ByteCount.mebibytes(1024)

    static func with(_ body: (VolumeScene) async throws -> Void) async throws {
        let scene = VolumeScene(directory: "/tmp/cote-volumes-\(SandboxID.random())")
        try Files.makeDirectory(scene.directory)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(scene)) } catch { outcome = .failure(error) }
        try? scene.pool.unmountPool()
        // A process that is being started has copies of all descriptors for a moment, those of loop devices too.
        _ = scene.eventually { scene.leaks().isEmpty }
        for leak in scene.leaks() { Issue.record("left behind: \(leak)") }
        try? Files.removeTree(scene.directory)
        try outcome.get()
    }

    func store(_ kind: VolumeKind) -> any VolumeStore {
        switch kind {
        case .btrfs: pool
        case .ext4: ImageVolumes(home: home)
        case .directory: DirectoryVolumes(home: home)
        }
    }

    /// Mounts of this scene, and loop devices of its files.
    func leaks() -> [String] {
        let mounts = (try? Files.readText("/proc/self/mountinfo", limit: 8 << 20)) ?? ""
        let devices = ((try? Files.list("/sys/block")) ?? []).filter { $0.hasPrefix("loop") }.compactMap { name in
            (try? Files.readText("/sys/block/\(name)/loop/backing_file")).map { "\(name) of \($0)" }
        }
        return (mounts.split(separator: "\n").map(String.init) + devices).filter { $0.contains(directory) }
    }

    /// Unmounts the pool and waits until nobody has it: a keeper that is being started by somebody else on this machine
    /// has copies of all mounts until it has sealed itself.
    func releasePool() throws {
        try pool.unmountPool()
        #expect(eventually { leaks().isEmpty })
    }

    /// Names that a kind has begun with and not given to anybody.
    func halves(_ kind: VolumeKind) -> [String] {
        let root =
            switch kind {
            case .btrfs: runtime + "/pool"
            case .ext4: home + "/volumes/images"
            case .directory: home + "/volumes/plain"
            }
        return ["volumes", "snapshots"].flatMap { (try? Files.list("\(root)/\($0)")) ?? [] }.filter {
            $0.hasPrefix(".")
        }
    }

    /// Mounts a volume as a keeper would, and takes it away again.
    func mounted<Value>(_ store: any VolumeStore, _ name: VolumeName, _ body: (String) throws -> Value) throws -> Value
    {
        let place = "\(directory)/mounted-\(SandboxID.random())"
        try Files.makeDirectory(place)
        defer { rmdir(place) }
        let attachment = try store.attach(name)
        try attachment.source.mount(at: place, owner: Self.owner)
        defer { try? Mounts.unmount(place) }
        return try body(place)
    }

    /// A program of its own that does one thing to a volume.
    func work(_ kind: VolumeKind, dyingAt step: VolumeStep? = nil, _ words: String...) throws -> Worker {
        try Worker(self, kind, step, words)
    }

    /// Loop devices and mounts change only when the kernel gets to it.
    func eventually(_ isSo: () throws -> Bool) rethrows -> Bool {
        let end = SystemClock.monotonic() + 20_000_000_000
        while SystemClock.monotonic() < end {
            if try isSo() { return true }
            usleep(5000)
        }
        return false
    }
}

/// A `volume-worker`.
final class Worker: Sendable {
    private let process: ChildProcess
    private let output: Descriptor

    init(_ scene: VolumeScene, _ kind: VolumeKind, _ step: VolumeStep?, _ words: [String]) throws {
        let start = ["volume-worker", scene.home, scene.runtime, kind.rawValue, step?.rawValue ?? "-"]
        var request = SpawnRequest(
            Workbench.builtPrograms + "/volume-worker", start + words,
            environment: ["COTE_POOL_SIZE=\(VolumeScene.poolSize)"])
        let null = try Descriptor.open("/dev/null", O_RDWR)
        var pipe = try Descriptor.pipe()
        output = pipe.takeFirst()
        let end = pipe.takeSecond()
        request.descriptors = [null.raw, end.raw, end.raw]
        process = try request.run()
    }

    /// Waits for the end.
    func end() throws -> (status: CoteSystem.ExitStatus, text: String) {
        let text = String(decoding: try output.readAll(limit: 1 << 20), as: UTF8.self)
        return (try process.wait(), text)
    }
}

extension VolumeName {
    /// For names that are written out in a test.
    static func of(_ text: String) throws(CoteError) -> VolumeName {
        guard let name = VolumeName(text) else { throw CoteError(.usage, "'\(text)' is no name") }
        return name
    }
}

/// Content, to be written until there is no more room.
enum Filler {
    /// Writes that much, for which there must be room.
    static func fill(_ path: String, _ count: Int) throws {
        if let error = try write(path, upTo: count).stoppedBy { throw error }
    }

    /// How many bytes went in, and what stopped it.
    static func write(_ path: String, upTo count: Int) throws -> (written: Int, stoppedBy: SystemError?) {
        let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
        var seed = SeededRandom(seed: UInt64(count))
        let chunk = seed.bytes(1 << 18)
        var written = 0
        while written < count {
            do throws(SystemError) {
                written += try chunk.span.withUnsafeBytes { raw throws(SystemError) in try file.write(some: raw) }
            } catch { return (written, error) }
        }
        if fsync(file.raw) < 0 { return (written, SystemError("fsync")) }
        return (written, nil)
    }
}

/// The error that a call ends with.
func failure(of body: () throws(CoteError) -> Void) -> CoteError? {
    do { try body() } catch { return error }
    return nil
}
