import CoteTestSupport
import Testing

/// Cote on a machine with Debian's own kernel and control groups v2, which nobody else looks after.
@Suite(.requires(.root, .crun, .runc, .qemu)) struct UnifiedCgroupTests {
    private static let limits = "memory.max=67108864 memory.swap.max=0 pids.max=34 cpu.max=50000 100000"

    @Test(arguments: Machine.all)
    func `with control groups v2 every line of doctor is good`(machine: Machine) async throws {
        let facts = try await machine.facts()
        #expect(facts["handed-down-at-first"] == "")
        #expect(facts["doctor"].hasPrefix("0 ok ") && !facts["doctor"].contains("FAIL"), "\(facts["doctor"])")
        #expect(facts["doctor"].contains("cgroups: v2 "))
        #expect(facts["doctor"].contains("limits: memory, processes and processors, by cgroup v2"))
        #expect(machine.testDescription.hasSuffix(facts["kernel"]))
    }

    @Test(arguments: Machine.all)
    func `with control groups v2 the limits are where the kernel reads them`(machine: Machine) async throws {
        let facts = try await machine.facts()
        #expect(facts["run-limits"] == Self.limits)
        #expect(facts["restarted-limits"] == Self.limits)
        // The group's name and files are hidden inside, and its limits are root's outside.
        #expect(facts["run-inside"] == "0::/ 0")
        #expect(facts["run-owner"] == "0 0")
        #expect(facts["run-code"] == "3")
        let throttled = facts["throttled"].split(separator: " ").last.flatMap { Int($0) }
        #expect(throttled.map { $0 > 0 } == true, "\(facts["throttled"])")
    }

    @Test(arguments: Machine.all)
    func `with control groups v2 a command that takes too much memory is told apart`(machine: Machine) async throws {
        let facts = try await machine.facts()
        #expect(facts["hog-code"] == "137")
        #expect(facts["hog-exit"].contains(#""exit":137,"signal":9,"oom":true"#), "\(facts["hog-exit"])")
        #expect(facts["hog-told"].contains(#""kind":"sandbox-oom","kills":1,"running":[1]"#), "\(facts["hog-told"])")
        #expect(facts["after-hog"] == "alive")
    }

    @Test(arguments: Machine.all)
    func `with control groups v2 there are never more processes than the limit`(machine: Machine) async throws {
        let facts = try await machine.facts()
        // 31 of a hundred and the agent's two threads; the shell, which was the 32nd, has ended.
        #expect(facts["forks-code"] == "2")
        #expect(facts["forks"] == "pids.current=33 pids.events=max 1")
        #expect(facts["bombed"].hasSuffix("pids.max=34") && !facts["bombed"].contains("=max 0"), "\(facts["bombed"])")
        #expect(facts["bombed-list"] == "ready")
    }

    @Test(arguments: Machine.all)
    func `limits stay when the tree's root hands no controllers down any more`(machine: Machine) async throws {
        #expect(try await machine.facts()["kept-limits"] == Self.limits)
    }

    @Test(arguments: Machine.all)
    func `on another kernel a keeper is sealed too`(machine: Machine) async throws {
        let facts = try await machine.facts()
        #expect(facts["sealed"] == "CapPrm: 0000000000000000 CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2")
        #expect(facts["sealed-mounts"] == "/ /journal /run/keeper /sandbox")
    }

    @Test(arguments: Machine.all)
    func `with control groups v2 nothing is left of a sandbox, however it ended`(machine: Machine) async throws {
        let facts = try await machine.facts()
        for end in ["doctor", "run", "stop", "bomb", "killed", "remove", "runc", "rootless"] {
            #expect(facts["traces-of-\(end)"] == "", "\(end)")
        }
        // Before anybody looked.
        #expect(facts["processes-of-killed"] == "")
        #expect(facts["killed"] == "died (keeper-lost)")
        #expect(facts["after-kill"] == "alive")
    }

    @Test(arguments: Machine.all)
    func `with control groups v2 runc holds what crun does`(machine: Machine) async throws {
        let facts = try await machine.facts()
        #expect(facts["runc-create"] == "made", "\(facts["runc-create"])")
        #expect(facts["runc-limits"] == Self.limits)
        #expect(facts["runc-hog-code"] == "137")
    }

    @Test(arguments: Machine.all)
    func `on another kernel a user without root has sandboxes too`(machine: Machine) async throws {
        let facts = try await machine.facts()
        let doctor = facts["rootless-doctor"]
        #expect(doctor.contains("ok    privileges: rootless") && doctor.contains("ok    class container: own-users"))
        #expect(doctor.contains("FAIL  cgroups: not this user's") && doctor.contains("FAIL  class container: limits"))
        #expect(facts["rootless-over-runc"] == "0")
        #expect(facts["rootless-exec"] == "new 0")
        #expect(facts["rootless-owner"] == "100000")
        #expect(facts["rootless-limit"].contains("limit-unsupported"), "\(facts["rootless-limit"])")
    }

    @Test(arguments: Machine.all)
    func `in a group with processes of its own they move to make limits possible`(machine: Machine) async throws {
        let facts = try await machine.facts()
        #expect(facts["nested-at-first"] == "2")
        #expect(facts["nested-create"] == "")
        #expect(facts["nested-limits"] == "67108864 34")
        #expect(facts["nested-processes"] == "0")
        #expect(facts["nested-exec"] == "alive")
        #expect(!facts["nested-doctor"].contains("FAIL"), "\(facts["nested-doctor"])")
        #expect(facts["nested-left"] == "")
    }

    @Test(arguments: Machine.all)
    func `a limit that control groups lack is refused`(machine: Machine) async throws {
        let facts = try await machine.facts()
        #expect(facts["poor-create"].hasPrefix("error: create: the control groups here do not limit memory"))
        #expect(facts["poor-doctor"].contains("FAIL  cgroups: v2 without memory"), "\(facts["poor-doctor"])")
        #expect(facts["poor-left"] == "")
    }
}
