import CoteArchive
import CoteWorker

extension CorpusTests {
    private static let name256 = String(repeating: "n", count: 256)
    private static let path5000 = String(repeating: "dddddddd/", count: 560) + "f"

    static let names: [Attempt] = [
        Attempt("absolute path", .absolutePath, "/tmp/cote-escape", [.file("/tmp/cote-escape")]),
        Attempt("absolute by pax", .absolutePath, "/e", [TestMember.file("a").with(("path", "/e"))]),
        Attempt(
            "absolute by GNU name", .absolutePath, "/tmp/cote-escape",
            [TestMember(kind: 0x4c, name: "l", content: Array("/tmp/cote-escape".utf8)), .file("f")]),
        Attempt("parent", .parentPath, "../escape", [.file("../escape")]),
        Attempt("parent in the middle", .parentPath, "a/../../escape", [.file("a/../../escape")]),
        Attempt("parent that comes back", .parentPath, "a/../b", [.file("a/../b")]),
        Attempt("parent at the end", .parentPath, "a/..", [.directory("a/..")]),
        Attempt("parent after a dot", .parentPath, "./../escape", [.file("./../escape")]),
        Attempt("parent by pax", .parentPath, "../e", [TestMember.file("a").with(("path", "../e"))]),
        Attempt(
            "parent by GNU name", .parentPath, "../e",
            [TestMember(kind: 0x4c, name: "l", content: Array("../e".utf8)), .file("f")]),
        Attempt(
            "parent by a global header", .parentPath, "../e",
            [TestMember(kind: 0x67, name: "g", content: Array("13 path=../e\n".utf8)), .file("f")]),
        Attempt(
            "parent by a sparse name", .parentPath, "../e",
            [
                TestMember.file("a").with(
                    ("GNU.sparse.name", "../e"), ("GNU.sparse.size", "1"), ("GNU.sparse.map", "0,1"))
            ]),
        Attempt("empty component", .badName, "a//b", [.file("a//b")]),
        Attempt("dot in the middle", .badName, "a/./b", [.file("a/./b")]),
        Attempt("zero in a path", .badName, "a\\u{0}b", [TestMember.file("f").with(("path", "a\0b"))]),
        Attempt("no name", .badName, "", [.file("")]), Attempt("a file that is the root", .badName, ".", [.file(".")]),
        Attempt("long name", .longName, String(name256.prefix(200)), [.file(name256)]),
        Attempt("long path", .longName, String(path5000.prefix(200)), [.file(path5000)]),
        Attempt("reserved name", .reservedName, ".cote", [.file(".cote")]),
        Attempt("below a reserved name", .reservedName, "./.cote/agent", [.file("./.cote/agent")]),
        Attempt("file twice", .duplicate, "f", [.file("f"), .file("f")]),
        Attempt("file and link", .duplicate, "f", [.file("f"), .link("f", "g")]),
        Attempt("the same name with a dot", .duplicate, "./f", [.file("f"), .file("./f")]),
        Attempt("directory over its own file", .duplicate, "f", [.file("f"), .directory("f")]),
        Attempt("file over its own directory", .duplicate, "d", [.directory("d"), .file("d")]),
        Attempt("file over a directory of its own files", .duplicate, "d", [.file("d/x"), .file("d")]),
        Attempt("whiteout twice", .duplicate, ".wh.x", [.file(".wh.x", ""), .file(".wh.x", "")]),
        Attempt("proc is a link", .mountPoint, "proc", [.link("proc", "etc")]),
        Attempt("dev is a file", .mountPoint, "dev", [.file("dev")]),
        Attempt("sys is a link", .mountPoint, "sys", [.directory("sys")], [.link("sys", "/tmp")]),
        Attempt("tmp is a link", .mountPoint, "tmp", [.link("tmp", "var/tmp")]),
    ]

