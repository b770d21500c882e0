import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Glibc
import Testing

@testable import CoteRegistry

@Suite struct `The program's seal` {
    /// Keeps a worker waiting for an answer, looks at it, and ends it.
    private func observed(_ look: (_ scene: Scene, _ errand: Errand, _ server: FakeServer) throws -> Void) async throws
    {
        try await Scene.with { scene in
            let (arrivals, arrival) = AsyncStream<Void>.makeStream()
            let server = try FakeServer(scene) { _, connection in
                arrival.yield()
                connection.peerIsGone()
            }
            let credentials = RegistryRequest.Credentials.password(user: "SECRET-USER", password: "SECRET-WORD")
            let request = RegistryRequest.test(
                server.host, .resolve(reference: "1", into: 3), credentials: credentials)
            let errand = try Errand(scene, request, [try scene.file("manifest")])
            for await _ in arrivals { break }
            do { try look(scene, errand, server) } catch { Issue.record(error) }
            errand.kill()
            _ = try await errand.wait()
        }
    }

    private func status(_ text: String) -> [String: String] {
        var fields: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = line[line.index(after: colon)...].split(separator: "\t").joined(
                separator: " ")
        }
        return fields
    }

    @Test(.requires(.root)) func `is on every thread: a filter, no capability, no new privilege`() async throws {
        try await observed { _, errand, _ in
            let threads = try Files.list("/proc/\(errand.pid)/task")
            #expect(threads.count > 1)
            for thread in threads {
                let fields = status(try Files.readText("/proc/\(errand.pid)/task/\(thread)/status"))
                #expect(fields["Seccomp"] == "2")
                #expect(fields["NoNewPrivs"] == "1")
                for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                    #expect(fields[set]?.allSatisfy { $0 == "0" } == true, "\(set) \(fields[set] ?? "")")
                }
            }
            let limits = try Files.readText("/proc/\(errand.pid)/limits")
            let core = limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") }
            #expect(core?.split(separator: " ").suffix(3).prefix(2).allSatisfy { $0 == "0" } == true)
            // What belongs to root here is that of a process that cannot be dumped.
            #expect(try Files.status("/proc/\(errand.pid)/environ").st_uid == 0)
        }
    }

    @Test(.requires(.root)) func `leaves no credential where others look`() async throws {
        try await observed { _, errand, server in
            for file in ["cmdline", "environ"] {
                #expect(!(try Files.readText("/proc/\(errand.pid)/\(file)")).contains("SECRET"))
            }
            let request = try #require(server.requests.first)
            #expect(!request.headers.values.contains { $0.contains("SECRET") || $0.hasPrefix("Basic") })
        }
    }

    @Test func `lets nothing start, trace, mount, listen, or be written by name`() {
        func verdict(_ call: SystemCall, _ arguments: [UInt64] = []) -> UInt32 {
            Interpreter.run(WorkerSeal.filter.program, call, arguments)
        }
        let allow = FilterProgram.Answer.allow
        let refused: [SystemCall] = [
            .execve, .execveat, .fork, .vfork, .ptrace, .process_vm_readv, .process_vm_writev, .pidfd_getfd,
            .pidfd_open,
            .mount, .umount2, .fsopen, .open_tree, .move_mount, .pivot_root, .chroot, .unshare, .setns, .listen,
            .accept,
            .accept4, .unlink, .unlinkat, .rename, .renameat, .renameat2, .link, .linkat, .symlink, .symlinkat, .mkdir,
            .mkdirat, .mknod, .mknodat, .chmod, .fchmod, .fchmodat, .chown, .fchown, .fchownat, .truncate, .creat,
            .openat2,
            .open_by_handle_at, .kill, .bpf, .perf_event_open, .userfaultfd, .io_uring_setup, .keyctl, .add_key,
            .setuid,
            .capset, .seccomp, .memfd_create, .socketpair, .clone3, .kexec_load, .init_module, .name_to_handle_at,
            .fsetxattr, .setxattr, .shmget, .personality,
        ]
        for call in refused { #expect(verdict(call) != allow, "\(call)") }
        #expect(verdict(.openat, [0, 0, 0o2_000_000]) == allow)
        for flags: UInt64 in [1, 2, 0o100, 0o101, 0o1000, 0o20_200_002, 0o20_200_001] {
            #expect(verdict(.openat, [0, 0, flags]) != allow, "\(flags)")
            #expect(verdict(.open, [0, flags]) != allow, "\(flags)")
        }
        for family: UInt64 in [2, 10, 16] { #expect(verdict(.socket, [family]) == allow) }
        for family: UInt64 in [1, 17, 38, 40] { #expect(verdict(.socket, [family]) != allow) }
        #expect(verdict(.clone, [0x3d0f00]) == allow)
        for flags: UInt64 in [17, 0x1000_0000, 0x4000_0011, 0x2000_0000] {
            #expect(verdict(.clone, [flags]) != allow)
        }
        #expect(verdict(.prctl, [15]) == allow)
        #expect(verdict(.prctl, [4]) != allow)
    }

    @Test func `is told apart from a request that cannot be read`() async throws {
        try await Scene.with { scene in
            let nothing = try scene.file("request", Array(#"{"registry":"SECRET"}"#.utf8))
            let log = try scene.file("log")
            var spawn = SpawnRequest(Errand.program, ["cote-registry"])
            spawn.descriptors = [nothing.descriptor.raw, log.descriptor.raw, log.descriptor.raw]
            #expect(try await Errand.collect(try spawn.run()) == .exited(1))
            #expect(try scene.content("log") == Array("cote-registry: the request cannot be read\n".utf8))
        }
    }
}

/// Runs a filter's program as the kernel would.
private enum Interpreter {
    static func run(_ program: FilterProgram, _ call: SystemCall, _ arguments: [UInt64]) -> UInt32 {
        var position = 0
        var value: UInt32 = 0
        while position < program.instructions.count {
            let step = program.instructions[position]
            position += 1
            switch step.code {
            case 0x20: value = load(step.operand, call, arguments)
            case 0x54: value &= step.operand
            case 0x05: position += Int(step.operand)
            case 0x06: return step.operand
            case 0x15: position += Int(value == step.operand ? step.ifTrue : step.ifFalse)
            default: position += Int(value >= step.operand ? step.ifTrue : step.ifFalse)
            }
        }
        return 0
    }

    private static func load(_ offset: UInt32, _ call: SystemCall, _ arguments: [UInt64]) -> UInt32 {
        switch offset {
        case FilterProgram.Field.number: return call.rawValue
        case FilterProgram.Field.architecture: return SystemCall.architecture
        default:
            let index = Int(offset - FilterProgram.Field.argument(0)) / 8
            return index < arguments.count ? UInt32(truncatingIfNeeded: arguments[index]) : 0
        }
    }
}
