public import CoteModel
import CoteSystem
import Glibc

/// The kinds of volumes of one state directory.
public struct VolumeStores: Sendable {
    private let home: String
    private let runtime: String

    /// - Parameter home: `$COTE_HOME`.
    /// - Parameter runtime: `$COTE_RUNTIME`.
    public init(home: String, runtime: String) {
        self.home = home
        self.runtime = runtime
    }

    /// The pool, of which `cote doctor` shows more than a seam has.
    public var pool: PoolVolumes { PoolVolumes(home: home, runtime: runtime) }

    /// That kind, whether the host has what it needs or not.
    public func store(_ kind: VolumeKind) -> any VolumeStore {
        switch kind {
        case .btrfs: pool
        case .ext4: ImageVolumes(home: home)
        case .directory: DirectoryVolumes(home: home)
        }
    }

    /// The fastest kind that holds `limit` on this host: without one, a directory; with one, the pool before an image.
    /// Measured in docs/adr/0011.
    /// - Throws: `limitUnsupported`, with what is missing.
    public func best(for limit: ByteCount?) throws(CoteError) -> any VolumeStore {
        guard let limit else { return store(.directory) }
        try VolumeLimit.check(limit)
        var reasons: [String] = []
        for kind in [VolumeKind.btrfs, .ext4] {
            guard let reason = lack(of: kind) else { return store(kind) }
            reasons.append(reason)
        }
        throw CoteError(
            .limitUnsupported, "nothing here holds a disk limit of \(limit): \(reasons.joined(separator: "; "))",
            hint: "apt-get install \(FormatProgram.btrfs.package)")
    }

    /// Why this host has no volumes of that kind; `nil` where it has.
    public func lack(of kind: VolumeKind) -> String? {
        guard kind != .directory else { return nil }
        guard geteuid() == 0 else { return "\(kind.rawValue) needs root" }
        guard access("/dev/loop-control", R_OK | W_OK) == 0 else {
            return "\(kind.rawValue) needs loop devices (/dev/loop-control)"
        }
        guard Self.isKnown(kind.rawValue) else { return "this kernel has no \(kind.rawValue)" }
        let program = kind == .btrfs ? FormatProgram.btrfs : .ext4
        let isMade = kind == .btrfs && Files.exists(home + "/volumes/pool.btrfs")
        guard isMade || program.path != nil else {
            return "\(kind.rawValue) needs \(program.name), from \(program.package)"
        }
        return nil
    }

    /// Whether the kernel has a file system, or a module of it that a mount would load.
    private static func isKnown(_ type: String) -> Bool {
        let present = (try? Files.readText("/proc/filesystems")) ?? ""
        if present.split(separator: "\n").contains(where: { $0.split(separator: "\t").last == Substring(type) }) {
            return true
        }
        guard let release = try? Files.readText("/proc/sys/kernel/osrelease").split(separator: "\n").first,
            let modules = try? Files.readText("/lib/modules/\(release)/modules.dep", limit: 16 << 20)
        else { return false }
        return modules.contains("/\(type).ko")
    }

    /// Removes what the dead have left of every kind that is in use here. All are tried; the first error is thrown.
    public func recover() throws(CoteError) {
        var failure: CoteError?
        for kind in VolumeKind.allCases {
            do { try store(kind).recover() } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }
}
