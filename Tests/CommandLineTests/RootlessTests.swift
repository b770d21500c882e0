import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// `cote` as it is called by a user without root.
@Suite(.requires(.machine, .crun, .rootless)) struct RootlessTests {
    @Test func `a user without root has sandboxes of its own`() async throws {
        try await Ordinary.with { user in
            let run = try await user.cote(["run", "host", "--", "sh", "-c", "id -u; exit 3"])
            #expect(run.code == 3 && run.output == "0\n" && run.errors == "", "\(run)")
            #expect(try await user.cote(["create", "host", "--name", "box"]).code == 0)
            #expect(try await user.cote(["exec", "box", "--", "sh", "-c", "echo kept > kept"]).code == 0)
            #expect(try await user.cote(["list"]).output.contains("box"))
            #expect(try await user.cote(["stop", "box"]).code == 0)
            #expect(try await user.cote(["start", "box"]).code == 0)
            #expect(try await user.cote(["exec", "box", "--user", "cote", "--", "cat", "kept"]).output == "kept\n")
            #expect(try await user.cote(["logs", "box"]).output.contains("sandbox-ready"))
            #expect(try await user.cote(["remove", "--force", "box"]).code == 0)
            let pruned = try await user.cote(["prune"])
            #expect(pruned.code == 0 && pruned.output.split(separator: "\n").count == 2, "\(pruned)")
        }
    }

    @Test func `a limit that cannot be held is refused, and none is claimed`() async throws {
        try await Ordinary.with { user in
            for (option, value, what) in [
                ("--memory", "64m", "memory"), ("--pids", "9", "pids"), ("--cpus", "1", "cpu"),
            ] {
                for verb in [
                    ["run", "--json", "host", option, value, "--", "true"],
                    ["create", "--json", "host", option, value],
                ] {
                    let refused = try await user.cote(verb)
                    #expect(refused.code == 125 && refused.output == "")
                    #expect(refused.toldJSON?.code == "limit-unsupported")
                    #expect(refused.toldJSON?.message == "without root there is no limit of \(what)")
                    #expect(refused.toldJSON?.hint?.contains("root") == true)
                }
            }
            #expect(try await user.cote(["list", "--all", "--json"]).output == "[]\n")
            // What the keeper holds itself it holds here too.
            let created = try await user.cote(["create", "--json", "host", "--timeout", "1h", "--journal-limit", "1m"])
            let spec: JSONShape? = try created.decoded(JSONShape.self)["spec"]
            #expect(spec?["limits"]?.keys == ["journal", "lifetime"])
        }
    }

    @Test func `what is not held is not shown as proved`() async throws {
        try await Ordinary.with { user in
            let shown = try await user.cote(["class", "show", "container"])
            #expect(shown.code == 0)
            let rows = shown.output.split(separator: "\n").map { $0.split(separator: " ").prefix(3).map(String.init) }
            let proofs = rows.filter { $0.count == 3 && $0[1] == "untried" }
            #expect(
                proofs.filter { $0[2] == "proved" }.map(\.[0]) == [
                    "boot", "exec", "sealed-network", "read-only-root", "no-privileges", "own-users",
                ])
            #expect(proofs.filter { $0[2] == "absent" }.map(\.[0]) == ["own-range", "limits"])
            let doctor = try await user.cote(["doctor"])
            #expect(doctor.code == 1)
            #expect(doctor.output.contains("ok    privileges: rootless"))
            #expect(doctor.output.contains("FAIL  class container: limits: without root"))
        }
    }

    @Test func `what belongs to another user is out of reach`() async throws {
        try await Workbench.with { bench in
            #expect(try await bench.cote(["create", "host", "--name", "box"]).code == 0)
            try await Ordinary.with { user in
                chmod(bench.directory, 0o755)
                for arguments in [["run", "host", "--", "true"], ["create", "host"]] {
                    let refused = try await user.cote(arguments, home: bench.home)
                    #expect(refused.code == 125 && refused.told?.hint?.contains("root") == true, "\(refused.errors)")
                }
                #expect(
                    try await user.cote(["exec", "box", "--", "true"], home: bench.home, runtime: bench.runtime).code
                        == 125)
            }
        }
    }

    @Test func `a keeper has none of its user's groups`() async throws {
        try await Ordinary.with { user in
            let created = try await user.cote(["create", "host", "--name", "box"], groups: [4, 27])
            #expect(created.code == 0, "\(created.errors)")
            let keeper = try #require(user.keepers().first)
            let status = try Files.readText("/proc/\(keeper)/status").split(separator: "\n")
            let groups = status.first { $0.hasPrefix("Groups:") }
            #expect(groups?.split(whereSeparator: \.isWhitespace).count == 1, "\(groups ?? "")")
        }
    }

    @Test func `where state goes without COTE_HOME`() async throws {
        try await Ordinary.with { user in
            let home = ["COTE_HOME": "", "COTE_RUNTIME": "", "HOME": user.place]
            let lost = try await user.cote(["run", "host", "--", "true"], variables: home)
            #expect(lost.code == 2 && lost.told?.message.contains("XDG_RUNTIME_DIR is not set") == true, "\(lost)")
            let run = home.merging(["XDG_RUNTIME_DIR": user.place + "/run"]) { $1 }
            #expect(try await user.cote(["run", "host", "--", "true"], variables: run).code == 0)
            #expect(try Files.list(user.place + "/.local/share/cote/journals").count == 1)
            #expect(try Files.list(user.place + "/run/cote").isEmpty)
        }
    }

    /// Each before the namespace, and without anything made.
    @Test(arguments: [
        ("mount --bind /dev/null /etc/subuid", "/etc/subuid has no 65536 ids in a row for cote-test", "usermod"),
        ("mount --bind /dev/null /etc/subgid", "/etc/subgid has no 65536 ids in a row for cote-test", "usermod"),
        (
            """
            file=$(mktemp) && chmod 644 $file && mount --bind $file /etc/subuid && rm $file && printf '%s\\n' \
            cote-test:4294967290:65536 cote-test:1:65535 other:1:65536 ::: cote-test:a:b cote-test:-1:65536 \
            cote-test:99999999999:65536 cote-test > /etc/subuid
            """, "/etc/subuid has no 65536 ids in a row for cote-test", "usermod"
        ),
        ("mount --bind /dev/null /usr/bin/newuidmap", "newuidmap is needed", "apt-get install uidmap"),
        ("mount --bind /dev/null /usr/bin/newgidmap", "newgidmap is needed", "apt-get install uidmap"),
        (
            """
            file=$(mktemp) && echo 1000:2000:65536 > $file && chmod 644 $file && mount --bind $file /etc/subuid \
            && mount --bind $file /etc/subgid && rm $file && echo 0 > /proc/sys/user/max_user_namespaces
            """, "user.max_user_namespaces is 0",
            "sysctl user.max_user_namespaces"
        ),
    ])
    func `what a user lacks is named, with the fix`(change: String, message: String, hint: String) async throws {
        try await Ordinary.with { user in
            for verb in [
                ["run", "host", "--", "true"], ["create", "host"], ["start", "box"], ["remove", "box"], ["prune"],
            ] {
                let refused = try await user.cote(verb, after: change)
                #expect(refused.code == 125)
                #expect(refused.told?.message.contains(message) == true, "\(refused.errors)")
                #expect(refused.told?.hint?.contains(hint) == true && refused.told?.hint?.contains("root") == true)
            }
            let doctor = try await user.cote(["doctor"], after: change)
            #expect(doctor.code == 1 && doctor.output.contains(message) && doctor.output.contains("FAIL  privileges"))
            #expect(try Files.list(user.place + "/home").isEmpty || !Files.exists(user.place + "/home/sandboxes/box"))
        }
    }
}

