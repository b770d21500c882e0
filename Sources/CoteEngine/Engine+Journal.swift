public import CoteJournal
public import CoteModel
import CoteSystem

extension Engine {
    /// The journal of a sandbox, also of one that is gone, from its beginning.
    public func journal(of reference: String) throws(CoteError) -> JournalReader {
        let id = try store.resolve(reference, orJournal: true)
        if store.ids().contains(id) { _ = try? store.reconcile(id) }
        return try store.translate("cannot read the journal of \(id)") { () throws(SystemError) in
            try JournalReader(store.journal(id) + "/log.jsonl")
        }
    }

    /// The same, waiting at its end for what is written next until the sandbox has ended. Read it on a thread that may
    /// block.
    public func followJournal(of reference: String) throws(CoteError) -> JournalFollower {
        let id = try store.resolve(reference, orJournal: true)
        let reader = try journal(of: id.text)
        let store = store
        return try store.translate("cannot follow the journal of \(id)") { () throws(SystemError) in
            try JournalFollower(reader) { (try? store.reconcile(id))?.state.phase.isAlive != true }
        }
    }
}
