import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// One round: a sandbox, one process of it killed at a moment that the seed says, and what must hold then. What it
/// returns says what was hit.
struct Crash {
    let scene: Scene
    var random: SeededRandom
    private var engine: Engine { scene.engine }

    init(scene: Scene, random: SeededRandom) {
        self.scene = scene
        self.random = random
    }

    mutating func run(_ target: FaultTests.Target) async throws -> String {
        let hit =
            switch target {
            case .client: try await killClient()
            case .keeper: random.below(3) == 0 ? try await killKeeperInBoot() : try await killKeeper()
            case .crun: random.flag() ? try await killRuntimeOfNew() : try await killRuntimeOfOld()
            case .agent: random.below(3) == 0 ? try await killAgentInBoot() : try await killAgent()
            }
        for summary in engine.list() { try await engine.remove(summary.spec.id.text, force: true) }
        _ = engine.prune()
        return "\(target.rawValue) \(hit)"
    }

    /// Up to `limit` milliseconds, in microseconds' steps.
    private mutating func moment(_ limit: Int) async throws {
        try await Task.sleep(nanoseconds: UInt64(random.below(limit * 1000)) * 1000)
    }

    /// What a sandbox does while somebody is killed.
    private mutating func occupation() -> Command? {
        switch random.below(4) {
        case 0: nil
        case 1: Command(["sleep", "1000"])
        case 2: Command(["sh", "-c", "while :; do echo some output; echo more >&2; done"])
        default: Command(["sh", "-c", "sleep 1000 & sleep 1000 & setsid sleep 1000 & wait"], takesInput: true)
        }
    }

    // MARK: Keeper

    private mutating func killKeeper() async throws -> String {
        let sandbox = try await engine.create(SandboxRequest())
        let execution = try occupation().map { try sandbox.start($0) }
        try await moment(20)
        guard let keeper = Victim.keeper(of: sandbox.id, engine) else { throw Unmet(description: "no keeper") }
        keeper.kill()
        // Whoever looks all the while, and so is the first to see it, must not get in the way of the end.
        if random.flag() { while try engine.show(sandbox.id.text).state.phase.isAlive {} }
        if let execution {
            let error = await scene.failure { () throws(CoteError) in _ = try await execution.wait() }
            #expect(error?.code == .sandboxDied && error?.message.contains("keeper-lost") == true, "\(error as Any)")
        }
        try keeper.ended()
        try await scene.expectDeath(sandbox.id, .keeperLost)
        if random.flag() { try await scene.expectRestart(sandbox.id) }
        return "ready"
    }

    private mutating func killKeeperInBoot() async throws -> String {
        let engine = engine
        let creation = Task { try await engine.create(SandboxRequest()) }
        let id = try await scene.await("a new sandbox") { scene.ids.first }
        let keeper = try await scene.await("its keeper") { Victim.keeper(of: id, engine) }
        try await moment(20)
        keeper.kill()
        let result = await creation.result
        try keeper.ended()
        guard case .failure(let error) = result else {
            try await scene.expectDeath(id, .keeperLost)
            return "just ready"
        }
        #expect("\(error)".contains("keeper-lost"), "\(error)")
        #expect(scene.ids == [], "a sandbox that could not be created is there")
        return "booting"
    }

    // MARK: Agent

    private mutating func killAgent() async throws -> String {
        let sandbox = try await engine.create(SandboxRequest())
        let execution = try occupation().map { try sandbox.start($0) }
        try await moment(20)
        guard let keeper = Victim.keeper(of: sandbox.id, engine),
            let agent = Victim.child("agent", of: sandbox.id, engine)
        else { throw Unmet(description: "no agent") }
        agent.kill()
        if let execution {
            let error = await scene.failure { () throws(CoteError) in _ = try await execution.wait() }
            #expect(error?.code == .sandboxDied && error?.message.contains("killed") == true, "\(error as Any)")
        }
        try keeper.ended()
        try await scene.expectDeath(sandbox.id, .killed)
        if random.flag() { try await scene.expectRestart(sandbox.id) }
        return "ready"
    }

    private mutating func killAgentInBoot() async throws -> String {
        let engine = engine
        let creation = Task { try await engine.create(SandboxRequest()) }
        let id = try await scene.await("a new sandbox") { scene.ids.first }
        let agent: Victim? = try await scene.await("its agent") {
            if let agent = Victim.child("agent", of: id, engine, deep: true) { return .some(agent) }
            return scene.ids.isEmpty ? .some(nil) : nil
        }
        agent?.kill()
        switch await creation.result {
        case .success(let sandbox):
            // The runtime had left, and the agent had said hello.
            let report = try await scene.await("its end") {
                let state = try engine.show(sandbox.id.text).state
                return state.phase.isAlive ? nil : state
            }
            #expect(report.reason == .killed, "\(report)")
            return "just ready"
        case .failure(let error):
            // Whoever sees it first, the keeper or the runtime, says so.
            #expect(["killed", "start-failed"].contains { "\(error)".contains("(\($0))") }, "\(error)")
            #expect(scene.ids == [])
            return "booting"
        }
    }

    // MARK: Runtime

    private mutating func killRuntimeOfNew() async throws -> String {
        let engine = engine
        let creation = Task { try await engine.create(SandboxRequest()) }
        let isHit = try await killRuntime()
        switch await creation.result {
        case .success(let sandbox):
            // Either crun had gone, or it was on its way out already.
            try await sandbox.remove()
            return isHit ? "too late" : "missed"
        case .failure(let error):
            #expect(isHit && "\(error)".contains("start-failed"), "\(error)")
            #expect(scene.ids == [])
            return "of a new sandbox"
        }
    }

    private mutating func killRuntimeOfOld() async throws -> String {
        let engine = engine
        let sandbox = try await engine.create(SandboxRequest())
        try await sandbox.stop(grace: TimeSpan(milliseconds: 0))
        let id = sandbox.id
        let start = Task { try await engine.start(id.text) }
        let isHit = try await killRuntime()
        switch await start.result {
        case .success(let sandbox):
            // Either crun had gone, or it was on its way out already.
            try await sandbox.remove()
            return isHit ? "too late" : "missed"
        case .failure(let error):
            #expect(isHit && "\(error)".contains("start-failed"), "\(error)")
            _ = try await scene.await("its keeper's end") { Victim.keeper(of: id, engine) == nil ? true : nil }
            try await scene.expectDeath(id, .startFailed)
            if random.flag() { try await scene.expectRestart(id) }
            return "of an old sandbox"
        }
    }

    /// Whether crun was killed; it may have left before.
    private mutating func killRuntime() async throws -> Bool {
        try await moment(25)
        let deadline = SystemClock.monotonic() + 300_000_000
        while SystemClock.monotonic() < deadline {
            guard let id = scene.ids.first else { continue }
            if Victim.child("agent", of: id, engine) != nil { return false }
            guard let runtime = Victim.child("crun", of: id, engine) else { continue }
            // Anywhere in its life, not only at its beginning.
            let wait = SystemClock.monotonic() + UInt64(random.below(6_000_000))
            while SystemClock.monotonic() < wait {}
            guard ProcessTable.name(runtime.pid) == "crun", ProcessTable.parent(runtime.pid) != nil else {
                return false
            }
            runtime.kill()
            return true
        }
        return false
    }
}
