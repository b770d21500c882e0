import CoteModel
import CoteSandbox

/// The `config.json` of one sandbox, as the OCI runtime specification 1.0 has it.
struct RuntimeConfiguration {
    private let plan: SandboxPlan

    init(_ plan: SandboxPlan) { self.plan = plan }

    /// What the agent needs to start commands as any user of the sandbox and to move files, and nothing more. They are
    /// capabilities over the sandbox's own user namespace; commands have none.
    private static let agentCapabilities = [
        "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER",
    ]

    /// What the agent would have without the guard: enough to administer the sandbox's namespaces.
    private static let unguardedCapabilities = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_CHROOT", "CAP_MKNOD"]

    private static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/slabinfo", "/proc/sysrq-trigger",
        "/proc/timer_list", "/proc/timer_stats", "/sys/dev/block", "/sys/devices/virtual/dmi",
        "/sys/devices/virtual/powercap",
        "/sys/firmware", "/sys/fs/cgroup", "/sys/fs/selinux", "/sys/kernel", "/sys/module",
    ]

    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { root in
            root.field("ociVersion", "1.0.0")
            // Without a namespace of its own the name would be the machine's.
            if plan.guards.holds(.hostnameNamespace) { root.field("hostname", plan.hostname) }
            root.key("root")
            root.object {
                $0.field("path", plan.root)
                $0.field("readonly", plan.guards.holds(.readOnlyRoot))
            }
            root.key("process")
            root.object(process)
            root.key("mounts")
            root.array(mounts)
            root.key("linux")
            root.object(linux)
        }
        return writer.bytes
    }

    private func process(_ writer: inout JSONWriter) {
        writer.field("terminal", false)
        writer.field("cwd", "/")
        writer.field("noNewPrivileges", plan.guards.holds(.noNewPrivileges))
        writer.key("user")
        writer.object {
            $0.field("uid", 0)
            $0.field("gid", 0)
        }
        writer.key("args")
        writer.array { for argument in plan.arguments { $0.value(argument) } }
        writer.key("env")
        writer.array { for variable in plan.environment { $0.value(variable) } }
        let extra = plan.guards.holds(.agentCapabilities) ? [] : Self.unguardedCapabilities
        writer.key("capabilities")
        writer.object { sets in
            for name in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
                sets.key(name)
                let keeps = name == "bounding" || name == "effective" || name == "permitted"
                sets.array { if keeps { for capability in Self.agentCapabilities + extra { $0.value(capability) } } }
            }
        }
    }

    private func mounts(_ writer: inout JSONWriter) {
        // All of it read-only, also what is a process's own: the agent's files there belong to the sandbox's root under
        // the number of each of its threads, and a command could make it the first to be killed when memory is short.
        let access = plan.guards.holds(.readOnlyKernel) ? ["ro"] : []
        mount(&writer, "proc", "/proc", ["nosuid", "noexec", "nodev"] + access)
        // For the agent, which alone may look into what is above it.
        mount(&writer, "proc", Skeleton.privateProcesses, ["nosuid", "noexec", "nodev"])
        if plan.guards.holds(.minimalDevices) {
            mount(&writer, "tmpfs", "/dev", ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"])
            mount(
                &writer, "devpts", "/dev/pts",
                ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"])
            mount(&writer, "tmpfs", "/dev/shm", ["nosuid", "noexec", "nodev", "mode=1777", temporarySize])
        } else {
            for path in ["/dev", "/dev/pts", "/dev/shm"] { mount(&writer, "bind", path, ["rbind"], source: path) }
        }
        // It shows a network namespace, and only whoever owns that one may mount it.
        if plan.guards.holds(.networkNamespace) {
            mount(&writer, "sysfs", "/sys", ["nosuid", "noexec", "nodev", "ro"])
        } else {
            mount(&writer, "bind", "/sys", ["rbind", "nosuid", "noexec", "nodev", "ro"], source: "/sys")
        }
        if plan.guards.holds(.privateTemporary) {
            mount(&writer, "tmpfs", "/tmp", ["nosuid", "nodev", "mode=1777", temporarySize])
        } else {
            mount(&writer, "bind", "/tmp", ["rbind"], source: "/tmp")
        }
    }

    /// Files in memory count towards the sandbox's memory; the mount's own limit makes a full one an error, not a kill.
    private var temporarySize: String {
        plan.limits.memory.map { "size=\($0.bytes / 2)" } ?? "size=50%"
    }

    private func mount(
        _ writer: inout JSONWriter, _ type: String, _ destination: String, _ options: [String], source: String? = nil
    ) {
        writer.object {
            $0.field("destination", destination)
            $0.field("type", type)
            $0.field("source", source ?? type)
            $0.key("options")
            $0.array { for option in options { $0.value(option) } }
        }
    }

    private func linux(_ writer: inout JSONWriter) {
        writer.key("namespaces")
        writer.array { namespaces in
            for type in namespaceTypes { namespaces.object { $0.field("type", type) } }
        }
        if plan.guards.holds(.userNamespace) {
            for key in ["uidMappings", "gidMappings"] {
                writer.key(key)
                writer.array {
                    $0.object {
                        $0.field("containerID", 0)
                        $0.field("hostID", plan.userBase)
                        $0.field("size", SandboxSpec.userCount)
                    }
                }
            }
        }
        if plan.guards.holds(.maskedPaths) {
            writer.key("maskedPaths")
            writer.array { for path in Self.maskedPaths { $0.value(path) } }
        }
    }

    private var namespaceTypes: [String] {
        let guarded: [(Guard, String)] = [
            (.userNamespace, "user"), (.pidNamespace, "pid"), (.networkNamespace, "network"), (.ipcNamespace, "ipc"),
            (.hostnameNamespace, "uts"),
        ]
        return ["mount", "cgroup"] + guarded.filter { plan.guards.holds($0.0) }.map(\.1)
    }
}
