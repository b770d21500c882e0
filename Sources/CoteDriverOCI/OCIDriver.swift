import CoteModel
public import CoteSandbox
import CoteSystem
import Glibc

/// Class `container`: the first process in namespaces of its own, started by crun or runc through the OCI runtime
/// interface.
///
/// The runtime leaves as soon as the sandbox runs; the agent is then the keeper's own child and holds one end of the
/// channel as descriptor 3.
public struct OCIDriver: SandboxDriver {
    /// Of no group beside the sandbox's own: with v2, runc would use one of that name which it need not make.
    private static let containerName = "sandbox"

    /// A driver that starts what each plan names; it keeps nothing of its own.
    public init() {}

    /// Writes the bundle and runs the runtime, whose last words are the message of a failure.
    public func start(
        _ plan: SandboxPlan, _ loop: KeeperLoop, completion: @escaping (Result<Int32, StartFailure>) -> Void
    ) {
        guard let runtime = OCIRuntime(program: plan.runtime) else {
            return completion(.failure(StartFailure("\(plan.runtime) is no runtime that this driver knows")))
        }
        do {
            try Files.create(plan.scratch + "/config.json", RuntimeConfiguration(plan).json)
            try Files.makeDirectory(plan.scratch + "/state")
            let group = Cgroup(plan.id, base: Stage.controlGroups)
            try group.create()
            var request = Self.request(plan, runtime)
            let process = try withExtendedLifetime(try group.admit(&request)) { try Self.run(request, plan.channel) }
            loop.reaper.expect(process) { status in
                guard status == .exited(0) else { return completion(.failure(Self.failure(status, plan, runtime))) }
                Self.whenAlone(group, loop) { completion(Self.limited(plan, group)) }
            }
        } catch {
            completion(.failure(StartFailure("\(error)")))
        }
    }

    /// A process of the runtime's may still be on its way out when the main one has gone. The kernel tells of its end,
    /// if it is a child of the keeper's by then; it does not tell when it has ceased to count one that is not.
    private static func whenAlone(_ group: Cgroup, _ loop: KeeperLoop, _ action: @escaping () -> Void) {
        var isDone = false
        func look() {
            guard !isDone, group.population <= 1 else { return }
            isDone = true
            loop.reaper.collected = {}
            action()
        }
        func lookAgain() {
            look()
            if !isDone { loop.events.schedule(after: 500_000) { lookAgain() } }
        }
        loop.reaper.collected = look
        lookAgain()
    }

    /// The runtime's state goes with the keeper's private file system; the control groups do not.
    public func cleanUp(_ plan: SandboxPlan) { Cgroup(plan.id, base: Stage.controlGroups).remove() }

    private static func request(_ plan: SandboxPlan, _ runtime: OCIRuntime) -> SpawnRequest {
        let arguments = [
            plan.runtime, "--root", plan.scratch + "/state", "--log", plan.scratch + "/log",
            runtime.leavesControlGroups, "run", "--detach", "--bundle", plan.scratch, "--pid-file",
            plan.scratch + "/pid", "--preserve-fds", "1", containerName,
        ]
        var request = SpawnRequest(plan.runtime, arguments, environment: ["PATH=/usr/sbin:/usr/bin"])
        request.directory = "/"
        return request
    }

    /// Only when the runtime has left: it needs more processes and memory than the sandbox may be given.
    private static func limited(_ plan: SandboxPlan, _ group: Cgroup) -> Result<Int32, StartFailure> {
        do { try group.limit(plan.limits, plan.guards) } catch { return .failure(StartFailure("\(error)")) }
        return firstProcess(plan)
    }

    private static func firstProcess(_ plan: SandboxPlan) -> Result<Int32, StartFailure> {
        guard let text = try? Files.readText(plan.scratch + "/pid", limit: 32), let pid = Int32(text), pid > 1 else {
            return .failure(StartFailure("the runtime left no process id"))
        }
        return .success(pid)
    }

    private static func run(_ request: SpawnRequest, _ channel: CInt) throws(SystemError) -> Int32 {
        var request = request
        let nothing = try Descriptor.open("/dev/null", O_RDWR)
        request.descriptors = [nothing.raw, nothing.raw, nothing.raw, channel]
        do { return try request.run().pid } catch {
            throw SystemError("exec", code: error.code, subject: request.path)
        }
    }

    /// The runtime's own last words, as one line.
    private static func failure(
        _ status: ExitStatus, _ plan: SandboxPlan, _ runtime: OCIRuntime
    ) -> StartFailure {
        let text = (try? Files.readText(plan.scratch + "/log", limit: 64 << 10)) ?? ""
        let line = text.split(separator: "\n").last.map(String.init) ?? "\(status)"
        return StartFailure("\(runtime.rawValue): " + String(line.prefix(500)))
    }
}
