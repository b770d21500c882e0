import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// Images that tests bring here, made with tools that are not Cote's.
enum Images {
    /// Of `scripts/build-images`: a Debian with Python, with two layers, a user and a directory of its own.
    static let python = Workbench.repository + "/.build/fixtures/images/python"
    /// Likewise, with a C compiler.
    static let compiler = Workbench.repository + "/.build/fixtures/images/compiler"

    /// A root of one program, in seconds made: busybox as `/bin/sh`.
    static func makeTree(_ path: String) throws {
        for folder in ["", "/bin", "/etc", "/data"] { try Files.makeDirectory(path + folder, mode: 0o755) }
        try Files.create(path + "/bin/busybox", mode: 0o755, try Files.read("/usr/bin/busybox", limit: 16 << 20))
        for name in ["sh", "cat", "echo", "true", "ls", "stat", "id", "dd", "sleep", "head"] {
            symlink("busybox", path + "/bin/" + name)
        }
        try Files.create(path + "/etc/passwd", mode: 0o644, Array("root:x:0:0::/root:/bin/sh\n".utf8))
        try Files.create(path + "/data/file", mode: 0o644, Array("content\n".utf8))
        try Files.setOwner(path + "/data/file", 12)
        if chmod(path + "/bin/busybox", 0o755) < 0 { throw SystemError("chmod") }
    }
}

extension Workbench {
    /// Runs a script of the machine's own shell, in this workbench's directory.
    @discardableResult
    func shell(_ script: String) async throws -> String {
        var request = SpawnRequest("/bin/sh", ["sh", "-ec", script])
        request.environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(directory)", "LC_ALL=C.UTF-8"]
        request.directory = directory
        let result = try await run(request)
        if result.code != 0 { throw ScriptFailure(script: script, errors: result.errors) }
        return result.output
    }

    /// Brings an image, which must work; gives its digest.
    func bring(_ path: String, name: String, _ more: [String] = []) async throws -> Digest {
        let result = try await cote(["env", "import", path, "--name", name] + more)
        try #require(result.code == 0, "\(result.errors)")
        return try #require(Digest(String(result.output.prefix { $0 != "\n" })))
    }

    /// Loop devices of files of this workbench.
    func devices() -> [String] {
        ((try? Files.list("/sys/block")) ?? []).compactMap { name in
            let file = try? Files.readText("/sys/block/\(name)/loop/backing_file", limit: 4096)
            return file?.hasPrefix(directory + "/") == true ? name : nil
        }
    }
}

struct ScriptFailure: Error {
    let script: String
    let errors: String
}
