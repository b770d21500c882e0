public import CoteModel
import CoteSystem
import Glibc
import Synchronization

/// What this program may do on the machine, which decides how far it can seal a sandbox.
public enum Privilege: String, Hashable, Sendable, Codable {
    /// The machine's root: everything that Cote promises.
    case root
    /// Root of a user namespace and of nothing else: a user's own program, after `acquire`. All of that user's
    /// sandboxes share one range of ids, and nothing holds them to memory, processes or processors.
    case rootless
    /// A user's program as it was started: it sees the user's sandboxes and runs commands in them, and does not create
    /// or remove any.
    case none

    /// Of this process, now.
    public static var current: Privilege {
        if geteuid() != 0 { return .none }
        return UserNamespace.isInitial ? .root : .rootless
    }

    private static let failure = Mutex<CoteError?>(nil)

    /// Makes a user's program root of a user namespace of its own, in which 0 is the user; nothing where it is root
    /// already. Call it before anything else in `main`: the kernel allows it only while there is one thread. Programs
    /// that are started from then on are in the namespace too.
    /// - Throws: `noPermission` with what is lacking: subordinate ids in `/etc/subuid` and `/etc/subgid`, the programs
    ///   that hand them out, or the kernel's leave. Whatever needs a privilege later throws the same.
    public static func acquire() throws(CoteError) {
        guard current == .none else { return }
        do throws(CoteError) { try enter() } catch {
            failure.withLock { $0 = error }
            throw error
        }
    }

    /// - Throws: `noPermission` where this process can neither create nor remove sandboxes, with what `acquire` lacked.
    public static func require() throws(CoteError) {
        switch current {
        case .root: return
        case .rootless:
            guard UserNamespace.has(SandboxSpec.userCount, from: UserRanges.shared) else {
                throw CoteError(
                    .noPermission, "this user namespace has fewer ids than a sandbox, \(SandboxSpec.userCount)",
                    hint: "run cote outside it, or as the machine's root")
            }
        case .none:
            throw failure.withLock { $0 }
                ?? CoteError(
                    .noPermission, "user \(geteuid()) has no privilege for sandboxes",
                    hint: "run as root, or call Privilege.acquire() first of all")
        }
    }

    private static func enter() throws(CoteError) {
        let user = getuid()
        let name = AccountFile.name(of: user)
        let users = try subordinates("/etc/subuid", "newuidmap", user, name)
        let groups = try subordinates("/etc/subgid", "newgidmap", user, name)
        do throws(SystemError) { try UserNamespace.enter(users: users, groups: groups) } catch {
            throw explained(error)
        }
    }

    private static func subordinates(
        _ file: String, _ program: String, _ user: UInt32, _ name: String?
    ) throws(CoteError) -> UserNamespace.Subordinates {
        // The operator's, never what `PATH` says: they have the privilege that this program lacks.
        let places = ["/usr/bin/", "/bin/", "/usr/local/bin/"].map { $0 + program }
        guard let path = places.first(where: { access($0, X_OK) == 0 }) else {
            throw CoteError(
                .noPermission, "without root \(program) is needed, which is not installed",
                hint: "apt-get install uidmap, or run cote as root")
        }
        let text = (try? Files.readText(file)) ?? ""
        guard let first = AccountFile.range(of: SandboxSpec.userCount, for: user, name, in: text) else {
            let owner = name ?? "\(user)"
            throw CoteError(
                .noPermission, "\(file) has no \(SandboxSpec.userCount) ids in a row for \(owner)",
                hint: "as root: usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST \(owner); or run cote as root"
            )
        }
        return UserNamespace.Subordinates(program: path, first: first, count: SandboxSpec.userCount)
    }

    /// Why the kernel refuses, as far as it says so anywhere.
    private static func explained(_ error: SystemError) -> CoteError {
        let settings = [
            (name: "user.max_user_namespaces", off: "0", on: "10000"),
            (name: "kernel.unprivileged_userns_clone", off: "0", on: "1"),
            (name: "kernel.apparmor_restrict_unprivileged_userns", off: "1", on: "0"),
        ]
        for setting in settings {
            let path = "/proc/sys/" + setting.name.split(separator: ".").joined(separator: "/")
            guard let text = try? Files.readText(path, limit: 32),
                text.trimmingCharacters(\.isWhitespace) == setting.off
            else { continue }
            return CoteError(
                .noPermission, "user namespaces are switched off: \(setting.name) is \(setting.off)",
                hint: "as root: sysctl \(setting.name)=\(setting.on); or run cote as root")
        }
        if error.call == "unshare", error.code == EINVAL {
            return CoteError(
                .noPermission, "a user namespace is to be had only before there is a second thread",
                hint: "call Privilege.acquire() first of all")
        }
        return CoteError(
            .noPermission, "cannot make a user namespace: \(error)", hint: "run cote as root")
    }
}

/// The system's lists of users and of the ids that they may hand on.
enum AccountFile {
    /// What `/etc/passwd` calls a user; `nil` for one of another source. A static program cannot ask the C library.
    static func name(of user: UInt32) -> String? {
        let text = (try? Files.readText("/etc/passwd", limit: 8 << 20)) ?? ""
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count > 2, UInt32(fields[2]) == user { return String(fields[0]) }
        }
        return nil
    }

    /// The first of `count` ids in a row that `/etc/subuid` or `/etc/subgid`, `text`, gives a user, by name or number.
    static func range(of count: UInt32, for user: UInt32, _ name: String?, in text: String) -> UInt32? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, fields[0] == "\(user)" || (name != nil && String(fields[0]) == name),
                let first = UInt32(fields[1]), let size = UInt32(fields[2]), size >= count,
                !first.addingReportingOverflow(count).overflow
            else { continue }
            return first
        }
        return nil
    }
}

extension Privilege {
    /// Whether a file is the operator's: root's. Without root the user is, and may have its own; what is the machine's
    /// root's is nobody's then, by the kernel's number for that, and one of another user cannot be told from it.
    static func isOperators(_ status: stat) -> Bool {
        status.st_uid == 0 || (current == .rootless && status.st_uid == overflowUser)
    }

    private static var overflowUser: UInt32 {
        let text = (try? Files.readText("/proc/sys/kernel/overflowuid", limit: 16)) ?? ""
        return UInt32(text.trimmingCharacters(\.isWhitespace)) ?? 65_534
    }
}
