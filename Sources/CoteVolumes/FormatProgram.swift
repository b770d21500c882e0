import CoteModel
import CoteSystem
import Glibc

/// A program of the host's that makes file systems, from one of the directories where the host's own programs are:
/// never from `PATH`.
struct FormatProgram: Sendable {
    let name: String
    /// The Debian package that it comes in.
    let package: String

    static let btrfs = FormatProgram(name: "mkfs.btrfs", package: "btrfs-progs")
    static let ext4 = FormatProgram(name: "mke2fs", package: "e2fsprogs")

    private static let directories = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"]

    /// The first that is root's alone to change.
    var path: String? {
        Self.directories.map { "\($0)/\(name)" }.first { path in
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
            return status.st_uid == 0 && status.st_mode & 0o022 == 0 && status.st_mode & 0o111 != 0
        }
    }

    /// Runs the program to its end.
    /// - Parameter artifact: what it makes, for the error.
    /// - Throws: `limitUnsupported` where there is none; `diskFull` or `internal`, with its last words, when it fails.
    func run(_ arguments: [String], on artifact: String) throws(CoteError) {
        guard let path else {
            throw CoteError(
                .limitUnsupported, "no \(name) here, which makes \(artifact)", hint: "apt-get install \(package)")
        }
        // The second is the built-in configuration of mke2fs instead of the host's.
        var request = SpawnRequest(path, [name] + arguments, environment: ["LC_ALL=C", "MKE2FS_CONFIG=/nonexistent"])
        request.directory = "/"
        let status: ExitStatus
        let words: String
        do throws(SystemError) {
            let null = try Descriptor.open("/dev/null", O_RDWR)
            var pipe = try Descriptor.pipe()
            let output = pipe.takeFirst()
            let child = try start(&request, null, pipe.takeSecond())
            words = String(decoding: try output.readAll(limit: 1 << 20), as: UTF8.self)
            status = try child.wait()
        } catch { throw VolumeFailure.translated("cannot make \(artifact) with \(path)", error) }
        guard status != .exited(0) else { return }
        let last = words.split(separator: "\n").last.map(String.init) ?? "\(status)"
        let isFull = ((try? Room.free(at: artifact)) ?? .max) < Room.reserve.bytes
        throw CoteError(
            isFull ? .diskFull : .internal, "cannot make \(artifact) with \(path): \(last)",
            hint: isFull ? "cote prune frees what has ended" : nil)
    }

    private func start(
        _ request: inout SpawnRequest, _ null: borrowing Descriptor, _ errors: consuming Descriptor
    ) throws(SystemError) -> ChildProcess {
        request.descriptors = [null.raw, null.raw, errors.raw]
        do throws(SpawnFailure) { return try request.run() } catch {
            throw SystemError("exec", code: error.code, subject: request.path)
        }
    }
}
