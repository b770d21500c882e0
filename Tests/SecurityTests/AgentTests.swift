import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// The agent as a program by itself, without a sandbox around it and without a privilege.
@Suite(.requires(.root)) struct AgentTests {
    /// Starts it with a channel, closes the channel, and gives it some time.
    /// - Parameter milliseconds: how long it may take to end.
    private static func ends(_ program: String, without left: [Guard], within milliseconds: CInt) throws -> Bool {
        var channel = try Descriptor.socketPair()
        let theirs = channel.takeSecond()
        let nothing = try Descriptor.open("/dev/null", O_RDWR)
        var request = SpawnRequest("\(Workbench.builtPrograms)/\(program)", [program])
        request.environment = ["COTE_WITHOUT_GUARDS=" + left.map(\.rawValue).joined(separator: ",")]
        request.descriptors = [nothing.raw, nothing.raw, nothing.raw, theirs.raw]
        request.credentials = Credentials(user: 65_534, group: 65_534)
        request.dropCapabilities = true
        let agent = try request.run()
        close(channel.takeFirst().release())
        var ended = pollfd(fd: agent.pidfd.raw, events: Int16(POLLIN), revents: 0)
        let hasEnded = poll(&ended, 1, milliseconds) == 1
        agent.signal(SIGKILL)
        _ = try agent.wait()
        return hasEnded
    }

    @Test func `the agent ends with its channel, and goes on without that guard`() throws {
        #expect(try Self.ends("cote-agent", without: [], within: 10_000))
        #expect(try Self.ends("weakened-agent", without: [], within: 10_000))
        #expect(try !Self.ends("weakened-agent", without: [.endsWithChannel], within: 500))
    }
}
