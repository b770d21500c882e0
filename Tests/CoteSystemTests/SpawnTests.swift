import CoteSystem
import Glibc
import Testing

/// A child shares its parent's memory until it is its program: nothing of that may be seen.
@Suite struct SpawnTests {
    private func failure(_ request: SpawnRequest) -> SpawnFailure? {
        do throws(SpawnFailure) { _ = try request.run() } catch { return error }
        return nil
    }

    @Test func `the step that failed and why come back`() throws {
        #expect(failure(SpawnRequest("/nowhere", ["nowhere"])) == SpawnFailure(stage: .exec, code: ENOENT))
        #expect(failure(SpawnRequest("/etc/passwd", ["passwd"])) == SpawnFailure(stage: .exec, code: EACCES))
        var request = SpawnRequest("/bin/true", ["true"])
        request.directory = "/nowhere"
        #expect(failure(request) == SpawnFailure(stage: .directory, code: ENOENT))
        request.directory = nil
        request.descriptors = [9999]
        #expect(failure(request) == SpawnFailure(stage: .descriptors, code: EBADF))
        request.descriptors = []
        request.limits = [ResourceLimit(resource: CommandResource.nofile.rawValue, soft: 2, hard: 1)]
        #expect(failure(request) == SpawnFailure(stage: .limits, code: EINVAL))
    }

    @Test func `a handler of the parent's never runs in a child, whatever it is sent`() throws {
        Counter.install(SIGUSR2)
        defer { signal(SIGUSR2, SIG_DFL) }
        let before = Counter.calls
        for _ in 0..<200 {
            let pid = EarlyPid()
            var pipe = try Descriptor.pipe()
            let (reader, sent) = (SharedDescriptor(pipe.takeFirst()), SharedDescriptor(pipe.takeSecond()))
            let sender = Thread { [sent] in
                while pid.value == 0 {}
                kill(pid.value, SIGUSR2)
                try? sent.descriptor.write(all: [1])
            }
            try sender.start()
            try SpawnRequest("/bin/true", ["true"]).run(pid)
            // Not collected before the signal was sent: until then the number is the child's.
            var byte: UInt8 = 0
            #expect(read(reader.descriptor.raw, &byte, 1) == 1)
            var status: CInt = 0
            #expect(waitpid(pid.value, &status, 0) == pid.value)
        }
        #expect(Counter.calls == before)
    }

    /// What a handler can do: add to a number that parent and child would share.
    private enum Counter {
        nonisolated(unsafe) static var calls = 0
        static func install(_ number: CInt) { signal(number) { _ in Counter.calls += 1 } }
    }
}
