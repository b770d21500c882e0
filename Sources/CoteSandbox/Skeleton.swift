import CoteModel
import CoteSystem
import Glibc

/// What every sandbox's root has, whatever it is made of: below an image, which hides what it has itself, or around the
/// machine's own `/usr`, with an `/etc` that says nothing about the machine.
public struct Skeleton {
    /// First host id of the sandbox's range: everything in the skeleton belongs to the sandbox's root.
    let userBase: UInt32

    static let agent = "/.cote/agent"
    /// A directory that no user of the sandbox may enter, and in it a `/proc` that can be written to. The agent may, by
    /// its capability over files, and gives each command its score there before it is one.
    static let hidden = "/.cote/private"
    /// The `/proc` in it.
    public static let privateProcesses = hidden + "/proc"
    /// Directories of the volume in which commands may write.
    static let writable = ["/workspace", "/root", "/var/tmp"]
    /// Shown as they are on the machine: what its programs need to find their libraries, tools and certificates.
    static let shared = ["/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"]

    private static let directories = [
        "/.cote", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/tmp", "/var", "/var/tmp", "/workspace",
    ]
    private static let hostDirectories = [
        "/etc/alternatives", "/etc/ssl", "/etc/ssl/certs", "/home", "/opt", "/usr",
    ]

    private static let files: [(path: String, text: String)] = [
        (agent, ""), ("/etc/resolv.conf", ""),
        (
            "/etc/passwd",
            """
            root:x:0:0:root:/root:/bin/sh
            daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
            cote:x:1000:1000:cote:/workspace:/bin/sh
            nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin

            """
        ),
        ("/etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\ncote:x:1000:\nnogroup:x:65534:\n"),
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ]
    private static let hostFiles: [(path: String, text: String)] = [
        ("/etc/ld.so.cache", ""), ("/etc/ssl/openssl.cnf", ""),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
        ("/etc/host.conf", "multi on\n"),
    ]
    /// Files that are the sandbox's own even where an image has them: builders of images leave empty ones.
    static let own = ["/etc/hosts", "/etc/resolv.conf"]

    /// Below an image.
    /// - Parameter volumes: directories that the image wants to exist.
    func write(to root: String, volumes: [String]) throws(SystemError) {
        try write(to: root, Self.directories, Self.files)
        for path in volumes {
            var place = root
            for name in path.split(separator: "/") {
                place += "/\(name)"
                do { try Files.makeDirectory(place, mode: 0o755) } catch {
                    // What is there keeps its owner: it may be nobody's.
                    if error.code == EEXIST { continue }
                    throw error
                }
                try Files.setOwner(place, userBase)
            }
        }
    }

    /// Around the machine's `/usr`.
    /// - Parameter links: the machine's own in its root, such as `bin` to `usr/bin`.
    func write(to root: String, links: [(name: String, target: String)]) throws(SystemError) {
        try write(to: root, Self.directories + Self.hostDirectories, Self.files + Self.hostFiles)
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            if let link = links.first(where: { $0.name == name }) {
                symlink(link.target, "\(root)/\(name)")
            } else {
                try Files.makeDirectory("\(root)/\(name)", mode: 0o755)
            }
        }
        symlink("../usr/lib/os-release", root + "/etc/os-release")
        symlink("../proc/self/mounts", root + "/etc/mtab")
    }

    private func write(
        to root: String, _ directories: [String], _ files: [(path: String, text: String)]
    ) throws(SystemError) {
        try Files.setOwner(root, userBase)
        for path in directories {
            let isShared = path == "/workspace" || path == "/var/tmp" || path == "/tmp"
            try Files.makeDirectory(root + path, mode: 0o755)
            if isShared { chmod(root + path, 0o1777) }
            try Files.setOwner(root + path, userBase)
        }
        try Files.makeDirectory(root + Self.hidden, mode: 0o700)
        try Files.makeDirectory(root + Self.privateProcesses, mode: 0o755)
        try Files.setOwner(root + Self.hidden, userBase + SandboxSpec.reservedUser)
        for (path, text) in files {
            try Files.create(root + path, mode: 0o644, Array(text.utf8))
            try Files.setOwner(root + path, userBase)
        }
    }
}
