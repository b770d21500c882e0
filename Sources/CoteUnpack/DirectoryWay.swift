import CoteArchive
import CoteWorker
import Glibc

/// The directories from the image's root to where the last member went, all open: archives go through a tree in order,
/// so that most members need no look-up at all.
///
/// Names are entered one at a time and never through a symbolic link. A directory that changes gets its own time of
/// modification back when the way leaves it.
final class DirectoryWay {
    private struct Level {
        let name: FilePath
        let descriptor: CInt
        var modified: timespec
        var isChanged: Bool
    }

    private var levels: [Level] = []
    private let budget: UnpackBudget

    /// - Parameter root: an open directory, which stays the caller's.
    init(_ root: CInt, _ budget: UnpackBudget) throws(UnpackFailure) {
        self.budget = budget
        let flags = OpenedFile.directoryFlags
        let descriptor = try attempt("open") { OpenedFile.open(FilePath("."), flags, in: root) }
        // What no layer says: a root that anybody may enter, from the beginning of time.
        levels = [Level(name: FilePath(""), descriptor: descriptor, modified: timespec(), isChanged: true)]
    }

    deinit { for level in levels { close(level.descriptor) } }

    var root: CInt { levels[0].descriptor }
    /// Of the directory entered last.
    var last: CInt { levels[levels.count - 1].descriptor }

    /// Enters a directory below the root; missing ones are created where `create` says so.
    /// - Returns: its descriptor, which belongs to the way and is good until the next call; `nil` where it is missing.
    func enter(_ path: some Collection<FilePath>, of entry: FilePath, create: Bool) throws(UnpackFailure) -> CInt? {
        let known = zip(levels.dropFirst(), path).prefix { $0.name == $1 }.count
        try leave(downTo: known + 1)
        for name in path.dropFirst(known) {
            guard try step(into: name, of: entry, create: create) else { return nil }
        }
        return last
    }

    private func step(into name: FilePath, of entry: FilePath, create: Bool) throws(UnpackFailure) -> Bool {
        let flags = OpenedFile.directoryFlags
        let descriptor = OpenedFile.open(name, flags, in: last)
        if descriptor >= 0 {
            try push(name, descriptor, entry)
            return true
        }
        let code = errno
        guard code == ENOENT else {
            if let status = try OpenedFile.status(name, in: last, entry), !status.isDirectory {
                let what = status.isLink ? "a symbolic link" : "no directory"
                throw .refused(.throughLink, entry, "\(name.shown) on the way is \(what)")
            }
            throw .failed("open", entry, code: code)
        }
        if !create { return false }
        try budget.addEntry(entry)
        let parent = last
        try attempt("mkdir", entry) { name.withCString { mkdirat(parent, $0, 0o755) } }
        changed()
        try push(name, try attempt("open", entry) { OpenedFile.open(name, flags, in: parent) }, entry)
        let plain = ArchiveEntry(kind: .directory, path: entry, mode: 0o755, modified: timespec())
        try FileAttributes.apply(plain, to: last, isNew: true)
        setTime(timespec())
        return true
    }

    private func push(_ name: FilePath, _ descriptor: CInt, _ entry: FilePath) throws(UnpackFailure) {
        let modified = try OpenedFile.status(descriptor, entry).st_mtim
        levels.append(Level(name: name, descriptor: descriptor, modified: modified, isChanged: false))
    }

    /// The directory entered last gets or loses a name.
    func changed() { levels[levels.count - 1].isChanged = true }

    /// The time that the directory entered last is left with.
    func setTime(_ modified: timespec) {
        levels[levels.count - 1].modified = modified
        changed()
    }

    /// Leaves all directories but the root, and gives that its time too.
    func finish() throws(UnpackFailure) {
        try leave(downTo: 1)
        try restoreTime(levels[0])
    }

    private func leave(downTo count: Int) throws(UnpackFailure) {
        while levels.count > count {
            let level = levels.removeLast()
            defer { close(level.descriptor) }
            if level.isChanged { try restoreTime(level) }
        }
    }

    private func restoreTime(_ level: Level) throws(UnpackFailure) {
        try attempt("futimens", level.name) { futimens(level.descriptor, [.unchanged, level.modified]) }
    }
}
