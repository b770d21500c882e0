import CoteJournal
public import CoteModel
public import CoteSandbox
import CoteSystem
import CoteWire
import Glibc

/// The one process that owns one sandbox: PID 1 of its own PID and mount namespace, one thread, one event loop.
///
///     clients ⇄ ClientSession ⇄ Keeper ⇄ AgentSession ⇄ agent
///                                 ├── Lifecycle   what to do next
///                                 ├── Chronicle   journal and state.json
///                                 └── driver      the runtime
public final class Keeper {
    /// The socket to the program that started this one.
    private static let firstClient: CInt = 3
    /// Keep the block devices of an image and of a volume until they are mounted; the lock comes before them.
    private static let devices: [CInt] = [5, 6]
    private static let bootTime = TimeSpan.seconds(30)
    /// How long clients have for what they have not taken when everything has ended.
    private static let farewell = TimeSpan.seconds(5)
    /// Clients at once; others are told so.
    private static let mostClients = 1024
    /// What the keeper needs beside its clients.
    private static let ownDescriptors = 64

    let loop: EventLoop
    let boot: BootRequest
    let chronicle: Chronicle
    private(set) var lifecycle = Lifecycle()
    private let driver: any SandboxDriver
    private let guards: GuardSet
    private let listener: Descriptor
    private var clients: [ObjectIdentifier: ClientSession] = [:]
    /// Fewer where there are not so many descriptors.
    private var roomForClients = Keeper.countRoom()
    private var agent: AgentSession?
    private var plan: SandboxPlan
    private var firstProcess: Int32?
    private var memory: MemoryWatch?
    private var seenKills: UInt64 = 0
    private var phase = StateReport(.creating)
    private var isSealed = false
    private let reaper: ChildReaper
    private let termination: SignalDescriptor

    /// Runs one sandbox to its end; the program's exit code.
    public static func main(driver: any SandboxDriver, guards: GuardSet) -> Int32 {
        Processes.resetSignals()
        ignoreBrokenPipes()
        do {
            let loop = try EventLoop()
            let keeper = try boot(on: loop, driver, guards)
            if !keeper.lifecycle.isOver { try loop.run() }
            return 0
        } catch {
            let message = Array("cote-keeper: \(error)\n".utf8)
            _ = message.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
            return 125
        }
    }

    /// Waits for the boot request, the first frame after hello, and sets everything up but the sandbox itself.
    private static func boot(
        on loop: EventLoop, _ driver: any SandboxDriver, _ guards: GuardSet
    ) throws -> Keeper {
        var keeper: Keeper?
        var failure: (any Error)?
        let session = try ClientSession(Descriptor(owning: firstClient), on: loop)
        session.onBoot = { [unowned session] request in
            do {
                let started = try Keeper(request, session, on: loop, driver, guards)
                keeper = started
                // At once: the client's first command may be in the same read.
                started.handle(.boot)
            } catch {
                failure = error
                session.send(.state, payload: StateReport(.died, reason: .startFailed, detail: "\(error)").payload)
                session.flush()
            }
            loop.stop()
        }
        session.onEnd = { loop.stop() }
        try loop.run()
        if let failure { throw failure }
        guard let keeper else { throw WireViolation.unexpected("end before the boot request") }
        return keeper
    }

    private init(
        _ boot: BootRequest, _ client: ClientSession, on loop: EventLoop, _ driver: any SandboxDriver,
        _ guards: GuardSet
    ) throws {
        self.boot = boot
        self.loop = loop
        self.driver = driver
        self.guards = guards
        let identity = try KeeperIdentity.current()
        listener = try Sockets.listen(in: boot.runtimeDirectory, name: "keeper.sock")
        try Stage.enter(
            Stage.Paths(
                sandbox: boot.sandboxDirectory, journal: boot.journalDirectory, runtime: boot.runtimeDirectory,
                agent: boot.agent, root: boot.root.directory,
                volume: (boot.volume, owner: boot.spec.userBase)), guards)
        chronicle = try Chronicle(boot.spec, identity, on: loop)
        reaper = try ChildReaper(on: loop)
        termination = try SignalDescriptor([SIGTERM])
        plan = SandboxPlan(
            id: boot.spec.id, hostname: boot.spec.name?.text ?? boot.spec.id.text, limits: boot.spec.limits,
            userBase: boot.spec.userBase, runtime: boot.runtime, root: Stage.box, scratch: Stage.scratch,
            arguments: [Stage.agentInBox], environment: [], channel: -1, guards: guards)
        adopt(client)
        try loop.add(listener, .read) { [unowned self] _ in acceptClients() }
        try loop.add(termination.descriptor, .read) { [unowned self] _ in
            while termination.next() != nil { stop(0) }
        }
    }

