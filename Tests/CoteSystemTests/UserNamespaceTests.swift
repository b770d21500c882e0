import CoteSystem
import Glibc
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct UserNamespaceTests {
    /// What a program in the namespace, as its root, writes to its output.
    private func output(_ namespace: borrowing Descriptor, _ command: [String]) throws -> String {
        let arguments = ["nsenter", "--user=/proc/\(getpid())/fd/\(namespace.raw)", "--"] + command
        var request = SpawnRequest("/usr/bin/nsenter", arguments, environment: ["PATH=/usr/bin:/bin"])
        var pipe = try Descriptor.pipe()
        let reader = pipe.takeFirst()
        let writer = SharedDescriptor(pipe.takeSecond())
        request.descriptors = [writer.descriptor.raw, writer.descriptor.raw, writer.descriptor.raw]
        let child = try withExtendedLifetime(consume writer) { try request.run() }
        let output = String(decoding: try reader.readAll(limit: 1 << 16), as: UTF8.self)
        #expect(try child.wait() == .exited(0), "\(output)")
        return output
    }

    @Test func `the ids of a new user namespace are those asked for, and all of them`() throws {
        let namespace = try UserNamespace.make(base: 3_000_000, count: 65_536)
        let maps = try output(namespace, ["cat", "/proc/self/uid_map", "/proc/self/gid_map"])
        let words = maps.split { $0 == " " || $0 == "\n" }
        #expect(words == ["0", "3000000", "65536", "0", "3000000", "65536"])
        #expect(try output(namespace, ["stat", "-c", "%u:%g", "/etc/passwd"]) == "65534:65534\n")
        #expect(try output(namespace, ["id", "-u"]) == "0\n")
    }

    @Test func `what is wrong with a range comes back, and no child stays`() throws {
        let failure = #expect(throws: SystemError.self) { _ = try UserNamespace.make(base: .max - 10, count: 65_536) }
        #expect(failure?.code == EINVAL)
        for _ in 0..<50 { _ = try UserNamespace.make(base: 4_000_000, count: 1) }
        // Only children whose end is told by no signal, which this process has no others of.
        let silent = CInt(bitPattern: 0x8000_0000)
        var status: CInt = 0
        #expect(waitpid(-1, &status, silent | WNOHANG) == -1 && errno == ECHILD)
    }
}
