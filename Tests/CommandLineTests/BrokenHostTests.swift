import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// A host that lacks something: a runtime, a privilege, room on its disk.
@Suite(.requires(.root, .crun)) struct BrokenHostTests {
    @Test func `without the runtime a class is unavailable`() async throws {
        try await Workbench.with { bench in
            var configuration = bench.configuration
            configuration.binaryDirectories = []
            let engine = try Engine(configuration)
            let error = await #expect(throws: CoteError.self) { try await engine.create(SandboxRequest()) }
            #expect(error?.code == .classUnavailable)
            #expect(error?.hint == "apt-get install crun")
            let report = try await engine.showClass("container")
            #expect(!report.isAvailable && report.program == nil && report.capabilities.map(\.name) == ["boot"])
            #expect(await engine.doctor().contains { !$0.isGood && $0.fix == "apt-get install crun" })
            #expect(bench.leaks().isEmpty)
        }
    }

    @Test func `the program says which package is missing`() async throws {
        try await Workbench.with { bench in
            // An empty file covers the runtime for this program and its children alone.
            let covered = { (arguments: [String]) async throws in
                let script =
                    "for p in bin/crun sbin/runc; do mount --bind /dev/null /usr/$p; done; exec \"$@\""
                return try await bench.run(
                    bench.request(
                        "/usr/bin/unshare",
                        ["unshare", "-m", "sh", "-c", script, "sh", bench.program] + arguments))
            }
            let created = try await covered(["create", "host"])
            #expect(created.code == 125)
            #expect(created.told?.message.contains("crun") == true)
            #expect(created.told?.hint == "apt-get install crun")
            #expect(try await covered(["run", "--json", "host", "--", "true"]).toldJSON?.code == "class-unavailable")
            let doctor = try await covered(["doctor"])
            #expect(doctor.code == 1 && doctor.output.contains("fix: apt-get install crun"))
            #expect(try await covered(["class", "list"]).output.contains("unavailable"))
            #expect(bench.leaks().isEmpty)
        }
    }

    @Test(.requires(.runc)) func `runc does what crun would where that is missing`() async throws {
        try await Workbench.with { bench in
            var configuration = bench.configuration
            configuration.binaryDirectories = ["/usr/sbin"]
            let report = try await Engine(configuration).showClass("container")
            #expect(report.program == "/usr/sbin/runc" && report.version?.hasPrefix("runc version") == true)
            #expect(report.capabilities.count > 1)
            let lacking = Privilege.current == .root ? [] : ["own-range", "limits"]
            #expect(report.capabilities.filter { !$0.isProved }.map(\.name) == lacking)
            // What others may change is not passed over for it.
            let place = bench.directory + "/bin"
            try Files.makeDirectory(place)
            try Files.create(place + "/crun", mode: 0o777, Array("#!/bin/sh\n".utf8))
            chmod(place + "/crun", 0o777)
            configuration.binaryDirectories = [place, "/usr/sbin"]
            let engine = try Engine(configuration)
            let error = await #expect(throws: CoteError.self) { try await engine.create(SandboxRequest()) }
            #expect(error?.message.contains("can be changed by others") == true)
        }
    }

    @Test func `a runtime that others may change is not used`() async throws {
        try await Workbench.with { bench in
            let place = bench.directory + "/bin"
            try Files.makeDirectory(place)
            try Files.create(place + "/crun", mode: 0o777, Array("#!/bin/sh\n".utf8))
            chmod(place + "/crun", 0o777)
            var configuration = bench.configuration
            configuration.binaryDirectories = [place]
            let engine = try Engine(configuration)
            let error = await #expect(throws: CoteError.self) { try await engine.create(SandboxRequest()) }
            #expect(error?.code == .classUnavailable)
            #expect(error?.message.contains("can be changed by others") == true)
        }
    }

    @Test(.requires(.machine)) func `without the privilege the program says what it needs`() async throws {
        try await Workbench.with { bench in
            let place = bench.directory + "/nobody"
            try Files.makeDirectory(place)
            chmod(bench.directory, 0o755)
            try Files.setOwner(place, 65_534)
            let asNobody = { (arguments: [String], home: String) async throws in
                var request = bench.request(bench.program, ["cote"] + arguments, home: home, runtime: place + "/run")
                request.credentials = Credentials(user: 65_534, group: 65_534)
                return try await bench.run(request)
            }
            for arguments in [["create", "host"], ["run", "host", "--", "true"]] {
                let refused = try await asNobody(arguments, place + "/home")
                #expect(refused.code == 125)
                #expect(refused.told != nil && refused.told?.hint?.contains("root") == true, "\(refused.errors)")
                let asObject = try await asNobody([arguments[0], "--json"] + arguments.dropFirst(), place + "/home")
                #expect(asObject.toldJSON?.code == "no-permission")
            }
            #expect(try Files.list(place).isEmpty)
        }
    }

    @Test(.requires(.machine)) func `on a full disk nothing is half created`() async throws {
        try await Workbench.with { bench in
            try await bench.withSmallHome { fill, free in
                try fill()
                let full = try await bench.cote(["create", "host", "--name", "box", "--json"])
                #expect(full.code == 125)
                #expect(full.toldJSON?.code == "disk-full")
                #expect(full.toldJSON?.hint?.contains("cote prune") == true)
                #expect(bench.leaks().filter { !$0.hasPrefix("mount ") }.isEmpty)
                try free()
                #expect(try await bench.cote(["create", "host", "--name", "box"]).code == 0)
                #expect(try await bench.cote(["remove", "--force", "box"]).code == 0)
            }
        }
    }

    @Test(.requires(.machine)) func `a disk that fills while a command writes ends the sandbox and keeps its journal`()
        async throws
    {
        try await Workbench.with { bench in
            try await bench.withSmallHome { fill, free in
                #expect(try await bench.cote(["create", "host", "--name", "box"]).code == 0)
                // A command of its own, so that its line is written before the disk fills.
                #expect(try await bench.cote(["exec", "box", "--", "echo", "first"]).code == 0)
                let script = "head -c 64M /dev/zero 2>/dev/null > file; exec cat /dev/zero"
                let ended = try await bench.cote(["exec", "box", "--json", "--", "sh", "-c", script])
                #expect(ended.code == 125)
                #expect(ended.toldJSON?.code == "sandbox-died")
                #expect(ended.toldJSON?.message.contains("disk-full") == true)
                #expect(try await bench.cote(["show", "box"]).output.contains("died (disk-full)"))
                let logs = try await bench.cote(["logs", "box"])
                #expect(logs.code == 0)
                #expect(logs.output.contains("| first\n"))
                #expect(logs.output.contains("sandbox-died: reason=disk-full"))
                try free()
                #expect(try await bench.cote(["remove", "box"]).code == 0)
            }
        }
    }
}

