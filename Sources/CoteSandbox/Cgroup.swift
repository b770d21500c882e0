public import CoteModel
public import CoteSystem
import Glibc

/// The control group of one sandbox: a directory of its own at the top of every hierarchy that limits anything.
///
/// Three layouts exist: all controllers in one tree (v2), one tree a controller (v1), and v1 with an extra v2 tree
/// beside it (hybrid), of which only the v1 part is used.
public struct Cgroup: Sendable {
    /// How the host arranges control groups.
    public enum Layout: String, Sendable {
        case unified = "v2"
        case legacy = "v1"
        case hybrid
        case absent
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

    /// Reads the layout off the file systems at `base`.
    public static func layout(at base: String = mountPoint) -> Layout {
        guard let type = try? Mounts.fileSystemType(of: base) else { return .absent }
        if type == FileSystemType.cgroup2 { return .unified }
        guard Files.exists(base + "/memory") || Files.exists(base + "/pids") else { return .absent }
        let extra = try? Mounts.fileSystemType(of: base + "/unified")
        return extra == FileSystemType.cgroup2 ? .hybrid : .legacy
    }

    /// The hierarchies' roots: one for v2, one a controller otherwise. Links such as `cpu,cpuacct` are left out.
    private static func hierarchies(_ base: String, _ layout: Layout) -> [String] {
        switch layout {
        case .absent: return []
        case .unified: return [base]
        case .legacy, .hybrid:
            let names = (try? Files.list(base)) ?? []
            return names.map { base + "/" + $0 }.filter {
                guard let status = try? Files.status($0) else { return false }
                return status.st_mode & S_IFMT == S_IFDIR
            }
        }
    }

    /// What Cote limits.
    static let controllers: [Substring] = ["cpu", "memory", "pids"]

    /// The group in each tree that limits something: one for v2, one a controller otherwise.
    var directories: [String] {
        let trees = Self.hierarchies(base, layout).filter { tree in
            let names = tree.dropFirst(base.count + 1).split(separator: ",")
            return layout == .unified || !Set(Self.controllers).isDisjoint(with: names)
        }
        return trees.map { "\($0)/\(name)" }
    }

    /// The directory in which a controller's files are.
    public func directory(of controller: String) -> String {
        layout == .unified ? "\(base)/\(name)" : "\(base)/\(controller)/\(name)"
    }

    /// Removes the group from every hierarchy; one that is not there is fine.
    public func remove() {
        for root in Self.hierarchies(base, layout) { Self.removeGroup("\(root)/\(name)") }
    }

    private static func removeGroup(_ path: String) {
        guard rmdir(path) < 0, errno != ENOENT else { return }
        // Groups that the guest's own side may have made below it go first.
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

/// How often the kernel killed a process of a sandbox for memory.
public final class MemoryWatch {
    private let counter: Descriptor
    private let event: SharedDescriptor?
    private let marker: String
    private let loop: EventLoop

    /// Watches `group`; `changed` is called from `loop` when the kernel reports an out-of-memory condition.
    /// The group must exist. `nil` where the host has no memory controller.
    public init?(_ group: Cgroup, on loop: EventLoop, changed: @escaping () -> Void) {
        self.loop = loop
        let directory = group.directory(of: "memory")
        let isUnified = group.layout == .unified
        marker = "oom_kill "
        guard
            let counter = try? Descriptor.open(
                directory + (isUnified ? "/memory.events" : "/memory.oom_control"), O_RDONLY)
        else { return nil }
        self.counter = counter
        do {
            if isUnified {
                event = nil
                try loop.add(self.counter, .priority) { _ in changed() }
            } else {
                event = try Self.register(directory, self.counter)
                if let event { try loop.add(event.descriptor, .read) { _ in changed() } }
            }
        } catch { return nil }
    }

    /// The v1 way: an eventfd that the kernel signals.
    private static func register(_ directory: String, _ counter: borrowing Descriptor) throws(SystemError)
        -> SharedDescriptor
    {
        let event = try Descriptor.event()
        try Files.overwrite(directory + "/cgroup.event_control", "\(event.raw) \(counter.raw)")
        return SharedDescriptor(event)
    }

    /// The kernel's count so far; it may lag a moment behind the event.
    public func kills() -> UInt64 {
        if let event {
            var value: UInt64 = 0
            read(event.descriptor.raw, &value, 8)
        }
        var text = [UInt8](repeating: 0, count: 512)
        let size = pread(counter.raw, &text, text.count, 0)
        guard size > 0 else { return 0 }
        for line in String(decoding: text[..<size], as: UTF8.self).split(separator: "\n") where line.hasPrefix(marker) {
            return UInt64(line.dropFirst(marker.count)) ?? 0
        }
        return 0
    }

    /// Ends the calls to `changed`; `kills` still answers.
    public func stop() {
        if let event { loop.remove(event.descriptor) } else { loop.remove(counter) }
    }
}
