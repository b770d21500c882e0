import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc

/// A real `cote` that runs beside the test, and may be killed.
final class Client: Sendable {
    private let process: ChildProcess

    /// - Parameter input: becomes its stdin; empty where absent. Its output is thrown away.
    init(_ bench: Workbench, _ arguments: [String], input: CInt? = nil) throws {
        let nothing = try Descriptor.open("/dev/null", O_RDWR)
        let variables = [
            "COTE_HOME": bench.home, "COTE_RUNTIME": bench.runtime, "COTE_LIBEXEC": bench.configuration.programs,
            "PATH": "/usr/bin:/bin",
        ]
        var request = SpawnRequest(
            Workbench.builtPrograms + "/cote", ["cote"] + arguments, environment: variables.map { "\($0)=\($1)" })
        request.directory = "/"
        request.descriptors = [input ?? nothing.raw, nothing.raw, nothing.raw]
        process = try request.run()
    }

    func send(_ signal: CInt) { process.signal(signal) }

    /// Kills it and collects it.
    func kill() throws {
        process.signal(SIGKILL)
        _ = try process.wait()
    }

    func wait() throws -> ExitStatus { try process.wait() }
}
