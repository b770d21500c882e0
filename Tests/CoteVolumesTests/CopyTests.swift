import CoteModel
import CoteSystem
import CoteTestSupport
import CoteVolumes
import Glibc
import Testing

/// What a fork has of what was in the volume.
@Suite(.requires(.root, .btrfs, .ext4))
struct CopyTests {
    @Test(arguments: VolumeKind.allCases)
    func `a fork has owners, modes, times, attributes, links, holes and whiteouts`(kind: VolumeKind) async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(kind)
            try store.create(.of("origin"), owner: VolumeScene.owner, limit: nil)
            let before = try scene.mounted(store, .of("origin")) { place in
                try Self.furnish(place + "/upper")
                return try Self.describe(place + "/upper")
            }
            try store.snapshot(of: .of("origin"), as: .of("frozen"))
            try store.fork(of: .of("frozen"), as: .of("fork"))
            let after = try scene.mounted(store, .of("fork")) { try Self.describe($0 + "/upper") }
            #expect(after == before)
            #expect(before.count == 11, "\(before)")
            try store.remove(.of("fork"))
            try store.remove(.of("origin"))
        }
    }

    @Test func `a directory that is deeper than any stack or table of descriptors is copied, measured and removed`()
        async throws
    {
        try await VolumeScene.with { scene in
            let store = scene.store(.directory)
            try store.create(.of("deep"), owner: VolumeScene.owner, limit: nil)
            try scene.mounted(store, .of("deep")) { place in
                var inner = try Descriptor.open(place + "/upper", O_RDONLY | O_DIRECTORY)
                for _ in 0..<5000 {
                    try Files.makeDirectory("d", at: inner.raw)
                    inner = try Descriptor.open("d", O_RDONLY | O_DIRECTORY, at: inner.raw)
                }
            }
            let used = try store.usage(of: .of("deep")).used
            try store.snapshot(of: .of("deep"), as: .of("frozen"))
            #expect(try store.usage(of: .of("frozen")).used == used)
            for name in ["deep", "frozen"] { try store.remove(.of(name)) }
            #expect(try store.list().isEmpty)
        }
    }

    @Test func `a device in a layer, which nobody inside can have made, is not copied`() async throws {
        try await VolumeScene.with { scene in
            let store = scene.store(.directory)
            try store.create(.of("volume"), owner: VolumeScene.owner, limit: nil)
            try scene.mounted(store, .of("volume")) { #expect(mknod($0 + "/upper/null", S_IFCHR | 0o666, 0x103) == 0) }
            let error = failure { () throws(CoteError) in try store.snapshot(of: .of("volume"), as: .of("copy")) }
            #expect(error?.code == .noPermission && error?.message.contains("null") == true, "\(error as Any)")
            #expect(try store.list().count == 1 && scene.halves(.directory).isEmpty)
        }
    }

    /// One of everything that a layer may hold.
    private static func furnish(_ upper: String) throws {
        try Files.create(upper + "/file", mode: 0o640, Array("content".utf8))
        #expect(lchown(upper + "/file", VolumeScene.owner + 5, VolumeScene.owner + 6) == 0)
        #expect(chmod(upper + "/file", 0o4755) == 0)
        try Files.makeDirectories(upper + "/inner/deeper", mode: 0o1777)
        try Files.link(upper + "/file", as: upper + "/inner/deeper/second-name")
        symlink("/nowhere/at all", upper + "/link")
        lchown(upper + "/link", VolumeScene.owner + 1, VolumeScene.owner + 1)
        mkfifo(upper + "/pipe", 0o600)
        #expect(mknod(upper + "/whiteout", S_IFCHR, 0) == 0)
        let name: [CChar] = Array((upper + "/not-").utf8CString.dropLast()) + [-1, -2, 0]
        #expect(mkdir(name, 0o700) == 0)
        let sparse = try Descriptor.open(upper + "/sparse", O_RDWR | O_CREAT, mode: 0o600)
        _ = pwrite(sparse.raw, "x", 1, 40 << 20)
        try sparse.truncate(to: 64 << 20)
        try Files.create(upper + "/inner/empty", mode: 0o400, [])
        for (path, attribute, value) in [
            ("/inner", "trusted.overlay.opaque", "y"), ("/file", "user.note", "hello"),
            ("/file", "trusted.overlay.origin", "\u{1}\u{2}"),
        ] {
            let bytes = Array(value.utf8)
            #expect(try setAttribute(upper + path, attribute, bytes) == 0, "\(attribute)")
        }
        var times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 123_456_789), timespec(tv_sec: 5, tv_nsec: 6)]
        for path in ["/file", "/inner/deeper", "/link"] {
            #expect(utimensat(AT_FDCWD, upper + path, &times, AT_SYMLINK_NOFOLLOW) == 0)
        }
        _ = consume times
    }

    private static func setAttribute(_ path: String, _ name: String, _ value: [UInt8]) throws -> Int {
        var request = SpawnRequest("/usr/bin/python3", ["python3", "-c", script, path, name] + value.map(String.init))
        request.directory = "/"
        return try request.run().wait() == .exited(0) ? 0 : 1
    }

    private static let script = """
        import os, sys
        os.setxattr(sys.argv[1], sys.argv[2], bytes(map(int, sys.argv[3:])), follow_symlinks=False)
        """

    /// A line for each entry, as another program sees it.
    private static func describe(_ upper: String) throws -> [String] {
        let output = upper + "/../description"
        defer { try? Files.remove(output) }
        let file = try Descriptor.open(output, O_WRONLY | O_CREAT, mode: 0o600)
        var request = SpawnRequest("/usr/bin/python3", ["python3", "-c", lister, upper])
        request.directory = "/"
        request.descriptors = [file.raw, file.raw, 2]
        #expect(try request.run().wait() == .exited(0))
        return try Files.readText(output).split(separator: "\n").map(String.init).sorted()
    }

    private static let lister = """
        import hashlib, os, stat, sys
        top = os.fsencode(sys.argv[1])
        def show(path):
            s = os.lstat(path)
            kind = stat.S_IFMT(s.st_mode)
            more = ""
            if kind == stat.S_IFREG:
                more = hashlib.sha256(open(path, "rb").read()).hexdigest()
                more += " holes" if s.st_blocks * 512 < s.st_size else ""
            if kind == stat.S_IFLNK: more = os.readlink(path)
            names = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
            links = s.st_nlink if kind == stat.S_IFREG else 0
            size = s.st_size if kind != stat.S_IFDIR else 0
            print(path[len(top):], oct(s.st_mode), s.st_uid, s.st_gid, s.st_rdev, links, size, s.st_mtime_ns,
                  sorted(names.items()), more)
        show(top)
        for base, directories, files in os.walk(top):
            for name in directories + files: show(os.path.join(base, name))
        """
}
