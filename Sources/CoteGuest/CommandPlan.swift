import CoteModel
import CoteSystem
import Glibc

/// A command resolved inside the sandbox: which file, as whom, where, with which environment and limits.
struct CommandPlan {
    private(set) var spawn: SpawnRequest

    private static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    /// The kernel's choice when memory runs out is to be a command, not the agent, which has 0.
    private static let outOfMemoryScore: CInt = 500

    /// What the agent has itself, a command inherits: see `Agent.protect`.
    /// - Parameter descriptors: the limit where the command asks for no other.
    init(_ command: Command, descriptors: ResourceLimit, guards: GuardSet) throws(CoteError) {
        let account = try Self.account(command.user)
        let program = try Self.resolve(
            command.arguments[0], searchPath: command.environment["PATH"] ?? Self.path)
        spawn = SpawnRequest(program, command.arguments, environment: Self.environment(command, account))
        spawn.directory = command.directory ?? "/workspace"
        spawn.fileModeMask = command.fileModeMask
        if account.credentials != Account.root.credentials { spawn.credentials = account.credentials }
        spawn.limits = try Self.limits(command, descriptors)
        spawn.newSession = guards.holds(.ownSession) || command.terminal != nil
        spawn.dropCapabilities = guards.holds(.commandCapabilities)
        spawn.oomScore = guards.holds(.commandOOMScore) ? Self.outOfMemoryScore : nil
        spawn.catchesSignals = false
        spawn.undumpable = guards.holds(.undumpable) && spawn.credentials != nil
        spawn.keepsOtherDescriptors = !guards.holds(.closedDescriptors)
    }

    /// What the command asks for, after what it has in any case.
    private static func environment(_ command: Command, _ account: Account) -> [String] {
        var variables: [String] = []
        func add(_ name: String, _ value: String) {
            if command.environment[name] == nil { variables.append(name + "=" + value) }
        }
        add("PATH", path)
        add("HOME", account.home)
        add("USER", account.name)
        add("LOGNAME", account.name)
        add("LANG", "C.UTF-8")
        if command.terminal != nil { add("TERM", "xterm-256color") }
        if command.environment.isEmpty { return variables }
        return variables + command.environment.map { $0.key + "=" + $0.value }.sorted()
    }

    private static func account(_ user: String?) throws(CoteError) -> Account {
        guard let user else { return .root }
        return try Account.find(user, passwd: text("/etc/passwd"), group: text("/etc/group"))
    }

    /// A file of the sandbox's, or nothing where it cannot be read at once: its owner may hold a lease on it, for which
    /// the kernel would make the agent wait, or have put a fifo in its place.
    private static func text(_ path: String) -> String {
        let bytes = try? Descriptor.open(path, O_RDONLY | O_NONBLOCK).readAll(limit: 1 << 20)
        return String(decoding: bytes ?? [], as: UTF8.self)
    }

    /// Finds a bare word on the search path. A path is left to exec, which sees it from the command's directory.
    private static func resolve(_ word: String, searchPath: String) throws(CoteError) -> String {
        guard !word.isEmpty else { throw CoteError(.commandNotFound, "an empty command") }
        if word.utf8.contains(UInt8(ascii: "/")) { return word }
        var found: String?
        for directory in searchPath.split(separator: ":") {
            let candidate = "\(directory)/\(word)"
            guard faccessat(AT_FDCWD, candidate, F_OK, 0) == 0 else { continue }
            if isProgram(candidate) { return candidate }
            found = found ?? candidate
        }
        if let found { throw CoteError(.commandNotExecutable, "\(found): not an executable file") }
        throw CoteError(.commandNotFound, "\(word): command not found")
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return fstatat(AT_FDCWD, path, &status, 0) == 0 && status.st_mode & S_IFMT == S_IFREG
            && status.st_mode & 0o111 != 0
    }

    private static func limits(
        _ command: Command, _ descriptors: ResourceLimit
    ) throws(CoteError) -> [ResourceLimit] {
        var limits = command.resourceLimits[.nofile] == nil ? [descriptors] : []
        for (name, soft) in command.resourceLimits {
            let resource = CommandResource(name)
            let hard = Processes.limit(of: resource).hard
            guard soft <= hard else {
                throw CoteError(.limitUnsupported, "--ulimit \(name.rawValue)=\(soft): more than the sandbox's \(hard)")
            }
            limits.append(ResourceLimit(resource: resource.rawValue, soft: soft, hard: hard))
        }
        if command.resourceLimits[.core] == nil {
            // Not 0: where the host hands cores to a program of its own, only a limit of 1 keeps that from running.
            limits.append(ResourceLimit(resource: CommandResource.core.rawValue, soft: 1, hard: 1))
        }
        return limits
    }
}

extension CommandResource {
    fileprivate init(_ limit: CommandLimit) {
        self =
            switch limit {
            case .cpu: .cpu
            case .fsize: .fsize
            case .data: .data
            case .stack: .stack
            case .core: .core
            case .nproc: .nproc
            case .nofile: .nofile
            }
    }
}
