import CoteEngine
import CoteJournal
import CoteModel
import CoteSandbox
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// A workbench and an engine, and what fault tests ask of them.
struct Scene: Sendable {
    let bench: Workbench
    let engine: Engine

    init(_ bench: Workbench) throws {
        self.bench = bench
        engine = try Engine(bench.configuration)
    }

    /// Runs `body` on a bench of its own.
    static func with<Value>(programs: String? = nil, _ body: (Scene) async throws -> Value) async throws -> Value {
        try await Workbench.with(programs: programs) { try await body(Scene($0)) }
    }

    // MARK: Waiting

    /// Looks again and again until there is something to see.
    func await<Value>(_ what: String, seconds: UInt64 = 120, _ look: () async throws -> Value?) async throws -> Value {
        let deadline = SystemClock.monotonic() + seconds * 1_000_000_000
        while SystemClock.monotonic() < deadline {
            if let value = try await look() { return value }
            try await Task.sleep(nanoseconds: 300_000)
        }
        throw Unmet(description: "waited \(seconds) s for \(what)")
    }

    /// Ids of all sandboxes on disk, readable or not.
    var ids: [SandboxID] {
        ((try? Files.list(bench.home + "/sandboxes")) ?? []).compactMap { SandboxID($0) }
    }

    // MARK: Afterwards

    /// What must hold of a sandbox that has died: the reason, nothing alive, and a journal that tells all.
    func expectDeath(
        _ id: SandboxID, _ reason: DeathReason, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let summary = try engine.show(id.text)
        #expect(summary.state.phase == .died, sourceLocation: location)
        #expect(summary.state.reason == reason, "\(summary.state)", sourceLocation: location)
        #expect(engine.list().first { $0.spec.id == id }?.state == summary.state, sourceLocation: location)
        try await expectNothingAlive(id, location)
        let records = try journal(id, location)
        #expect(records.last?.kind == "sandbox-died", sourceLocation: location)
        #expect(records.last?.string("reason") == reason.rawValue, sourceLocation: location)
    }

    /// No process of it, and no control group once somebody has looked: a sealed keeper cannot remove its own.
    func expectNothingAlive(_ id: SandboxID, _ location: SourceLocation = #_sourceLocation) async throws {
        _ = try await self.await("the end of all processes of \(id)") {
            ProcessTable.members(of: id).isEmpty ? true : nil
        }
        _ = try await self.await("the end of \(id)'s keeper and control group") {
            _ = try engine.show(id.text)
            return Cgroup.present().contains(id) || Files.exists("\(bench.runtime)/\(id)") ? nil : true
        }
        #expect(ProcessTable.members(of: id) == [], sourceLocation: location)
    }

    /// A journal, read to its end: whole lines with ascending numbers.
    @discardableResult
    func journal(
        _ id: SandboxID, _ location: SourceLocation = #_sourceLocation
    ) throws -> [JournalRecord] {
        let reader = try engine.journal(of: id.text)
        var records: [JournalRecord] = []
        while let record = try reader.next() {
            if let last = records.last { #expect(record.seq > last.seq, sourceLocation: location) }
            records.append(record)
        }
        #expect(reader.damaged == 0 && !records.isEmpty, "journal of \(id)", sourceLocation: location)
        return records
    }

    /// A sandbox that has ended works again when it is started, with the files it had.
    func expectRestart(_ id: SandboxID, _ location: SourceLocation = #_sourceLocation) async throws {
        let sandbox = try await engine.start(id.text)
        let output = try await sandbox.run(Command(["sh", "-c", "echo here"]))
        #expect(output.text == "here\n", sourceLocation: location)
        try await sandbox.stop(grace: TimeSpan(milliseconds: 0))
    }

    /// Why `body` failed.
    func failure(_ body: () async throws(CoteError) -> Void) async -> CoteError? {
        do { try await body() } catch { return error }
        return nil
    }
}