/// The user `cote-test` with programs and state of its own.
struct Ordinary {
    let bench: Workbench
    let ids: (user: UInt32, group: UInt32)
    /// The user's own directory.
    let place: String
    private var home: String { place + "/home" }
    private var runtime: String { place + "/run" }
    private var programs: String { place + "/programs" }

    static func with(_ body: (Ordinary) async throws -> Void) async throws {
        let ids = try #require(Requirement.ordinaryUser)
        try await Workbench.with { bench in
            let user = Ordinary(bench: bench, ids: ids, place: bench.directory + "/user")
            chmod(bench.directory, 0o755)
            for directory in [user.place, user.home, user.runtime, user.programs] {
                try Files.makeDirectory(directory, mode: 0o755)
                chown(directory, ids.user, ids.group)
            }
            for program in ["cote", "cote-keeper", "cote-agent", "as-rootless"] {
                let bytes = try Files.read("\(Workbench.builtPrograms)/\(program)", limit: 1 << 30)
                try Files.create("\(user.programs)/\(program)", mode: 0o755, bytes)
            }
            do { try await body(user) } catch { Issue.record(error) }
            for id in (try? Files.list(user.home + "/sandboxes")) ?? [] {
                #expect(try await user.cote(["remove", "--force", id]).code == 0)
            }
            #expect(user.keepers() == [])
            let left = ((try? Files.list(user.runtime)) ?? []).filter { !["cote", "pool"].contains($0) }
            #expect(left == [])
        }
    }

    /// Keepers that are this user's here.
    func keepers() -> [String] {
        ((try? Files.list("/proc")) ?? []).filter { pid in
            guard Int(pid) != nil, let name = try? Files.readText("/proc/\(pid)/comm"), name == "cote-keeper\n" else {
                return false
            }
            return ((try? Files.linkTarget("/proc/\(pid)/exe")) ?? "").hasPrefix(programs)
        }
    }

    /// Runs the program as the user.
    /// - Parameters:
    ///   - change: done before, by root, in namespaces of its own: nobody else sees it.
    ///   - groups: the user's besides its first.
    func cote(
        _ arguments: [String], after change: String? = nil, home: String? = nil, runtime: String? = nil,
        groups: [UInt32] = [], variables: [String: String] = [:]
    ) async throws -> ProgramResult {
        let own = [
            "COTE_HOME": home ?? self.home, "COTE_RUNTIME": runtime ?? self.runtime, "COTE_LIBEXEC": programs,
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        ]
        let environment = own.merging(variables) { $1 }.map { "\($0.key)=\($0.value)" }
        let program = programs + "/cote"
        var request = SpawnRequest(program, ["cote"] + arguments, environment: environment)
        request.credentials = Credentials(user: ids.user, group: ids.group, groups: groups)
        request.directory = "/"
        guard let change else { return try await bench.run(request) }
        // The system has one such setting for each namespace, and a user of it can be without another.
        let isSetting = change.contains("/proc/sys/")
        let (user, group) = isSetting ? (1000, 1000) : ids
        let script = "\(change) && exec setpriv --reuid \(user) --regid \(group) --clear-groups \"$@\""
        request.arguments = ["unshare", "-m", "sh", "-c", script, "sh", program] + arguments
        request.path = "/usr/bin/unshare"
        if isSetting {
            request.arguments = ["as-rootless", request.path] + request.arguments.dropFirst()
            request.path = programs + "/as-rootless"
        } else {
            request.credentials = nil
        }
        return try await bench.run(request)
    }
}
