public import CoteModel
import CoteSandbox
import CoteSystem
import Glibc

extension Engine {
    /// The classes this build knows, each tried on this host with a real sandbox.
    public func classes() async -> [ClassReport] {
        var reports: [ClassReport] = []
        for sandboxClass in SandboxClass.allCases { reports.append(await probe(sandboxClass)) }
        return reports
    }

    /// - Throws: `unknownClass`.
    public func showClass(_ name: String) async throws(CoteError) -> ClassReport {
        guard let sandboxClass = SandboxClass(rawValue: name) else {
            throw CoteError(.unknownClass, "no class '\(name)'", hint: "cote class list shows them")
        }
        return await probe(sandboxClass)
    }

    private func probe(_ sandboxClass: SandboxClass) async -> ClassReport {
        var report = ClassReport(sandboxClass: sandboxClass, driver: "oci", privilege: .current, capabilities: [])
        do throws(CoteError) {
            let program = try HostClasses(configuration).runtime(of: sandboxClass)
            report.program = program
            report.version = HostClasses.version(of: program)
            report.capabilities = try await proveCapabilities(sandboxClass)
        } catch {
            report.capabilities = [.init(name: "boot", isProved: false, detail: error.message)]
        }
        return report
    }

    /// Boots a sandbox and reads off its inside what holds.
    private func proveCapabilities(_ sandboxClass: SandboxClass) async throws(CoteError) -> [ClassReport.Capability] {
        var limits = Limits(lifetime: .seconds(60))
        if Cgroup.layout() != .foreign {
            limits = limits.completed(by: Limits(milliCPUs: 1000, memory: .mebibytes(256), processes: 64))
        }
        let sandbox = try await create(
            SandboxRequest(sandboxClass: sandboxClass.rawValue, limits: limits))
        var found = [ClassReport.Capability(name: "boot", isProved: true, detail: "a sandbox came up")]
        for probe in ClassProbe.all {
            let output = try? await sandbox.run(Command(["/bin/sh", "-c", probe.script]))
            let isProved = output?.result.shellCode == 0
            let said = output.map { String(decoding: $0.standardOutput.prefix(120), as: UTF8.self) } ?? "no answer"
            let detail = isProved ? probe.meaning : "not proved: " + said.trimmingCharacters { $0.isNewline }
            found.append(.init(name: probe.name, isProved: isProved, detail: detail))
        }
        found += [ownRange(sandbox), limitCapability(sandbox)]
        try await sandbox.remove()
        try? Files.removeTree(store.journal(sandbox.id))
        return found
    }

    /// Whether the sandbox's ids are its own, which its range's file says, or those of all of a user's sandboxes.
    private func ownRange(_ sandbox: Sandbox) -> ClassReport.Capability {
        let isOwn = store.range(sandbox.spec.userBase).map { Files.exists($0) } == true
        return .init(
            name: "own-range", isProved: isOwn,
            detail: isOwn
                ? "no other sandbox has its users" : "without root all sandboxes of a user share one range of users")
    }

    private func limitCapability(_ sandbox: Sandbox) -> ClassReport.Capability {
        let group = Cgroup(sandbox.id)
        guard group.layout != .foreign else {
            return .init(
                name: "limits", isProved: false,
                detail: "without root nothing holds it to memory, processes or processors")
        }
        let isUnified = group.layout == .unified
        let files = [("memory", isUnified ? "memory.max" : "memory.limit_in_bytes"), ("pids", "pids.max")]
        let missing = files.filter { controller, file in
            guard let text = try? Files.readText("\(group.directory(of: controller))/\(file)") else { return true }
            return UInt64(text.trimmingCharacters { $0.isNewline }) == nil
        }
        return .init(
            name: "limits", isProved: missing.isEmpty,
            detail: missing.isEmpty
                ? "memory, processes and processors, by cgroup \(group.layout.rawValue)"
                : "no limit of \(missing.map(\.0).joined(separator: ", "))")
    }