extension Workbench {
    var program: String { Self.builtPrograms + "/cote" }

    /// Any program with what `cote` needs in its environment.
    func request(
        _ path: String, _ arguments: [String], home: String? = nil, runtime: String? = nil
    ) -> SpawnRequest {
        var request = SpawnRequest(path, arguments)
        request.environment = [
            "COTE_HOME=\(home ?? self.home)", "COTE_RUNTIME=\(runtime ?? self.runtime)",
            "COTE_LIBEXEC=\(configuration.programs)",
            "PATH=/usr/bin:/bin:/usr/sbin:/sbin",
        ]
        request.directory = "/"
        return request
    }

    /// Puts the state on a disk of 40 MiB while `body` runs, which gets the means to fill it and to make room again.
    func withSmallHome(_ body: (_ fill: () throws -> Void, _ free: () throws -> Void) async throws -> Void) async throws
    {
        try Files.makeDirectories(home)
        try Mounts.mountNew("tmpfs", at: home, options: "size=40m,mode=0700")
        let ballast = home + "/ballast"
        let outcome: Result<Void, any Error>
        do {
            try await body(
                {
                    let file = try Descriptor.open(ballast, O_WRONLY | O_CREAT, mode: 0o600)
                    var size = 1 << 20
                    while size >= 1 {
                        do { try file.write(all: [UInt8](repeating: 0, count: size)) } catch { size /= 2 }
                    }
                }, { try Files.remove(ballast) })
            outcome = .success(())
        } catch { outcome = .failure(error) }
        for summary in (try? Engine(configuration))?.list() ?? [] {
            try? await Engine(configuration).remove(summary.spec.id.text, force: true)
        }
        try Mounts.unmount(home)
        try outcome.get()
    }
}
