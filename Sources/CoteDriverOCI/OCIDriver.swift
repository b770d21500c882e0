import CoteModel
public import CoteSandbox
import CoteSystem
import Glibc

/// Class `container`: the first process in namespaces of its own, started by crun through the OCI runtime interface.
///
/// crun leaves as soon as the sandbox runs; the agent is then the keeper's own child and holds one end of the channel
/// as descriptor 3.
public struct OCIDriver: SandboxDriver {
    private static let containerName = "box"

    /// A driver that starts what each plan names; it keeps nothing of its own.
    public init() {}

    /// Writes the bundle and runs crun, whose last words are the message of a failure.
    public func start(
        _ plan: SandboxPlan, _ loop: KeeperLoop, completion: @escaping (Result<Int32, StartFailure>) -> Void
    ) {
        do {
            try Files.create(plan.scratch + "/config.json", RuntimeConfiguration(plan).json)
            try Files.makeDirectory(plan.scratch + "/state")
            let group = Cgroup(plan.id)
            try group.create()
            var request = Self.request(plan)
            let process = try withExtendedLifetime(try group.admit(&request)) { try Self.run(request, plan.channel) }
            loop.reaper.expect(process) { status in
                guard status == .exited(0) else { return completion(.failure(Self.failure(status, plan))) }
                // The process of crun's that has started the sandbox's first may still be on its way out.
                loop.reaper.collected = { [reaper = loop.reaper] in
                    guard group.population <= 1 else { return }
                    reaper.collected = {}
                    completion(Self.limited(plan, group))
                }
            }
        } catch {
            completion(.failure(StartFailure("\(error)")))
        }
    }

    /// crun's state goes with the keeper's private file system; its control groups do not.
    public func cleanUp(_ plan: SandboxPlan) { Cgroup(plan.id).remove() }

    private static func request(_ plan: SandboxPlan) -> SpawnRequest {
        let arguments = [
            plan.runtime, "--root", plan.scratch + "/state", "--log", plan.scratch + "/log",
            "--cgroup-manager=disabled", "run", "--detach", "--bundle", plan.scratch, "--pid-file",
            plan.scratch + "/pid", "--preserve-fds", "1", containerName,
        ]
        var request = SpawnRequest(plan.runtime, arguments, environment: ["PATH=/usr/sbin:/usr/bin"])
        request.directory = "/"
        return request
    }

    /// Only when crun has left: it needs more processes and memory than the sandbox may be given.
    private static func limited(_ plan: SandboxPlan, _ group: Cgroup) -> Result<Int32, StartFailure> {
        do { try group.limit(plan.limits, plan.guards) } catch { return .failure(StartFailure("\(error)")) }
        return firstProcess(plan)
    }

    private static func firstProcess(_ plan: SandboxPlan) -> Result<Int32, StartFailure> {
        guard let text = try? Files.readText(plan.scratch + "/pid", limit: 32), let pid = Int32(text), pid > 1 else {
            return .failure(StartFailure("crun left no process id"))
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
    private static func failure(_ status: ExitStatus, _ plan: SandboxPlan) -> StartFailure {
        let text = (try? Files.readText(plan.scratch + "/log", limit: 64 << 10)) ?? ""
        let line = text.split(separator: "\n").last.map(String.init) ?? "\(status)"
        return StartFailure("crun: " + String(line.prefix(500)))
    }
}