    static let links: [Attempt] = [
        Attempt("link up", .linkLeaves, "l", [.link("l", "../x")]),
        Attempt("link up from below", .linkLeaves, "a/l", [.link("a/l", "../../x")]),
        Attempt("link up after a name", .linkLeaves, "l", [.link("l", "a/../../x")]),
        Attempt("empty link", .linkLeaves, "l", [.link("l", "")]),
        Attempt("zero in a link", .badName, "l", [TestMember.link("l", "a").with(("linkpath", "a\0b"))]),
        Attempt("long link", .longName, "l", [.link("l", path5000)]),
        Attempt("hard link up", .linkLeaves, "h", [.hard("h", "../victim")]),
        Attempt("hard link absolute", .linkLeaves, "h", [.hard("h", "/etc/passwd")]),
        Attempt("hard link to nothing", .linkLeaves, "h", [.hard("h", "missing")]),
        Attempt("hard link to nowhere", .linkLeaves, "h", [.hard("h", "")]),
        Attempt("hard link to a directory", .linkLeaves, "h", [.directory("d"), .hard("h", "d")]),
        Attempt("hard link to itself", .linkLeaves, "f", [.file("f")], [.hard("f", "./f")]),
        Attempt(
            "hard link through a link", .throughLink, "h", [.link("l", "/"), .hard("h", "l/etc/passwd")]),
        Attempt("hard link to what is hidden", .linkLeaves, "h", [.file("f")], [.file(".wh.f", ""), .hard("h", "f")]),
        Attempt("through its own link", .throughLink, "l/escape", [.link("l", "."), .file("l/escape")]),
        Attempt(
            "through an absolute link", .throughLink, "l/cote-escape", [.link("l", "/tmp"), .file("l/cote-escape")]),
        Attempt("through an earlier layer's link", .throughLink, "l/x", [.link("l", "/tmp")], [.file("l/x")]),
        Attempt("directory below a link", .throughLink, "l/d/", [.link("l", "/tmp"), .directory("l/d/")]),
        Attempt("link below a link", .throughLink, "l/m", [.link("l", "/tmp"), .link("l/m", "x")]),
        Attempt("hard link below a link", .throughLink, "l/h", [.file("f"), .link("l", "/tmp"), .hard("l/h", "f")]),
        Attempt("through links in a chain", .throughLink, "a/x", [.link("b", "/"), .link("a", "b"), .file("a/x")]),
        Attempt("through a file", .throughLink, "f/g", [.file("f"), .file("f/g")]),
        Attempt("whiteout through a link", .throughLink, "l/.wh.x", [.link("l", "/tmp")], [.file("l/.wh.x", "")]),
        Attempt(
            "opaque through a link", .throughLink, "l/.wh..wh..opq", [.link("l", "/tmp")],
            [.file("l/.wh..wh..opq", "")]),
    ]

    static let kinds: [Attempt] = [
        Attempt("character device", .deviceNode, "null", [.kind("3", "null")]),
        Attempt("block device", .deviceNode, "disk", [.kind("4", "disk")]),
        Attempt("device that is a whiteout", .deviceNode, ".wh.x", [.kind("3", ".wh.x")]),
        Attempt("unknown kind", .unknownKind, "z", [.kind("Z", "z")]),
        Attempt("part of another archive", .unknownKind, "m", [.kind("M", "m")]),
        Attempt("a volume's name", .unknownKind, "v", [.kind("V", "v")]),
    ]

    static let whiteouts: [Attempt] = [
        Attempt("whiteout of nothing", .badWhiteout, "d/.wh.", [.file("d/.wh.", "")]),
        Attempt("whiteout of here", .badWhiteout, "d/.wh..", [.file("d/.wh..", "")]),
        Attempt("whiteout of the parent", .badWhiteout, "d/.wh...", [.file("d/.wh...", "")]),
        Attempt("whiteout that is a directory", .badWhiteout, ".wh.x", [.directory(".wh.x")]),
        Attempt("whiteout that is a link", .badWhiteout, ".wh.x", [.link(".wh.x", "y")]),
        Attempt("whiteout with content", .badWhiteout, ".wh.x", [.file(".wh.x", "y")]),
        Attempt("below a whiteout", .badWhiteout, ".wh.x/y", [.file(".wh.x/y")]),
        Attempt("opaque that is a directory", .badWhiteout, ".wh..wh..opq", [.directory(".wh..wh..opq")]),
    ]
}