    func handle(_ event: Lifecycle.Event) { apply(lifecycle.handle(event)) }

    private func apply(_ effects: [Lifecycle.Effect]) {
        for effect in effects {
            switch effect {
            case .enter(let phase): enter(StateReport(phase))
            case .startRuntime: startRuntime()
            case .sealKeeper: seal()
            case .terminateCommands: terminateCommands()
            case .killFirstProcess: killFirstProcess()
            case .killFirstProcessSoon:
                // Its end comes after that of all its processes, which on a busy machine takes its time.
                loop.schedule(after: 3_000_000_000) { [unowned self] in handle(.graceOver) }
            case .finish(let end): finish(end)
            }
        }
    }
}

// MARK: Boot

extension Keeper {
    private func startRuntime() {
        do {
            chronicle.bootstrapStarted()
            try assembleRoot()
            // The mounts hold the devices from now on.
            for device in Self.devices { close(device) }
            chronicle.phaseCompleted("artifacts")
            var pair = try Descriptor.socketPair()
            let theirs = pair.takeSecond()
            plan.channel = theirs.raw
            agent = try AgentSession(pair.takeFirst(), keeper: self)
            loop.schedule(after: Self.bootTime.nanoseconds) { [unowned self] in handle(.bootTimedOut) }
            let channel = SharedDescriptor(theirs)
            // The first process may end before the driver has told which it is.
            var ended: [Int32: ExitStatus] = [:]
            reaper.unexpected = { ended[$0] = $1 }
            driver.start(plan, KeeperLoop(events: loop, reaper: reaper)) { [unowned self] result in
                // From here on the agent's end is the agent's alone, so that its death closes the channel.
                withExtendedLifetime(channel) { runtimeAnswered(result, ended) }
                reaper.unexpected = { _, _ in }
            }
        } catch let failure as ImageFailure {
            handle(.imageFailed("\(failure.reason)"))
        } catch {
            handle(.runtimeFailed("\(error)"))
        }
    }

    private struct ImageFailure: Error {
        let reason: SystemError
    }

    private func assembleRoot() throws {
        guard boot.root != .host else { return try Stage.assembleHost(boot.spec, guards) }
        do throws(SystemError) { try Stage.assembleImage(boot.root, boot.spec, guards) } catch {
            throw ImageFailure(reason: error)
        }
    }

    private func runtimeAnswered(_ result: Result<Int32, StartFailure>, _ ended: [Int32: ExitStatus]) {
        switch result {
        case .failure(let failure): handle(.runtimeFailed(failure.message))
        case .success(let pid):
            firstProcess = pid
            memory = MemoryWatch(Cgroup(plan.id, base: Stage.controlGroups), on: loop) { [unowned self] in
                memoryRanOut()
            }
            chronicle.phaseCompleted("runtime")
            handle(.runtimeStarted)
            if agent?.isGreeted == true { handle(.agentReady) }
            if let status = ended[pid] { return firstProcessEnded(status) }
            reaper.expect(pid) { [unowned self] in firstProcessEnded($0) }
        }
    }

    /// The agent has said hello, perhaps before the runtime has left.
    func agentGreeted() {
        if firstProcess != nil { handle(.agentReady) }
    }

    /// The sandbox is up: what only its start needed goes.
    private func seal() {
        isSealed = true
        // Not before: the runtime and the agent inherit what the keeper has.
        Processes.raiseDescriptorLimit(to: UInt64(Self.mostClients + Self.ownDescriptors))
        roomForClients = Self.countRoom()
        do { try KeeperSeal.apply() } catch {
            return handle(.sealFailed("\(error)"))
        }
        chronicle.bootstrapCompleted()
        if let lifetime = boot.spec.limits.lifetime {
            loop.schedule(after: lifetime.nanoseconds) { [unowned self] in handle(.lifetimeOver) }
        }
        loop.restsWhenIdle = true
        agent?.ready()
        // Once the commands that have waited are on their way: they need not wait for the disk too.
        loop.schedule(after: 0) { [unowned self] in chronicle.force() }
    }
}

// MARK: Clients

extension Keeper {
    private static func countRoom() -> Int {
        let descriptors = Int(clamping: Processes.limit(of: .nofile).soft)
        return max(1, min(mostClients, descriptors - ownDescriptors))
    }

