import CoteSystem
import CoteTestSupport
import CoteUnpack
import Glibc
import Testing

@Suite(.requires(.root)) struct ConfinementTests {
    /// What a program that has given up all but `left` can still do.
    private func misdeeds(base: UInt32?, without left: Confinement.Guard?) throws -> Set<String> {
        let trial = try UnpackTrial()
        let directory = try trial.directory("out")
        var pipe = try Descriptor.pipe()
        let reader = pipe.takeFirst()
        let writer = SharedDescriptor(pipe.takeSecond())
        let arguments = ["probing-unpack", base.map { "\($0)" } ?? "-"] + (left.map { [$0.rawValue] } ?? [])
        var request = SpawnRequest(Workbench.builtPrograms + "/probing-unpack", arguments)
        request.directory = "/"
        let raw = writer.descriptor.raw
        request.descriptors = [raw, raw, raw, directory.descriptor.raw, directory.descriptor.raw]
        let child = try withExtendedLifetime((consume writer, directory)) { try request.run() }
        let output = String(decoding: try reader.readAll(limit: 1 << 16), as: UTF8.self)
        #expect(try child.wait() == .exited(0), "\(output)")
        return Set(output.split { $0 == " " || $0 == "\n" }.map(String.init))
    }

    @Test func `a confined worker can do nothing that it must not`() throws {
        #expect(try misdeeds(base: UnpackTrial.base, without: nil) == [])
        // Whom the caller leaves root, is.
        #expect(try misdeeds(base: nil, without: nil).subtracting(["is-host-root"]) == [])
    }

    /// One guard is left out, and what it alone holds is possible; where two hold the same, it is left to both.
    @Test(arguments: [
        (Confinement.Guard.descriptors, "keeps-descriptor"), (.root, "reads-host"), (.limits, "has-memory"),
        (.calls, "opens-socket"), (.calls, "starts-process"), (.calls, "starts-program"),
    ])
    func `each guard holds something, which is possible without it`(left: Confinement.Guard, misdeed: String) throws {
        #expect(try misdeeds(base: UnpackTrial.base, without: left).contains(misdeed))
    }

    @Test func `without a change of user, the worker would be the host's root`() throws {
        #expect(try misdeeds(base: UnpackTrial.base, without: .user).contains("is-host-root"))
    }

    @Test(arguments: [
        "Uid:\t5000000\t5000000\t5000000\t5000000", "Gid:\t5000000\t5000000\t5000000\t5000000", "Groups:\t ",
        "CapPrm:\t000000008000001b", "CapEff:\t000000008000001b", "CapBnd:\t000000008000001b",
        "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
    ])
    func `the kernel says of a running worker what it gave up`(line: String) throws {
        let status = try Self.duringWork { pid in try Files.readText("/proc/\(pid)/status") }
        #expect(status.split(separator: "\n").contains { $0 == line }, "\(status)")
    }

    @Test func `a running worker is in namespaces of its own`() throws {
        let (theirs, ours) = try Self.duringWork { pid in
            let names = ["net", "ipc", "uts", "mnt", "user"]
            let read = { (process: String) in
                try names.map { try Files.linkTarget("/proc/\(process)/ns/\($0)") }
            }
            return (try read("\(pid)"), try read("self"))
        }
        for (their, our) in zip(theirs, ours) { #expect(their != our) }
    }

    /// Calls `body` while a worker waits for a layer that comes through a pipe.
    private static func duringWork<Value>(_ body: (Int32) throws -> Value) throws -> Value {
        let trial = try UnpackTrial()
        let into = try trial.directory("out")
        var input = try Descriptor.pipe()
        var layer = try Descriptor.pipe()
        var output = try Descriptor.pipe()
        let (requestEnd, layerEnd) = (SharedDescriptor(input.takeFirst()), SharedDescriptor(layer.takeFirst()))
        let toWorker = input.takeSecond()
        let toLayer = layer.takeSecond()
        let answers = SharedDescriptor(output.takeSecond())
        let reader = output.takeFirst()
        var spawn = SpawnRequest(Workbench.builtPrograms + "/cote-unpack", ["cote-unpack"])
        spawn.directory = "/"
        let raw = answers.descriptor.raw
        spawn.descriptors = [
            requestEnd.descriptor.raw, raw, raw, layerEnd.descriptor.raw, into.descriptor.raw,
        ]
        let child = try withExtendedLifetime((consume requestEnd, consume layerEnd, consume answers, into)) {
            try spawn.run()
        }
        let text =
            #"{"work":{"layers":{"_0":[{"descriptor":3,"size":1073741824}],"into":4}},"#
            + #""userBase":\#(UnpackTrial.base),"bounds":{"bytes":1073741824,"entries":1000}}"#
        try toWorker.write(all: Array(text.utf8))
        close(toWorker.release())
        // More than a pipe holds: that all of it is taken means that the worker is at work.
        try toLayer.write(all: (0..<200).flatMap { TestMember.file("f\($0)").bytes })
        let value = try body(child.pid)
        close(toLayer.release())
        _ = try reader.readAll(limit: 1 << 20)
        #expect(try child.wait() == .exited(0))
        return value
    }
}
