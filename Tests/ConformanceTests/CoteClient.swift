import CoteEngine
import CoteSystem
import CoteTestSupport
import Glibc

/// The `cote` program as a client that can be killed in the middle. Its stdin stays open and gives nothing.
struct CoteClient: ~Copyable {
    private let child: ChildProcess
    private let output: SharedDescriptor
    private let input: Descriptor

    init(_ bench: Workbench, _ arguments: [String]) throws {
        var request = SpawnRequest(Workbench.builtPrograms + "/cote", ["cote"] + arguments)
        request.environment = [
            "COTE_HOME=\(bench.home)", "COTE_RUNTIME=\(bench.runtime)", "COTE_LIBEXEC=\(bench.configuration.programs)",
            "COTE_BINARIES=\(bench.configuration.binaryDirectories.joined(separator: ":"))",
        ]
        var incoming = try Descriptor.pipe()
        var outgoing = try Descriptor.pipe()
        let reader = incoming.takeFirst()
        let writer = outgoing.takeSecond()
        request.descriptors = [reader.raw, writer.raw, STDERR_FILENO]
        child = try request.run()
        output = SharedDescriptor(outgoing.takeFirst())
        input = incoming.takeSecond()
    }

    /// The next bytes of stdout, as many as are asked for unless it ends before.
    func read(_ count: Int) async throws -> String {
        let output = output
        return try await onThread {
            var bytes: [UInt8] = []
            var byte: UInt8 = 0
            while bytes.count < count, Glibc.read(output.descriptor.raw, &byte, 1) == 1 { bytes.append(byte) }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    func kill() throws {
        child.signal(SIGKILL)
        _ = try child.wait()
    }
}
