import CoteArchive
import CoteSystem
import CoteWorker
import Glibc

/// An erofs image of a tree by `mkfs.erofs`, which sees its owners as the sandbox's: from 0 on.
///
/// The same tree gives the same bytes: the image's own identity is fixed, and so is its time, which is so late that no
/// file's time is changed to it. The program runs in this process's confinement, on a root with `/usr`, the tree and
/// the image, and nothing else.
struct ErofsImage {
    /// An open directory that belongs to the worker's root.
    let tree: CInt
    /// An open empty file.
    let into: CInt
    let program: String

    private static let treePlace = "tree"
    private static let imagePlace = "image"
    private static let programPlace = "mkfs.erofs"
    private static let longestLog = 16 << 10
    /// What the largest number of seconds but one is: the program takes files' times as they are up to there.
    private static let latest = "SOURCE_DATE_EPOCH=18446744073709551614"
    /// Any would do; every environment's image has its digest for a name.
    private static let identity = "00000000-0000-4000-8000-000000000000"

    func make(_ confinement: Confinement) throws(UnpackFailure) {
        var confinement = confinement
        if let base = confinement.userBase {
            // The program opens it by its name.
            try attempt("fchown", FilePath("image")) { fchown(into, base, base) }
        }
        confinement.shown =
            Self.system + [
                Confinement.Shown(program, at: Self.programPlace, isDirectory: false),
                Confinement.Shown(opened: tree, at: Self.treePlace, isDirectory: true),
                Confinement.Shown(opened: into, at: Self.imagePlace, isDirectory: false, isReadOnly: false),
            ]
        try telling { () throws(SystemError) in try confinement.apply() }
        try run()
    }

    /// Where programs and their libraries are; what is a link to below `/usr` on this host is one again.
    private static var system: [Confinement.Shown] {
        ["usr", "lib", "lib64"].filter { Files.exists("/" + $0) }.map {
            Confinement.Shown("/" + $0, at: $0, isDirectory: true)
        }
    }

    private func run() throws(UnpackFailure) {
        let arguments = [
            "mkfs.erofs", "--quiet", "-x1", "-U", Self.identity, "/" + Self.imagePlace, "/" + Self.treePlace,
        ]
        var request = SpawnRequest("/" + Self.programPlace, arguments, environment: [Self.latest])
        request.directory = "/"
        let status: ExitStatus
        let log: String
        do {
            var pipe = try Descriptor.pipe()
            let reader = pipe.takeFirst()
            let writer = SharedDescriptor(pipe.takeSecond())
            request.descriptors = [STDIN_FILENO, writer.descriptor.raw, writer.descriptor.raw]
            let child = try withExtendedLifetime(consume writer) { try request.run() }
            let said = (try? reader.readAll(limit: Self.longestLog)) ?? []
            log = FilePath(said.suffix(400)).shown
            status = try child.wait()
        } catch let error as SpawnFailure {
            throw .failed("start " + program, code: error.code)
        } catch let error as SystemError {
            throw UnpackFailure(error)
        } catch { throw .failed("start " + program, code: EIO) }
        if status == .exited(0) { return }
        if log.contains("[Error \(ENOSPC)]") { throw .failed("write the image", code: ENOSPC) }
        try explain()
        throw .failed("\(program): \(status), \(log)", code: EIO)
    }

    /// Finds what versions of the program are known not to take: 1.5 loses the last byte of a name of 255.
    private func explain() throws(UnpackFailure) {
        let top = try attempt("open") { OpenedFile.open(FilePath("."), OpenedFile.directoryFlags, in: tree) }
        defer { close(top) }
        try explain(top, FilePath(""))
    }

    private func explain(_ directory: CInt, _ path: FilePath) throws(UnpackFailure) {
        for name in try OpenedFile.names(in: directory, path) {
            let below = path.appending(name)
            let isLong = name.bytes.count > 254 || below.bytes.count > Int(PATH_MAX) - 16
            if isLong { throw .refused(.longName, below, "is longer than \(program) takes") }
            guard try OpenedFile.status(name, in: directory, below)?.isDirectory == true else { continue }
            let inner = try attempt("open", below) { OpenedFile.open(name, OpenedFile.directoryFlags, in: directory) }
            defer { close(inner) }
            try explain(inner, below)
        }
    }
}