    private func acceptClients() {
        while let descriptor = Sockets.accept(listener) {
            // The socket's directory is 0700 already; this holds even where its mode was changed.
            guard Sockets.peerUser(descriptor) == getuid() else { continue }
            guard clients.count < roomForClients else {
                let refusal = Refusal(.limitReached, "more than \(roomForClients) programs use the sandbox at once")
                ClientSession.turnAway(descriptor, refusal)
                continue
            }
            guard let session = try? ClientSession(descriptor, on: loop) else { continue }
            adopt(session)
        }
    }

    private func adopt(_ session: ClientSession) {
        clients[ObjectIdentifier(session)] = session
        session.onOpen = { [unowned self, unowned session] stream, request, payload in
            open(stream, request, payload, session)
        }
        session.onStop = { [unowned self] grace in stop(grace) }
        session.onEnd = { [unowned self, unowned session] in clientLeft(session) }
        session.onFrame = { [unowned self] stream, frame in agent?.forward(frame, to: stream) }
        session.send(.state, payload: phase.payload)
    }

    private func open(_ stream: UInt32, _ request: OpenRequest, _ payload: [UInt8], _ session: ClientSession) {
        guard let agent, lifecycle.isReady || phase.phase == .booting || phase.phase == .creating else {
            let refusal = Refusal(.wrongState, "the sandbox is \(phase.phase.rawValue)")
            session.send(.refused, stream: stream, payload: refusal.payload)
            return
        }
        agent.open(request, payload, for: session, stream)
    }

    private func clientLeft(_ session: ClientSession) {
        clients[ObjectIdentifier(session)] = nil
        agent?.detach(session)
        if boot.spec.isOneShot, clients.isEmpty { stop(0) }
    }

    private func stop(_ grace: UInt32) {
        guard !lifecycle.isOver else { return }
        handle(.stopRequested)
        if grace == 0 || agent?.isIdle != false { return handle(.graceOver) }
        loop.schedule(after: UInt64(grace) * 1_000_000) { [unowned self] in handle(.graceOver) }
    }

    /// The last command of the sandbox has ended, after which a one-shot sandbox does too.
    func commandsEnded() {
        if boot.spec.isOneShot { stop(0) } else { handle(.commandsEnded) }
    }

    private func enter(_ report: StateReport) {
        phase = report
        chronicle.entered(report)
        for client in clients.values { client.send(.state, payload: report.payload) }
    }
}

// MARK: Processes

extension Keeper {
    private func firstProcessEnded(_ status: ExitStatus) {
        noteKills()
        handle(.firstProcessEnded(status, outOfMemory: seenKills > 0 && status == .signaled(SIGKILL)))
    }

    private func terminateCommands() { agent?.signalAll(SIGTERM) }

    private func killFirstProcess() {
        if let firstProcess { kill(firstProcess, SIGKILL) }
    }

    /// The kernel's notice comes before the kill that it is about: looks a few times more until that has been counted.
    private func memoryRanOut(looks: Int = 10) {
        let seen = seenKills
        noteKills()
        guard seenKills == seen, looks > 0 else { return }
        loop.schedule(after: 10_000_000) { [unowned self] in memoryRanOut(looks: looks - 1) }
    }

    /// Learns whether the kernel has killed for memory since the last call.
    func noteKills() {
        guard let kills = memory?.kills(), kills > seenKills else { return }
        agent?.noteKills(kills - seenKills)
        seenKills = kills
        chronicle.outOfMemory(kills, running: agent?.running ?? [])
    }

    /// Nothing of the sandbox is alive; leaves only what is meant to stay.
    private func finish(_ end: Lifecycle.End) {
        kill(-1, SIGKILL)
        while Processes.reapAny(waiting: true) != nil {}
        agent?.endAll()
        memory?.stop()
        // Sealed, it cannot; then whoever looks at the sandbox next does, starting with the client that waits.
        if !isSealed { driver.cleanUp(plan) }
        let report: StateReport
        switch end {
        case .stopped: report = StateReport(.stopped)
        case .died(let reason, let detail): report = StateReport(.died, reason: reason, detail: detail)
        }
        enter(report)
        try? Files.remove(Stage.runtime + "/keeper.sock")
        // How it ended comes after all that a client has not taken yet, which may be more than its socket holds.
        let deadline = SystemClock.monotonic() + Self.farewell.nanoseconds
        for client in clients.values { client.drain(until: deadline) }
        loop.stop()
    }
}
