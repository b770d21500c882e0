public import CoteEngine
import CoteModel
import CoteSandbox
import CoteSystem
import CoteVolumes
import Glibc
import Testing

/// A state directory of one test's own, the programs of this build, and at the end the proof that nothing was left.
public struct Workbench: Sendable {
    /// `/tmp/cote-test-…`, gone at the end.
    public let directory: String
    /// Home and runtime in `directory`, programs as given.
    public let configuration: EngineConfiguration

    /// What `COTE_HOME` is for this bench's programs.
    public var home: String { configuration.home }
    /// What `COTE_RUNTIME` is for this bench's programs.
    public var runtime: String { configuration.runtime }

    /// The environment that the suites' sandboxes are made of: `host`, or an image of the store that
    /// `COTE_TEST_STORE` names, in which it is called `test`.
    public static let environment = store == nil ? "host" : "test"

    private static let store = getenv("COTE_TEST_STORE").map { String(cString: $0) }

    /// Runs `body` with a fresh workbench, then removes its sandboxes and fails the test if a mount, control group,
    /// process or file of them is left on the host.
    /// - Parameter programs: where `cote-keeper` and `cote-agent` are; those of this build where absent.
    public static func with<Value>(
        programs: String? = nil, _ body: (Workbench) async throws -> Value
    ) async throws -> Value {
        await places.enter()
        defer { places.leave() }
        let bench = try Workbench(programs: programs ?? builtPrograms)
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await body(bench)) } catch { outcome = .failure(error) }
        await bench.close()
        return try outcome.get()
    }

    /// A bench needs no other to be closed, so whoever waits gets one.
    private static let places = Turnstile(8)

    /// The same with an engine.
    public static func withEngine<Value>(_ body: (Engine) async throws -> Value) async throws -> Value {
        try await with { try await body(Engine($0.configuration)) }
    }

    private init(programs: String) throws {
        let directory = "/tmp/cote-test-\(SandboxID.random())"
        self.directory = directory
        try Files.makeDirectory(directory)
        if let store = Self.store {
            try Files.makeDirectory(directory + "/home")
            for folder in ["blobs", "environments", "tags"] {
                if symlink("\(store)/\(folder)", "\(directory)/home/\(folder)") < 0 { throw SystemError("symlink") }
            }
        }
        configuration = EngineConfiguration(
            home: directory + "/home", runtime: directory + "/run", programs: programs,
            binaryDirectories: Requirement.binaryDirectories)
    }

    private func close() async {
        // Before what names them is removed.
        let ids = known()
        if let engine = try? Engine(configuration) {
            for summary in engine.list() { try? await engine.remove(summary.spec.id.text, force: true) }
            _ = engine.prune()
            try? VolumeStores(home: home, runtime: runtime).pool.unmountPool()
        }
        for leak in leaks(of: ids) { Issue.record("left behind: \(leak)") }
        try? Files.removeTree(directory)
    }

    /// The ids of every sandbox of which there is a trace on disk.
    private func known() -> Set<String> {
        Set(((try? Files.list(home + "/journals")) ?? []) + ((try? Files.list(home + "/sandboxes")) ?? []))
    }

    /// What of this workbench is on the host now.
    public func leaks() -> [String] { leaks(of: known()) }

    /// What of this workbench, and of the sandboxes `ids` that it had, is still on the host.
    private func leaks(of ids: Set<String>) -> [String] {
        var leaks = ((try? Files.list(home + "/sandboxes")) ?? []).map { "sandbox \($0)" }
        leaks += ((try? Files.list(home + "/names")) ?? []).map { "name \($0)" }
        leaks += ((try? Files.list(home + "/ranges")) ?? []).map { "user range \($0)" }
        leaks += ((try? Files.list(home + "/volumes/plain/volumes")) ?? []).map { "volume \($0)" }
        let ofImages: Set = ["loops", "pool"]
        leaks += ((try? Files.list(runtime)) ?? []).filter { !ofImages.contains($0) }.map { "runtime directory \($0)" }
        leaks += Cgroup.present().filter { ids.contains($0.text) }.map { "control group of \($0)" }
        let mounts = (try? Files.readText("/proc/self/mountinfo", limit: 8 << 20)) ?? ""
        leaks += mounts.split(separator: "\n").filter { $0.contains(directory) }.map { "mount \($0)" }
        return leaks + keepers(of: ids)
    }

    /// Keepers of this workbench that are alive, known by their sandbox or by where their log is.
    private func keepers(of ids: Set<String>) -> [String] {
        ((try? Files.list("/proc")) ?? []).filter { Int($0) != nil }.compactMap { pid in
            guard let bytes = try? Files.read("/proc/\(pid)/cmdline"), !bytes.isEmpty else { return nil }
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.first == "cote-keeper" else { return nil }
            let log = (try? Files.linkTarget("/proc/\(pid)/fd/2")) ?? ""
            let isOurs = log.hasPrefix(directory + "/") || !ids.isDisjoint(with: words)
            return isOurs ? "process \(pid) \(words.joined(separator: " "))" : nil
        }
    }

    /// The root of this repository's source.
    public static let repository = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    /// Where the programs of this build are: beside the bundle of tests that is mapped into this process.
    public static let builtPrograms: String = {
        let maps = (try? Files.readText("/proc/self/maps", limit: 8 << 20)) ?? ""
        let bundle = maps.split(separator: "\n").lazy.compactMap { line in
            line.hasSuffix(".xctest") ? line.firstIndex(of: "/").map { String(line[$0...]) } : nil
        }.first
        guard let bundle, let slash = bundle.lastIndex(of: "/") else { return "/nowhere" }
        return String(bundle[..<slash])
    }()
}