    /// What works on this host and what does not, each tried now.
    public func doctor() async -> [Finding] {
        var findings = [kernel(), privileges(), cgroups(), state()]
        for report in await classes() {
            let program = report.program.map { " (\($0) \(report.version ?? ""))" } ?? ""
            let failed = report.capabilities.filter { !$0.isProved }
            for capability in report.capabilities {
                findings.append(
                    Finding(
                        subject: "class \(report.sandboxClass.rawValue): \(capability.name)",
                        isGood: capability.isProved,
                        detail: capability.detail + (capability.name == "boot" ? program : ""),
                        fix: capability.isProved || failed.isEmpty ? nil : Self.fix(report, capability)))
            }
        }
        return findings
    }

    private static func fix(_ report: ClassReport, _ capability: ClassReport.Capability) -> String? {
        if report.privilege == .rootless, ["limits", "own-range"].contains(capability.name) {
            return "run cote as root"
        }
        return report.program == nil
            ? "apt-get install \(HostClasses.programs(of: report.sandboxClass)[0])"
            : "cote logs on the failed sandbox says more"
    }

    private func kernel() -> Finding {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let parts = release.split(whereSeparator: { $0 == "." || $0 == "-" }).prefix(2).compactMap { Int($0) }
        let isRecent = parts.count == 2 && (parts[0], parts[1]) >= (5, 12)
        return Finding(
            subject: "kernel", isGood: isRecent, detail: release,
            fix: isRecent ? nil : "Cote needs Linux 5.12 or newer")
    }

    private func privileges() -> Finding {
        do throws(CoteError) { try Privilege.require() } catch {
            return Finding(subject: "privileges", isGood: false, detail: error.message, fix: error.hint)
        }
        let detail = Privilege.current == .root ? "root" : "rootless: root of a user namespace"
        return Finding(subject: "privileges", isGood: true, detail: detail)
    }

    private func cgroups() -> Finding {
        let layout = Cgroup.layout()
        guard layout != .foreign else {
            return Finding(subject: "cgroups", isGood: false, detail: layout.rawValue, fix: "run cote as root")
        }
        guard layout != .absent else {
            return Finding(
                subject: "cgroups", isGood: false, detail: layout.rawValue,
                fix: "mount the cgroup file system at \(Cgroup.mountPoint)")
        }
        let missing = Cgroup.missingControllers().map(\.rawValue).joined(separator: ", ")
        return Finding(
            subject: "cgroups", isGood: missing.isEmpty,
            detail: layout.rawValue + (missing.isEmpty ? "" : " without \(missing)"),
            fix: missing.isEmpty ? nil : "have the kernel, or the container this is, hand down \(missing)")
    }

    private func state() -> Finding {
        do throws(CoteError) {
            try store.prepare()
            let probe = configuration.home + "/.probe-\(getpid())"
            try store.translate("cannot write to \(configuration.home)") { () throws(SystemError) in
                try Files.replace(probe, [1])
                try Files.remove(probe)
            }
            return Finding(subject: "state", isGood: true, detail: configuration.home)
        } catch {
            return Finding(
                subject: "state", isGood: false, detail: error.message, fix: "set COTE_HOME to a place with room")
        }
    }
}

/// A claim about a class that a script inside a sandbox proves by its exit code.
private struct ClassProbe {
    let name: String
    let meaning: String
    let script: String

    static let all = [
        ClassProbe(name: "exec", meaning: "a command ran and its output came back", script: "echo ok"),
        ClassProbe(
            name: "sealed-network", meaning: "nothing but loopback",
            script: #"test "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ')" = lo"#),
        ClassProbe(
            name: "read-only-root", meaning: "the root and /usr cannot be written",
            script: "! (: > /probe) 2>/dev/null && ! (: > /usr/probe) 2>/dev/null && : > /workspace/probe"),
        ClassProbe(
            name: "no-privileges", meaning: "no capability, no new privileges, a system call filter",
            script: """
                grep -q '^CapEff:.*0000000000000000$' /proc/self/status && grep -q '^CapBnd:.*0000000000000000$' \
                /proc/self/status && grep -q '^NoNewPrivs:.*1$' /proc/self/status && grep -q '^Seccomp:.*2$' \
                /proc/self/status
                """),
        ClassProbe(
            name: "own-users", meaning: "root inside is nobody outside",
            script: "read -r first host rest < /proc/self/uid_map && test \"$first\" = 0 && test \"$host\" != 0"),
    ]
}
