import CoteGuest
import CoteModel
import CoteSandbox
import CoteSystem
import Glibc

/// A sandbox as crun and podman have it: the same namespaces, users, limits, mounts and system calls as Cote's.
///
/// Cote assembles its root for each sandbox. Here it is a directory that was made beforehand, so that the peers have
/// that much less to do; what Cote binds into the root, they bind too.
struct PeerBundle {
    let directory: String
    var root: String { directory + "/root" }
    private static let userBase: UInt32 = 0x6fff_0000
    private let limits = Limits.standard

    init(_ directory: String) throws {
        self.directory = directory
        // The container's own users must get through to the root.
        try Files.makeDirectory(directory, mode: 0o711)
        try Files.makeDirectory(root, mode: 0o755)
        let folders = [
            "etc", "etc/alternatives", "etc/ssl", "etc/ssl/certs", "usr", "proc", "sys", "dev", "tmp", "root", "var",
            "var/tmp", "workspace", "run", "opt",
        ]
        for folder in folders {
            try Files.makeDirectory("\(root)/\(folder)", mode: 0o755)
            try Files.setOwner("\(root)/\(folder)", Self.userBase)
        }
        try Files.create(root + "/etc/passwd", mode: 0o644, Array("root:x:0:0:root:/root:/bin/sh\n".utf8))
        for file in ["etc/ld.so.cache", "etc/ssl/openssl.cnf"] { try Files.create("\(root)/\(file)", mode: 0o644, []) }
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            if let target = try? Files.linkTarget("/" + name) { symlink(target, "\(root)/\(name)") }
        }
        for name in ["root", "var-tmp", "workspace"] {
            try Files.makeDirectory("\(directory)/\(name).volume", mode: 0o755)
            try Files.setOwner("\(directory)/\(name).volume", Self.userBase)
        }
    }

    /// Writes the bundle of a container that runs `arguments`, and returns its path.
    func bundle(_ name: String, _ arguments: [String], cgroup: String) throws -> String {
        let place = "\(directory)/\(name)"
        try Files.makeDirectories(place)
        var writer = JSONWriter()
        writer.object { put(arguments, cgroup, &$0) }
        try Files.replace(place + "/config.json", durable: false, writer.bytes)
        return place
    }

    private func put(_ arguments: [String], _ cgroup: String, _ writer: inout JSONWriter) {
        writer.field("ociVersion", "1.0.0")
        writer.field("hostname", "peer")
        writer.key("root")
        writer.object {
            $0.field("path", root)
            $0.field("readonly", true)
        }
        writer.key("process")
        writer.object { process in
            process.field("terminal", false)
            process.field("cwd", "/workspace")
            process.field("noNewPrivileges", true)
            process.key("user")
            process.object {
                $0.field("uid", 0)
                $0.field("gid", 0)
            }
            process.key("args")
            process.array { for argument in arguments { $0.value(argument) } }
            process.key("env")
            process.array { $0.value("PATH=/usr/sbin:/usr/bin") }
            process.key("capabilities")
            process.object { sets in
                for set in ["bounding", "effective", "permitted", "inheritable", "ambient"] {
                    sets.key(set)
                    sets.array { _ in }
                }
            }
        }
        writer.key("mounts")
        writer.array { for mount in Self.mounts(directory, limits) { mount.put(&$0) } }
        writer.key("linux")
        writer.object { linux(cgroup, &$0) }
    }

    private func linux(_ cgroup: String, _ writer: inout JSONWriter) {
        writer.key("namespaces")
        writer.array { namespaces in
            for type in ["mount", "cgroup", "user", "pid", "network", "ipc", "uts"] {
                namespaces.object { $0.field("type", type) }
            }
        }
        for key in ["uidMappings", "gidMappings"] {
            writer.key(key)
            writer.array {
                $0.object {
                    $0.field("containerID", 0)
                    $0.field("hostID", Self.userBase)
                    $0.field("size", SandboxSpec.userCount)
                }
            }
        }
        writer.field("cgroupsPath", "/" + cgroup)
        writer.key("maskedPaths")
        writer.array { for path in Self.maskedPaths { $0.value(path) } }
        writer.key("resources")
        writer.object { resources in
            resources.key("memory")
            resources.object {
                $0.field("limit", limits.memory?.bytes)
                $0.field("swap", limits.memory?.bytes)
            }
            resources.key("pids")
            resources.object { $0.field("limit", limits.processes) }
        }
        writer.key("seccomp")
        writer.object(Self.filter)
    }

    /// The sandbox's own list: the calls that are allowed whatever their arguments, `clone` without namespaces, and
    /// for everything else an error. crun gets fewer rules that look at arguments than Cote has, never more.
    private static func filter(_ writer: inout JSONWriter) {
        writer.field("defaultAction", "SCMP_ACT_ERRNO")
        writer.field("defaultErrnoRet", ENOSYS)
        writer.key("architectures")
        writer.array { $0.value("SCMP_ARCH_X86_64") }
        writer.key("syscalls")
        writer.array { rules in
            rules.object { rule in
                rule.key("names")
                rule.array { names in
                    for call in SystemCallPolicy.allowed { names.value("\(call)") }
                    for name in ["socket", "socketpair", "ioctl", "personality", "mknod", "mknodat"] {
                        names.value(name)
                    }
                }
                rule.field("action", "SCMP_ACT_ALLOW")
            }
            rules.object { rule in
                rule.key("names")
                rule.array { $0.value("clone") }
                rule.field("action", "SCMP_ACT_ALLOW")
                rule.key("args")
                rule.array {
                    $0.object {
                        $0.field("index", 0)
                        $0.field("value", 0x7e02_0000)
                        $0.field("valueTwo", 0)
                        $0.field("op", "SCMP_CMP_MASKED_EQ")
                    }
                }
            }
        }
    }

    // As the driver has them.
    private static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/slabinfo", "/proc/sysrq-trigger",
        "/proc/timer_list", "/proc/timer_stats", "/sys/dev/block", "/sys/devices/virtual/dmi",
        "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/cgroup", "/sys/fs/selinux", "/sys/kernel",
        "/sys/module",
    ]
}

