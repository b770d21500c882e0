import CoteModel
import CoteSystem
import Glibc

/// The two folders in which the volumes of one kind are, whatever a volume is there: see `VolumeStore`. What has no
/// name yet, or none any more, is in the same folder as what has: a read-only snapshot can be renamed, not moved.
struct VolumeTree: Sendable {
    /// Holds the folders.
    let root: String
    let watch: StepWatch

    enum Folder: String, CaseIterable {
        case volumes, snapshots
    }

    private func folder(_ folder: Folder) -> String { "\(root)/\(folder)" }

    /// Where a volume or a snapshot of this name is or would be.
    func place(_ name: VolumeName, _ folder: Folder = .volumes) -> String { "\(self.folder(folder))/\(name)" }

    /// Where one of the two is.
    func find(_ name: VolumeName) -> String? {
        Folder.allCases.map { place(name, $0) }.first { Files.exists($0) }
    }

    /// A place that nobody else has, beside that of `name`. No volume's name begins with a dot.
    private func nameless(_ name: VolumeName, _ folder: Folder) -> String {
        "\(self.folder(folder))/.\(name)-\(SandboxID.random())"
    }

    func prepare() throws(SystemError) {
        for folder in Folder.allCases { try Files.makeDirectories(self.folder(folder)) }
    }

    /// Whether the last of the folders is there.
    static func isPrepared(_ root: borrowing Descriptor) -> Bool {
        Folder.allCases.last.map { Files.exists($0.rawValue, at: root.raw) } ?? true
    }

    func list() -> [VolumeEntry] {
        Folder.allCases.flatMap { folder in
            ((try? Files.list(self.folder(folder))) ?? []).compactMap { text in
                VolumeName(text).map { VolumeEntry(name: $0, isSnapshot: folder == .snapshots) }
            }
        }.sorted { $0.name < $1.name }
    }

    /// Makes something under a name that nobody looks at, then gives it its own; takes it away again where that fails.
    func publish(
        _ name: VolumeName, as folder: Folder, discard: (String) throws(SystemError) -> Void,
        _ make: (String) throws(SystemError) -> Void
    ) throws(SystemError) {
        guard find(name) == nil else { throw SystemError("rename", code: EEXIST, subject: place(name, folder)) }
        let new = nameless(name, folder)
        do throws(SystemError) {
            try make(new)
            try Files.publish(new, as: place(name, folder))
        } catch {
            try? discard(new)
            throw error
        }
        watch(.published)
    }

    /// Takes the name away, then removes what had it; a missing one is fine.
    func withdraw(_ name: VolumeName, _ discard: (String) throws(SystemError) -> Void) throws(SystemError) {
        guard let folder = Folder.allCases.first(where: { Files.exists(place(name, $0)) }) else { return }
        let last = nameless(name, folder)
        do throws(SystemError) { try Files.publish(place(name, folder), as: last) } catch {
            if error.code == ENOENT { return }
            throw error
        }
        watch(.withdrawn)
        try discard(last)
        watch(.removed)
    }

    /// Removes what has no name. Nobody else may be at work.
    func recover(_ discard: (String) throws(SystemError) -> Void) throws(SystemError) {
        for folder in Folder.allCases.map({ self.folder($0) }) {
            for rest in (try? Files.list(folder)) ?? [] where VolumeName(rest) == nil {
                try discard("\(folder)/\(rest)")
            }
        }
    }
}
