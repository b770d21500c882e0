public import CoteModel
import CoteSystem
import Glibc

/// The control group of one sandbox: a directory of its own at the top of every hierarchy that limits anything.
///
/// Three layouts exist: all controllers in one tree (v2), one tree a controller (v1), and v1 with an extra v2 tree
/// beside it (hybrid), of which only the v1 part is used.
///
/// In v2 the sandbox is one level further down, in `cote-<id>/box`. Whoever owns the tree's root, systemd for one, may
/// take back there what it hands down, and with it the limits of a group just below. What such a group itself hands
/// down cannot be taken from it.
public struct Cgroup: Sendable {
    /// How the host arranges control groups.
    public enum Layout: String, Sendable {
        case unified = "v2"
        case legacy = "v1"
        case hybrid
        /// There are some, and they are not this user's to limit anything with.
        case foreign = "not this user's"
        case absent

        /// Whether sandboxes can have groups of their own.
        public var isUsable: Bool { self != .foreign && self != .absent }
    }

    /// Where every distribution mounts them.
    public static let mountPoint = "/sys/fs/cgroup"
    /// Where hybrid hosts have the v2 tree.
    static let secondTree = mountPoint + "/unified"

    /// As found at `base`, or as given.
    public let layout: Layout
    /// Where the hierarchies are mounted, as this process sees it.
    public let base: String
    /// `cote-<id>`, the directory's name in every hierarchy.
    public let name: String

    /// Names the group; neither creates it nor looks whether it is there.
    public init(_ id: SandboxID, base: String = Cgroup.mountPoint, layout: Layout? = nil) {
        self.base = base
        self.layout = layout ?? Self.layout(at: base)
        name = Self.prefix + id.text
    }

    private static let prefix = "cote-"

    /// What this process can use of the groups at `base`. In a user namespace of its own it is nothing: whoever hands
    /// such a user a part of the tree does so elsewhere, and that is not looked for.
    public static func layout(at base: String = mountPoint) -> Layout {
        let found = arrangement(at: base)
        return found == .absent || UserNamespace.isInitial ? found : .foreign
    }

    /// Reads off the file systems at `base` how the host arranges control groups, whoever may use them.
    static func arrangement(at base: String) -> Layout {
        guard let type = try? Mounts.fileSystemType(of: base) else { return .absent }
        if type == FileSystemType.cgroup2 { return .unified }
        guard Files.exists(base + "/memory") || Files.exists(base + "/pids") else { return .absent }
        let extra = try? Mounts.fileSystemType(of: base + "/unified")
        return extra == FileSystemType.cgroup2 ? .hybrid : .legacy
    }

    /// The hierarchies' roots: one for v2, one a controller otherwise. Links such as `cpu,cpuacct` are left out.
    private static func hierarchies(_ base: String, _ layout: Layout) -> [String] {
        switch layout {
        case .absent, .foreign: return []
        case .unified: return [base]
        case .legacy, .hybrid:
            let names = (try? Files.list(base)) ?? []
            return names.map { base + "/" + $0 }.filter {
                guard let status = try? Files.status($0) else { return false }
                return status.st_mode & S_IFMT == S_IFDIR
            }
        }
    }

    /// The group in each tree that limits something: one for v2, one a controller otherwise.
    var directories: [String] {
        let trees = Self.hierarchies(base, layout).filter { tree in
            let names = tree.dropFirst(base.count + 1).split(separator: ",")
            return layout == .unified || names.contains { CgroupController(rawValue: String($0)) != nil }
        }
        return trees.map { $0 + path }
    }

    /// The group that the sandbox is in and that holds its limits, from a hierarchy's root on.
    public var path: String { layout == .unified ? "/\(name)/box" : "/\(name)" }

    /// The directory in which a controller's files are.
    public func directory(of controller: String) -> String {
        layout == .unified ? base + path : "\(base)/\(controller)\(path)"
    }

    /// Removes the group from every hierarchy; one that is not there is fine.
    public func remove() {
        for root in Self.hierarchies(base, layout) { Self.removeGroup("\(root)/\(name)") }
    }

    private static func removeGroup(_ path: String) {
        guard rmdir(path) < 0, errno != ENOENT else { return }
        // The one that the sandbox was in, and any that were made below that, go first.
        for name in (try? Files.list(path)) ?? [] where (try? Files.status(path + "/" + name))?.isDirectory == true {
            removeGroup(path + "/" + name)
        }
        rmdir(path)
    }

    /// Ids of sandboxes that have a group on this host now.
    public static func present(base: String = mountPoint) -> Set<SandboxID> {
        let found = hierarchies(base, layout(at: base)).flatMap { (try? Files.list($0)) ?? [] }
        return Set(found.filter { $0.hasPrefix(prefix) }.compactMap { SandboxID(String($0.dropFirst(prefix.count))) })
    }
}

extension stat {
    var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }
}
