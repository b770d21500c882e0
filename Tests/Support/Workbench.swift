public import CoteEngine
import CoteModel
import CoteSandbox
import CoteSystem
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
        configuration = EngineConfiguration(
            home: directory + "/home", runtime: directory + "/run", programs: programs)
    }

    private func close() async {
        if let engine = try? Engine(configuration) {
            for summary in engine.list() { try? await engine.remove(summary.spec.id.text, force: true) }
            _ = engine.prune()
        }
        for leak in leaks() { Issue.record("left behind: \(leak)") }
        try? Files.removeTree(directory)
    }

    /// What of this workbench is still on the host.
    public func leaks() -> [String] {
        let ids = Set(((try? Files.list(home + "/journals")) ?? []) + ((try? Files.list(home + "/sandboxes")) ?? []))
        var leaks = ((try? Files.list(home + "/sandboxes")) ?? []).map { "sandbox \($0)" }
        leaks += ((try? Files.list(home + "/names")) ?? []).map { "name \($0)" }
        leaks += ((try? Files.list(home + "/ranges")) ?? []).map { "user range \($0)" }
        leaks += ((try? Files.list(runtime)) ?? []).map { "runtime directory \($0)" }
        leaks += Cgroup.present().filter { ids.contains($0.text) }.map { "control group of \($0)" }
        let mounts = (try? Files.readText("/proc/self/mountinfo", limit: 8 << 20)) ?? ""
        leaks += mounts.split(separator: "\n").filter { $0.contains(directory) }.map { "mount \($0)" }
        return leaks + Self.keepers().filter { $0.contains(directory) || ids.contains(where: $0.contains) }
    }

    /// The command lines of keepers that are alive on this host.
    private static func keepers() -> [String] {
        ((try? Files.list("/proc")) ?? []).filter { Int($0) != nil }.compactMap { pid in
            guard let bytes = try? Files.read("/proc/\(pid)/cmdline"), !bytes.isEmpty else { return nil }
            let line = String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
            return line.hasPrefix("cote-keeper") ? "process \(pid) \(line)" : nil
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
