import CoteArchive
import CoteTestSupport
import Glibc

/// Layers as programs could have made them: every one is a change of the tree that those before it left.
struct RandomLayers {
    private enum Node: Equatable { case directory, file, link }

    /// The tree as it should be after all layers so far.
    private var tree: [String: Node] = [:]
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    private static let names = [
        "a", "b", "c", "dir", "файл", "with space", "x'y", "bin", "new\nline", "-dash", ".hidden",
    ]

    mutating func make() -> [[UInt8]] {
        (0..<1 + random.below(4)).map { layer($0) }
    }

    private mutating func layer(_ index: Int) -> [UInt8] {
        var members: [TestMember] = []
        var named: Set<String> = []
        if index == 0 { members.append(attributed(.directory("./"))) }
        for _ in 0..<3 + random.below(12) {
            let path = place()
            if named.contains(path) || isBelow(path, named) { continue }
            if let member = change(path, index, &named) { members += parents(of: path, &named) + [member] }
        }
        return TestMember.archive(members)
    }

    /// A name in a directory that the tree has, or in one that it gets.
    private mutating func place() -> String {
        let directories = [""] + tree.filter { $0.value == .directory }.keys.sorted()
        let parent = random.pick(directories)
        let name = random.pick(Self.names)
        return parent.isEmpty ? name : parent + "/" + name
    }

    /// Whether this layer has said something other than a directory above the path.
    private func isBelow(_ path: String, _ named: Set<String>) -> Bool {
        let parts = path.split(separator: "/")
        return (1..<max(parts.count, 1)).contains { count in
            let above = parts.prefix(count).joined(separator: "/")
            return named.contains(above) && tree[above] != .directory
        }
    }

    /// Programs write the directories on the way before what is in them.
    private mutating func parents(of path: String, _ named: inout Set<String>) -> [TestMember] {
        let parts = path.split(separator: "/")
        var members: [TestMember] = []
        for count in 1..<max(parts.count, 1) {
            let above = parts.prefix(count).joined(separator: "/")
            if named.insert(above).inserted { members.append(attributed(.directory(above + "/"))) }
        }
        return members
    }

    private mutating func change(_ path: String, _ index: Int, _ named: inout Set<String>) -> TestMember? {
        let isThere = tree[path] != nil
        if isThere, index > 0, random.below(3) == 0 { return whiteout(path, &named) }
        let hasNamedBelow = named.contains { $0.hasPrefix(path + "/") }
        if hasNamedBelow { return nil }
        named.insert(path)
        switch random.below(8) {
        case 0, 1, 2:
            forget(path, keepsDirectory: true)
            tree[path] = .directory
            return attributed(.directory(path + "/"))
        case 3:
            forget(path, keepsDirectory: false)
            tree[path] = .link
            return .link(path, random.pick(["a", "/etc/passwd", "dir/../a", "b c", "./x"]))
        case 4:
            let files = tree.filter { $0.value == .file && $0.key != path && !$0.key.hasPrefix(path + "/") }.keys
                .sorted()
            guard !files.isEmpty else { return nil }
            let target = random.pick(files)
            forget(path, keepsDirectory: false)
            tree[path] = .file
            return .hard(path, target)
        case 5:
            forget(path, keepsDirectory: false)
            tree[path] = .file
            return sparse(path)
        default:
            forget(path, keepsDirectory: false)
            tree[path] = .file
            return attributed(.file(path, random.text(upTo: 3000)))
        }
    }

    private mutating func forget(_ path: String, keepsDirectory: Bool) {
        if keepsDirectory, tree[path] == .directory { return }
        tree = tree.filter { $0.key != path && !$0.key.hasPrefix(path + "/") }
    }

    private mutating func whiteout(_ path: String, _ named: inout Set<String>) -> TestMember? {
        if named.contains(where: { $0.hasPrefix(path + "/") }) { return nil }
        let parts = path.split(separator: "/")
        let above = parts.dropLast().joined(separator: "/")
        let prefix = above.isEmpty ? "" : above + "/"
        if tree[path] == .directory, random.flag() {
            named.insert(path)
            tree = tree.filter { !$0.key.hasPrefix(path + "/") }
            return .file(path + "/.wh..wh..opq", "")
        }
        named.insert(path)
        forget(path, keepsDirectory: false)
        return .file(prefix + ".wh." + (parts.last.map(String.init) ?? ""), "")
    }

    private mutating func sparse(_ path: String) -> TestMember {
        let content = [UInt8](repeating: UInt8(ascii: "s"), count: 512)
        var member = TestMember(name: path, content: content)
        member.records = [
            ("GNU.sparse.major", Array("0".utf8)), ("GNU.sparse.minor", Array("1".utf8)),
            ("GNU.sparse.name", Array(path.utf8)), ("GNU.sparse.size", Array("20000".utf8)),
            ("GNU.sparse.numblocks", Array("2".utf8)), ("GNU.sparse.map", Array("4096,256,16384,256".utf8)),
        ]
        return member
    }

    private mutating func attributed(_ member: TestMember) -> TestMember {
        var member = member
        member.mode = UInt64(random.pick([0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777, 0o444]))
        if random.below(4) == 0 {
            member.records.append(("SCHILY.xattr.user.note", Array(("n" + random.text(upTo: 40)).utf8)))
        }
        let (user, group) = (random.pick([0, 0, 1, 1000, 65_534]), random.pick([0, 0, 5, 1000]))
        let time = random.pick([0, 1, 1_000_000_000, 1_700_000_001])
        member.change = { header in
            _ = header.setNumber(UInt64(user), ArchiveHeader.Field.user)
            _ = header.setNumber(UInt64(group), ArchiveHeader.Field.group)
            _ = header.setNumber(UInt64(time), ArchiveHeader.Field.modified)
        }
        return member
    }
}
