import CoteSystem
import CoteTestSupport
import CoteWorker
import Testing

/// Random images beside `umoci unpack`, which is what others make of the same layers.
@Suite(.requires(.root, .umoci)) struct RandomTreeTests {
    /// Everything there is to know of a tree, a line for each entry: name, kind, mode, owner less `base`, time, target,
    /// size, which entries are one file, attributes, content.
    static func description(of place: String, base: UInt32, _ trial: UnpackTrial) throws -> String {
        try trial.shell(
            #"""
            python3 - '\#(place)' \#(base) <<'END'
            import hashlib, os, stat, sys
            top, base = os.fsencode(sys.argv[1]), int(sys.argv[2])
            first = {}
            def show(path):
                whole = os.path.join(top, path)
                status = os.lstat(whole)
                kind = stat.S_IFMT(status.st_mode)
                same = first.setdefault((status.st_dev, status.st_ino), path) if kind != stat.S_IFDIR else path
                target = os.readlink(whole) if kind == stat.S_IFLNK else b""
                content = hashlib.sha256(open(whole, "rb").read()).hexdigest() if kind == stat.S_IFREG else ""
                names = [name for name in os.listxattr(whole, follow_symlinks=False) if name.startswith("user.")]
                attributes = [(name, os.getxattr(whole, name, follow_symlinks=False))
                              for name in sorted(names) if name != "user.rootlesscontainers"]
                print(path, oct(status.st_mode), status.st_uid - base, status.st_gid - base,
                      status.st_mtime_ns if kind != stat.S_IFLNK else 0, target, same, attributes, content)
                if kind == stat.S_IFDIR:
                    for name in sorted(os.listdir(whole)):
                        show(os.path.join(path, name))
            show(b"")
            END
            """#)
    }

    @Test func `random images become the trees that umoci makes of them`() throws {
        let rounds = Fuzzing.count(isSoaking ? 20_000 : 120)
        for round in 0..<rounds { try compare(seed: Fuzzing.seed &+ UInt64(round)) }
    }

    private func compare(seed: UInt64) throws {
        let trial = try UnpackTrial()
        var generator = RandomLayers(seed: seed)
        let layers = generator.make()
        _ = try ImageLayout(at: trial.path + "/layout", layers: layers)
        let events = try trial.layers(layers)
        try #require(events.last == .done, "seed \(seed): \(events)")
        try trial.shell("umoci unpack --image layout:test bundle >/dev/null 2>&1")
        let theirs = try Self.description(of: trial.path + "/bundle/rootfs", base: 0, trial)
        let ours = try Self.description(of: trial.path + "/out", base: UnpackTrial.base, trial)
        let (left, right) = (theirs.split(separator: "\n"), ours.split(separator: "\n"))
        let difference = left.filter { !right.contains($0) } + ["---"] + right.filter { !left.contains($0) }
        #expect(ours == theirs, "seed \(seed): umoci, then Cote: \(difference.joined(separator: "\n"))")
    }
}