extension PeerBundle {
    fileprivate struct Mount {
        let type: String
        let source: String
        let target: String
        let options: [String]

        func put(_ writer: inout JSONWriter) {
            writer.object {
                $0.field("destination", target)
                $0.field("type", type)
                $0.field("source", source)
                $0.key("options")
                $0.array { for option in options { $0.value(option) } }
            }
        }
    }

    fileprivate static func mounts(_ directory: String, _ limits: Limits) -> [Mount] {
        let size = limits.memory.map { "size=\($0.bytes / 2)" } ?? "size=50%"
        let hidden = ["nosuid", "noexec", "nodev"]
        func bind(_ source: String, _ target: String, _ options: String...) -> Mount {
            Mount(type: "bind", source: source, target: target, options: ["rbind", "nosuid", "nodev"] + options)
        }
        return [
            bind("/usr", "/usr", "ro"), bind("/etc/ld.so.cache", "/etc/ld.so.cache", "ro"),
            bind("/etc/alternatives", "/etc/alternatives", "ro"), bind("/etc/ssl/certs", "/etc/ssl/certs", "ro"),
            bind("/etc/ssl/openssl.cnf", "/etc/ssl/openssl.cnf", "ro"),
            bind(directory + "/workspace.volume", "/workspace"), bind(directory + "/root.volume", "/root"),
            bind(directory + "/var-tmp.volume", "/var/tmp"),
            Mount(type: "proc", source: "proc", target: "/proc", options: hidden + ["ro"]),
            Mount(type: "proc", source: "proc", target: "/opt", options: hidden),
            Mount(
                type: "tmpfs", source: "tmpfs", target: "/dev",
                options: ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"]),
            Mount(
                type: "devpts", source: "devpts", target: "/dev/pts",
                options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            Mount(type: "tmpfs", source: "tmpfs", target: "/dev/shm", options: hidden + ["mode=1777", size]),
            Mount(type: "sysfs", source: "sysfs", target: "/sys", options: hidden + ["ro"]),
            Mount(type: "tmpfs", source: "tmpfs", target: "/tmp", options: ["nosuid", "nodev", "mode=1777", size]),
        ]
    }
}
