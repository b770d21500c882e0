import CoteEnvironments
import CoteModel
import CoteSandbox
import CoteSystem
import CoteVolumes
import CoteWire
import Glibc

/// Starts keepers.
struct KeeperLauncher: Sendable {
    let configuration: EngineConfiguration
    let store: Store

    private static let newNamespaces: UInt64 = 0x2000_0000 | 0x0002_0000  // CLONE_NEWPID | CLONE_NEWNS

    /// Starts the keeper of `spec`, which inherits `lock`; the result is connected to it and has asked it to boot.
    func launch(
        _ spec: SandboxSpec, _ lock: SandboxLock, runtime: String, root: AttachedRoot, volume: VolumeAttachment,
        on loop: EngineLoop
    ) throws(CoteError) -> (connection: KeeperConnection, process: KeeperProcess) {
        let boot = BootRequest(
            spec: spec, sandboxDirectory: store.sandbox(spec.id), journalDirectory: store.journal(spec.id),
            runtimeDirectory: store.runtime(spec.id), agent: configuration.programs + "/cote-agent", runtime: runtime,
            root: root.source, volume: volume.source)
        do throws(SystemError) {
            var pair = try Descriptor.socketPair()
            let theirs = pair.takeSecond()
            let nothing = try Descriptor.open("/dev/null", O_RDWR)
            let log = try Descriptor.open(
                boot.runtimeDirectory + "/keeper.log", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            var request = SpawnRequest(configuration.programs + "/cote-keeper", ["cote-keeper", spec.id.text])
            request.directory = "/"
            request.namespaces = Self.newNamespaces
            request.newSession = true
            request.descriptors = [nothing.raw, nothing.raw, log.raw, theirs.raw, lock.descriptor.raw]
            for device in [root.device, volume.hold] {
                request.descriptors.append(device?.descriptor.raw ?? nothing.raw)
            }
            let child: ChildProcess
            do { child = try request.run() } catch { throw Self.failure(error, request.path) }
            let process = KeeperProcess(pid: child.pid, pidfd: SharedDescriptor(child.takePidfd()))
            return (KeeperConnection(spec.id, pair.takeFirst(), on: loop, boot: boot), process)
        } catch {
            if error.code == EPERM {
                throw CoteError(
                    .noPermission, "cannot make namespaces: \(error.reason)",
                    hint: "run cote as root; cote doctor says more")
            }
            throw Store.translated("cannot start a keeper", error)
        }
    }

    private static func failure(_ failure: SpawnFailure, _ path: String) -> SystemError {
        SystemError(failure.stage == .exec ? "exec" : "clone", code: failure.code, subject: path)
    }
}

/// A keeper as a process.
struct KeeperProcess: Sendable {
    let pid: Int32
    let pidfd: SharedDescriptor

    /// One that somebody else started; `nil` when it is gone.
    static func find(_ state: SandboxState) -> KeeperProcess? {
        guard let pid = state.keeper, let pidfd = try? Processes.open(pid),
            Processes.startTime(of: "\(pid)") == state.keeperStart
        else { return nil }
        return KeeperProcess(pid: pid, pidfd: SharedDescriptor(pidfd))
    }

    /// Calls `action` from the loop once the process has ended, and collects it if it is this program's child.
    func whenEnded(on loop: EngineLoop, _ action: @escaping @Sendable () -> Void) {
        let (pid, pidfd) = (pid, pidfd)
        loop.run { events in
            let added: Void? = try? events.add(pidfd.descriptor, .read) { _ in
                events.remove(pidfd.descriptor)
                Processes.reap(pid)
                action()
            }
            if added == nil { action() }
        }
    }

    /// Waits, blocking, until it has ended, and with it everything in its namespace; at most a few seconds.
    func settle() {
        var entry = pollfd(fd: pidfd.descriptor.raw, events: Int16(POLLIN), revents: 0)
        poll(&entry, 1, 5000)
    }

    func ended(on loop: EngineLoop) async {
        await withCheckedContinuation { continuation in whenEnded(on: loop) { continuation.resume() } }
    }
}
