import CoteModel
import CoteSandbox
import CoteSystem
import FoundationEssentials
import Glibc

/// Sandboxes on disk: plain files, each written whole, of which the directory tree is the only index.
///
///     $COTE_HOME/sandboxes/<id>/{spec.json,state.json,lock}   journals/<id>/log.jsonl   names/<name>
///     $COTE_HOME/ranges/<n>                                           $COTE_RUNTIME/<id>/keeper.sock
///
/// Whoever keeps a sandbox alive holds `lock`, from before its first effect to the keeper's end; the kernel lets go of
/// it for the dead.
struct Store: Sendable {
    let configuration: EngineConfiguration

    private static let folders = ["sandboxes", "journals", "names", "ranges"]

    /// Creates what is missing of the tree.
    func prepare() throws(CoteError) {
        try translate("cannot prepare \(configuration.home)") { () throws(SystemError) in
            try Files.makeDirectories(configuration.home)
            for folder in Self.folders where !Files.exists("\(configuration.home)/\(folder)") {
                try Files.makeDirectories("\(configuration.home)/\(folder)")
            }
            try Files.makeDirectories(configuration.runtime)
        }
    }

    func sandbox(_ id: SandboxID) -> String { "\(configuration.home)/sandboxes/\(id)" }
    func journal(_ id: SandboxID) -> String { "\(configuration.home)/journals/\(id)" }
    func runtime(_ id: SandboxID) -> String { "\(configuration.runtime)/\(id)" }
    func name(_ name: SandboxName) -> String { "\(configuration.home)/names/\(name)" }
    func range(_ userBase: UInt32) -> String? {
        UserRanges.index(of: userBase).map { "\(configuration.home)/ranges/\($0)" }
    }

    // MARK: Reading

    func ids() -> [SandboxID] {
        ((try? Files.list(configuration.home + "/sandboxes")) ?? []).compactMap { SandboxID($0) }
    }

    func journals() -> [SandboxID] {
        ((try? Files.list(configuration.home + "/journals")) ?? []).compactMap { SandboxID($0) }
    }

    /// What was asked for. Whatever does not read is set aside by `reconcile`, not here.
    func spec(_ id: SandboxID) throws(CoteError) -> SandboxSpec {
        let path = sandbox(id) + "/spec.json"
        let bytes: [UInt8]
        do { bytes = try Files.read(path) } catch {
            switch error.code {
            case ENOENT: throw CoteError(.unknownSandbox, "no sandbox '\(id)'")
            case EFBIG: throw CoteError(.badState, "\(path) cannot be read", hint: "cote remove --force \(id)")
            default: throw Self.translated("cannot read \(path)", error)
            }
        }
        do { return try JSONDecoder().decode(SandboxSpec.self, from: Data(bytes)) } catch {
            throw CoteError(.badState, "\(path) cannot be read", hint: "cote remove --force \(id)")
        }
    }

    func state(_ id: SandboxID) -> SandboxState? {
        guard let bytes = try? Files.read(sandbox(id) + "/state.json") else { return nil }
        return try? JSONDecoder().decode(SandboxState.self, from: Data(bytes))
    }

    /// The sandbox that a name, an id or the unambiguous beginning of an id (four digits or more) means. The journals
    /// of sandboxes that are gone count too, where `orJournal`.
    func resolve(_ reference: String, orJournal: Bool = false) throws(CoteError) -> SandboxID {
        if let name = SandboxName(reference), let text = try? Files.readText(self.name(name), limit: 64),
            let id = SandboxID(text.trimmingCharacters { $0 == "\n" })
        {
            return id
        }
        let known = Set(ids() + (orJournal ? journals() : []))
        if let id = SandboxID(reference), known.contains(id) { return id }
        let matches = reference.utf8.count < 4 ? [] : known.filter { $0.text.hasPrefix(reference) }
        switch matches.count {
        case 0: throw CoteError(.unknownSandbox, "no sandbox '\(reference)'", hint: "cote list --all shows them")
        case 1: return matches.first ?? SandboxID.random()
        default: throw CoteError(.ambiguousSandbox, "'\(reference)' begins \(matches.count) ids")
        }
    }

    // MARK: Writing

    func write(_ spec: SandboxSpec) throws(SystemError) {
        try Files.replace(sandbox(spec.id) + "/spec.json", durable: false, Self.encode(spec))
    }

    func write(_ state: SandboxState, _ id: SandboxID) throws(CoteError) {
        let path = sandbox(id) + "/state.json"
        try translate("cannot write \(path)") { () throws(SystemError) in
            try Files.replace(path, durable: false, Self.encode(state))
        }
    }

    private static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // INVARIANT: specs and states hold only strings, numbers and flags, which always encode.
        return (try? encoder.encode(value)).map { Array($0) } ?? []
    }

    // MARK: Errors

    static func translated(_ doing: String, _ error: SystemError) -> CoteError {
        switch error.code {
        case ENOSPC, EDQUOT:
            return CoteError(.diskFull, "\(doing): \(error.reason)", hint: "cote prune frees what has ended")
        case EACCES, EPERM, EROFS:
            let hint = Privilege.current == .root ? nil : "run cote as root; cote doctor says more"
            return CoteError(.noPermission, "\(doing): \(error.reason)", hint: hint)
        default: return CoteError(.internal, "\(doing): \(error)")
        }
    }

    func translate<Value>(
        _ doing: String, _ body: () throws(SystemError) -> Value
    ) throws(CoteError) -> Value {
        do { return try body() } catch { throw Self.translated(doing, error) }
    }
}

extension String {
    func trimmingCharacters(_ isTrimmed: (Character) -> Bool) -> String {
        var slice = Substring(self)
        while let last = slice.last, isTrimmed(last) { slice.removeLast() }
        return String(slice)
    }
}

/// Host user ids that are sandboxes' own, 65,536 to each: a region that neither `/etc/subuid` tools nor systemd use.
enum UserRanges {
    private static let first: UInt32 = 0x7000_0000
    static let count: UInt32 = 0x0ffd
    /// The range behind all sandboxes', for those who decode images.
    static let workers = base(count)

    /// Of all sandboxes of a user without root, who has one range: it follows the user's own id, which is 0.
    static let shared: UInt32 = 1

    static func base(_ index: UInt32) -> UInt32 { first + index * SandboxSpec.userCount }

    /// `nil` for the shared one, and for what a damaged file says.
    static func index(of base: UInt32) -> UInt32? {
        guard base >= first, (base - first) / SandboxSpec.userCount < count else { return nil }
        return (base - first) / SandboxSpec.userCount
    }
}
