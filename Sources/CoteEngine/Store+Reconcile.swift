import CoteJournal
import CoteModel
import CoteSandbox
import CoteSystem
import FoundationEssentials

extension Store {
    /// A sandbox's state, true now: where its keeper died without a word, that is recorded first.
    func reconcile(_ id: SandboxID) throws(CoteError) -> SandboxSummary {
        let spec: SandboxSpec
        do { spec = try self.spec(id) } catch {
            if error.code == .badState { try whileUnkept(id) { () throws(CoteError) in try setAside(id) } }
            throw error
        }
        let recorded = state(id)
        if let recorded, !recorded.phase.isAlive {
            clearHost(id)
            return SandboxSummary(spec: spec, state: recorded)
        }
        let found = try whileUnkept(id) { () throws(CoteError) in
            // It may have ended properly between the two looks.
            let again = state(id)
            if let again, !again.phase.isAlive { return SandboxSummary(spec: spec, state: again) }
            return SandboxSummary(spec: spec, state: try recordLoss(spec, again))
        }
        // Somebody keeps it. Before the keeper's first word it is being created.
        let creating = SandboxState(phase: .creating, changedAt: spec.createdAt)
        return found ?? SandboxSummary(spec: spec, state: recorded ?? creating)
    }

    private func recordLoss(_ spec: SandboxSpec, _ recorded: SandboxState?) throws(CoteError) -> SandboxState {
        // A process that is killed lets go of its lock first, and only then of what is in its namespace.
        if let recorded { KeeperProcess.find(recorded)?.settle() }
        let lost = SandboxState(
            phase: .died, reason: .keeperLost, detail: lastWords(spec.id), changedAt: SystemClock.wall())
        journalLoss(spec, lost)
        try write(lost, spec.id)
        Cgroup(spec.id).remove()
        try? Files.removeTree(runtime(spec.id))
        return lost
    }

    /// Removes what a keeper that has ended could not: it had no right to any more. The runtime directory goes last,
    /// and says until then that there is something to do.
    private func clearHost(_ id: SandboxID) {
        guard Files.exists(runtime(id)) else { return }
        _ = try? whileUnkept(id) {
            Cgroup(id).remove()
            try? Files.removeTree(runtime(id))
        }
    }

    private func journalLoss(_ spec: SandboxSpec, _ state: SandboxState) {
        guard let place = try? Descriptor.directory(journal(spec.id)),
            let journal = try? JournalWriter("log.jsonl", at: place.raw, limit: spec.limits.journal)
        else { return }
        try? journal.event("sandbox-died") {
            $0.field("reason", DeathReason.keeperLost.rawValue)
            $0.field("detail", state.detail)
        }
        try? journal.synchronize()
        try? Files.remove("reserve", at: place.raw)
    }

    /// What the keeper said as it went down, if it could.
    private func lastWords(_ id: SandboxID) -> String {
        let text = (try? Files.readText(runtime(id) + "/keeper.log", limit: 64 << 10)) ?? ""
        return text.split(separator: "\n").last.map { String($0.prefix(300)) } ?? "its keeper is gone"
    }

    /// Moves what cannot be read out of the way; a person may still want it.
    private func setAside(_ id: SandboxID) throws(CoteError) {
        try translate("cannot set aside \(id)") { () throws(SystemError) in
            try Files.makeDirectories(configuration.home + "/damaged")
            try Files.rename(sandbox(id), to: "\(configuration.home)/damaged/\(id)-\(SystemClock.wall())")
        }
    }
}
