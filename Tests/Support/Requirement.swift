import CoteEngine
import CoteSandbox
import CoteSystem
import Glibc
public import Testing

/// Something a test needs of the host. What is lacking skips the test, with the reason; named in `COTE_REQUIRE`
/// (a list with commas) it lets the test run and fail instead.
public enum Requirement: String, Sendable, CaseIterable {
    /// Root, if only of a user namespace: what `scripts/test-rootless` gives a test.
    case root
    /// The machine's root, who alone can change what others see.
    case machine
    /// Control groups in which a sandbox can be held to its limits.
    case limits
    /// The user `cote-test`, who has ids to hand on.
    case rootless
    /// crun, or runc in its place.
    case crun
    /// runc, in a directory that has no crun.
    case runc
    /// Loop devices, a kernel with btrfs, and btrfs-progs.
    case btrfs
    /// Loop devices, a kernel with ext4, and e2fsprogs.
    case ext4
    /// The project that `scripts/fetch-python-project` fetches.
    case docutils
    /// QEMU, and a kernel that `scripts/fetch-kernel` fetches.
    case qemu
    /// What unpacks images beside Cote.
    case umoci
    case skopeo
    /// `mkfs.erofs`, and a kernel that mounts what it makes.
    case erofs
    /// What `scripts/build-images` builds.
    case images
    /// Debian's `docker-registry`, with what makes certificates and passwords for it.
    case registry

    /// The directories of the kernels that are there.
    public static var kernels: [String] { fixtures("kernel-") }

    private static func fixtures(_ prefix: String) -> [String] {
        let place = Workbench.repository + "/.build/fixtures"
        return ((try? Files.list(place)) ?? []).filter { $0.hasPrefix(prefix) }.sorted().map { place + "/" + $0 }
    }

    /// The ids of the user that `scripts/setup` makes for tests without root.
    public static let ordinaryUser: (user: UInt32, group: UInt32)? = {
        let accounts = (try? Files.readText("/etc/passwd")) ?? ""
        let ranges = (try? Files.readText("/etc/subuid")) ?? ""
        guard let line = accounts.split(separator: "\n").first(where: { $0.hasPrefix("cote-test:") }),
            ranges.split(separator: "\n").contains(where: { $0.hasPrefix("cote-test:") })
        else { return nil }
        let fields = line.split(separator: ":", omittingEmptySubsequences: false)
        guard fields.count > 3, let user = UInt32(fields[2]), let group = UInt32(fields[3]) else { return nil }
        return (user, group)
    }()

    /// Where the classes' programs are taken from: what `COTE_BINARIES` says, so that the suites can be run once more
    /// over another runtime.
    static let binaryDirectories: [String] = {
        guard let list = getenv("COTE_BINARIES") else { return EngineConfiguration.standardBinaryDirectories }
        return String(cString: list).split(separator: ":").map(String.init)
    }()

    /// Whether the class `container` has a runtime here.
    private static var hasRuntime: Bool {
        binaryDirectories.contains { access($0 + "/crun", X_OK) == 0 || access($0 + "/runc", X_OK) == 0 }
    }

    fileprivate var isMet: Bool {
        switch self {
        case .root: geteuid() == 0
        case .machine: Privilege.current == .root
        case .limits: geteuid() == 0 && Cgroup.layout().isUsable
        case .rootless: Self.ordinaryUser != nil && access("/usr/bin/newuidmap", X_OK) == 0
        case .crun: Self.hasRuntime
        case .runc: access("/usr/sbin/runc", X_OK) == 0 && access("/usr/sbin/crun", F_OK) != 0
        case .btrfs: Self.hasFileSystem("btrfs") && access("/usr/sbin/mkfs.btrfs", X_OK) == 0
        case .ext4: Self.hasFileSystem("ext4") && access("/usr/sbin/mke2fs", X_OK) == 0
        case .docutils: !Self.fixtures("docutils-").isEmpty
        case .images: Self.fixtures("images").contains { Files.exists($0 + "/compiler/index.json") }
        case .registry:
            ["docker-registry", "htpasswd", "openssl"].allSatisfy { access("/usr/bin/" + $0, X_OK) == 0 }
        case .qemu: access("/usr/bin/qemu-system-x86_64", X_OK) == 0 && !Self.kernels.isEmpty
        case .umoci: access("/usr/bin/umoci", X_OK) == 0
        case .skopeo: access("/usr/bin/skopeo", X_OK) == 0
        case .erofs: access("/usr/bin/mkfs.erofs", X_OK) == 0 && Files.exists("/dev/loop-control")
        }
    }

    private static func hasFileSystem(_ type: String) -> Bool {
        let known = (try? Files.readText("/proc/filesystems")) ?? ""
        let isKnown = known.split(separator: "\n").contains { $0.split(separator: "\t").last == Substring(type) }
        return isKnown && access("/dev/loop-control", R_OK | W_OK) == 0
    }

    /// Whether a test that needs this runs.
    public var isWanted: Bool { isMet || isInsistedOn }

    fileprivate var isInsistedOn: Bool {
        let list = getenv("COTE_REQUIRE").map { String(cString: $0) } ?? ""
        return list.split(separator: ",").contains(Substring(rawValue))
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test where the host lacks `requirements`, unless it is told to insist on them.
    public static func requires(_ requirements: Requirement...) -> ConditionTrait {
        let missing = requirements.filter { !$0.isWanted }.map(\.rawValue)
        return .enabled(if: missing.isEmpty, "needs \(missing.joined(separator: ", "))")
    }
}

/// Whether the long versions of tests run (`make soak`).
public let isSoaking = getenv("COTE_SOAK") != nil
