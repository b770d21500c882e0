public import CoteEnvironments
import CoteJournal
public import CoteModel
import CoteSandbox
import CoteSystem
import CoteVolumes
import Glibc

extension Engine {
    /// Every sandbox, oldest first, each with its true state. What cannot be read is left out.
    public func list() -> [SandboxSummary] {
        store.ids().compactMap { try? store.reconcile($0) }.sorted { $0.spec.createdAt < $1.spec.createdAt }
    }

    /// The sandbox that a name, an id or the beginning of an id means.
    public func show(_ reference: String) throws(CoteError) -> SandboxSummary {
        try store.reconcile(try store.resolve(reference))
    }

    /// Connects to a sandbox that is alive.
    /// - Throws: `wrongState` when it has stopped, `sandboxDied` when it has died.
    public func sandbox(_ reference: String) throws(CoteError) -> Sandbox {
        let summary = try show(reference)
        let id = summary.spec.id
        guard summary.state.phase.isAlive else { throw Self.notAlive(summary) }
        do throws(SystemError) {
            let socket = try Sockets.connect(in: store.runtime(id), name: "keeper.sock")
            let connection = KeeperConnection(id, socket, on: loop)
            return Sandbox(
                summary.spec, engine: self, connection: connection, process: KeeperProcess.find(summary.state))
        } catch {
            // It ended, or has not begun, between the look and the connection.
            let again = try show(id.text)
            if !again.state.phase.isAlive { throw Self.notAlive(again) }
            throw CoteError(.wrongState, "sandbox \(id) is \(again.state.phase.rawValue)")
        }
    }

    private static func notAlive(_ summary: SandboxSummary) -> CoteError {
        let id = summary.spec.id
        let hint = summary.spec.isOneShot ? "cote remove \(id)" : "cote start \(id)"
        if summary.state.phase == .died {
            let report = "(\(summary.state.reason?.rawValue ?? "unknown"))"
            return CoteError(.sandboxDied, "sandbox \(id) died \(report)", hint: hint)
        }
        return CoteError(.wrongState, "sandbox \(id) is stopped", hint: hint)
    }

    /// Starts a sandbox that has stopped or died, with the files it had.
    /// - Throws: `wrongState` when it is alive, or was for one command: what such a one wrote may not have lasted.
    public func start(_ reference: String) async throws(CoteError) -> Sandbox {
        try Privilege.require()
        let summary = try show(reference)
        let spec = summary.spec
        guard !summary.state.phase.isAlive else {
            throw CoteError(.wrongState, "sandbox \(spec.id) is \(summary.state.phase.rawValue)")
        }
        // Its files were never meant to last, and may not have.
        guard !spec.isOneShot else {
            throw CoteError(
                .wrongState, "sandbox \(spec.id) was for one command", hint: "cote remove \(spec.id)")
        }
        guard let lock = store.lock(spec.id, patiently: true) else {
            throw CoteError(.wrongState, "sandbox \(spec.id) is being used")
        }
        let runtime = try HostClasses(configuration).runtime(of: spec.sandboxClass)
        let root = try await root(of: spec.image?.digest)
        try HostLimits.prepare(spec.limits)
        try store.translate("cannot start \(spec.id)") { () throws(SystemError) in
            try Files.makeDirectories(store.runtime(spec.id))
            try Files.makeDirectories(store.journal(spec.id))
            try? Files.remove(store.runtime(spec.id) + "/keeper.sock")
        }
        let (connection, process) = try launcher.launch(
            spec, lock, runtime: runtime, root: attach(root), volume: store.attachVolume(spec), on: loop)
        let sandbox = Sandbox(spec, engine: self, connection: connection, process: process)
        try await sandbox.ready()
        return sandbox
    }

    /// Removes a sandbox and its files; its journal stays.
    /// - Parameter force: stops it first, and removes one that cannot be read.
    public func remove(_ reference: String, force: Bool = false) async throws(CoteError) {
        // Files of the sandbox's users are nobody's else.
        try Privilege.require()
        let id = try store.resolve(reference)
        let summary: SandboxSummary
        do { summary = try store.reconcile(id) } catch {
            guard force, error.code == .badState || error.code == .unknownSandbox else { throw error }
            return store.forget(id)
        }
        if summary.state.phase.isAlive {
            guard force else {
                throw CoteError(
                    .wrongState, "sandbox \(id) is \(summary.state.phase.rawValue)", hint: "cote remove --force \(id)")
            }
            do throws(CoteError) { try await sandbox(id.text).stop(grace: TimeSpan(milliseconds: 0)) } catch {
                // It may have ended by itself since the look, which is as well.
                if try store.reconcile(id).state.phase.isAlive { throw error }
            }
        }
        let done: Void? = try store.whileUnkept(id, patiently: true) { store.forget(id) }
        if done == nil { throw CoteError(.wrongState, "sandbox \(id) is being used") }
    }

    /// What `prune` removed.
    public struct Pruned: Hashable, Sendable, Codable {
        /// Those that had stopped or died.
        public var sandboxes: [SandboxID] = []
        /// Those whose sandbox is gone, the ones above included.
        public var journals: [SandboxID] = []
        /// Those of which there was still a runtime directory, and with it perhaps a control group.
        public var leftovers: [SandboxID] = []
        /// What no name and no sandbox needs of images.
        public var environments = CollectReport()
    }

    /// Whether it may go; one whose creator died before it wrote down what it is may too.
    private func hasEnded(_ id: SandboxID) -> Bool {
        do throws(CoteError) { return try !store.reconcile(id).state.phase.isAlive } catch {
            return error.code == .unknownSandbox
        }
    }

    /// Removes every sandbox that has ended, every journal without a sandbox, and what a crash left on the host.
    /// Nothing, for a user whose `Privilege` is `none`: such a one could remove no more than half of it.
    public func prune(dryRun: Bool = false) -> Pruned {
        var pruned = Pruned()
        guard Privilege.current != .none else { return pruned }
        for id in store.ids() {
            guard hasEnded(id) else { continue }
            let done: Void? = try? store.whileUnkept(id) { if !dryRun { store.forget(id) } }
            if done != nil { pruned.sandboxes.append(id) }
        }
        if !dryRun {
            store.releaseOrphans()
            try? store.volumes.recover()
        }
        // Looked for before the sandboxes: what is being created just now makes its own directory first.
        let journals = store.journals()
        let directories = ((try? Files.list(configuration.runtime)) ?? []).compactMap { SandboxID($0) }
        let kept = Set(store.ids()).subtracting(dryRun ? pruned.sandboxes : [])
        for id in journals where !kept.contains(id) {
            if !dryRun { try? Files.removeTree(store.journal(id)) }
            pruned.journals.append(id)
        }
        for id in directories where !kept.contains(id) {
            if !dryRun {
                Cgroup(id).remove()
                try? Files.removeTree(store.runtime(id))
            }
            pruned.leftovers.append(id)
        }
        pruned.environments = pruneEnvironments(dryRun: dryRun, gone: dryRun ? Set(pruned.sandboxes) : [])
        return pruned
    }
}
