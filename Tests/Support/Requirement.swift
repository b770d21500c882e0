import CoteSystem
import Glibc
public import Testing

/// Something a test needs of the host. What is lacking skips the test, with the reason; named in `COTE_REQUIRE`
/// (a list with commas) it lets the test run and fail instead.
public enum Requirement: String, Sendable, CaseIterable {
    case root
    case crun
    /// The project that `scripts/fetch-python-project` fetches.
    case docutils
    /// QEMU, and a kernel that `scripts/fetch-kernel` fetches.
    case qemu
    /// Debian's `docker-registry`, with what makes certificates and passwords for it.
    case registry
    case skopeo

    /// The directories of the kernels that are there.
    public static var kernels: [String] { fixtures("kernel-") }

    private static func fixtures(_ prefix: String) -> [String] {
        let place = Workbench.repository + "/.build/fixtures"
        return ((try? Files.list(place)) ?? []).filter { $0.hasPrefix(prefix) }.sorted().map { place + "/" + $0 }
    }

    fileprivate var isMet: Bool {
        switch self {
        case .root: geteuid() == 0
        case .crun: access("/usr/bin/crun", X_OK) == 0
        case .docutils: !Self.fixtures("docutils-").isEmpty
        case .registry:
            ["docker-registry", "htpasswd", "openssl"].allSatisfy { access("/usr/bin/" + $0, X_OK) == 0 }
        case .skopeo: access("/usr/bin/skopeo", X_OK) == 0
        case .qemu: access("/usr/bin/qemu-system-x86_64", X_OK) == 0 && !Self.kernels.isEmpty
        }
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
