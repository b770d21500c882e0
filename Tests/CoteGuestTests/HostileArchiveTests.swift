import CoteArchive
import CoteModel
import CoteSystem
import CoteWire
import Glibc
import Testing

@testable import CoteGuest

/// Archives that want out of their directory, or are no archives.
@Suite struct HostileArchiveTests {
    struct Member: Sendable {
        var kind: UInt8 = UInt8(ascii: "0")
        var name: String
        var link = ""
        var content = ""
        var records: [String] = []
        var change: @Sendable (inout ArchiveHeader) -> Void = { _ in }

        static func file(_ name: String, _ content: String = "x") -> Member { Member(name: name, content: content) }
        static func directory(_ name: String) -> Member { Member(kind: UInt8(ascii: "5"), name: name) }
        static func link(_ name: String, _ target: String) -> Member {
            Member(kind: UInt8(ascii: "2"), name: name, link: target)
        }
        static func hard(_ name: String, _ target: String) -> Member {
            Member(kind: UInt8(ascii: "1"), name: name, link: target)
        }
        static func kind(_ letter: Character, _ name: String) -> Member {
            Member(kind: letter.asciiValue ?? 0, name: name)
        }

        /// Written without any of the packer's own checks.
        var bytes: [UInt8] {
            var result: [UInt8] = []
            if !records.isEmpty {
                let body = records.joined()
                result += Member(kind: UInt8(ascii: "x"), name: "pax", content: body).bytes
            }
            var header = ArchiveHeader(kind: kind)
            let isLong = !header.setName(FilePath(name))
            if isLong { result += Member(kind: UInt8(ascii: "L"), name: "long", content: name).bytes }
            _ = header.setLink(FilePath(link))
            _ = header.setNumber(0o644, ArchiveHeader.Field.mode)
            _ = header.setNumber(UInt64(content.utf8.count), ArchiveHeader.Field.size)
            change(&header)
            header.seal()
            let padding = (512 - content.utf8.count % 512) % 512
            return result + header.block + Array(content.utf8) + [UInt8](repeating: 0, count: padding)
        }
    }

    struct Attempt: Sendable, CustomTestStringConvertible {
        let what: String
        let members: [Member]
        /// A part of the message.
        let refusal: String
        var isWhole = true

        var testDescription: String { what }

        init(_ what: String, _ members: [Member], _ refusal: String, isWhole: Bool = true) {
            (self.what, self.members, self.refusal, self.isWhole) = (what, members, refusal, isWhole)
        }
    }

    private static let name300 = String(repeating: "n", count: 300)
    private static let path5000 = String(repeating: "dddddddd/", count: 560) + "f"

    private static func sized(_ size: [UInt8], _ name: String = "f") -> Member {
        Member(
            name: name,
            change: { $0.block.replaceSubrange(124..<124 + size.count, with: size) })
    }

    static let attempts: [Attempt] = [
        Attempt("absolute path", [.file("/tmp/cote-escape")], "/tmp/cote-escape: /tmp/cote-escape is an absolute path"),
        Attempt("parent", [.file("../escape")], "../escape: ../escape goes up by .."),
        Attempt("parent in the middle", [.file("a/../../escape")], "goes up by .."),
        Attempt("parent at the end", [.directory("a/..")], "goes up by .."),
        Attempt("parent by pax", [Member(name: "a", content: "x", records: ["18 path=../escape\n"])], "goes up by .."),
        Attempt("parent by GNU name", [Member(kind: 0x4c, name: "l", content: "../escape"), .file("f")], "goes up"),
        Attempt("through a link of its own", [.link("l", "."), .file("l/escape")], "l on the way is a symbolic link"),
        Attempt("through a link that was there", [.file("outward/escape")], "outward on the way is a symbolic link"),
        Attempt("directory over a link", [.directory("outward")], "in the way of the directory"),
        Attempt("directory below a link", [.directory("outward/d")], "is a symbolic link"),
        Attempt("through a file", [.file("f"), .file("f/g")], "f on the way is something that is no directory"),
        Attempt("absolute link", [.link("l", "/etc")], "l: a link to /etc, which leaves the directory"),
        Attempt("link up", [.link("l", "../x")], "which leaves the directory"),
        Attempt("link up from below", [.link("a/l", "../../x")], "which leaves the directory"),
        Attempt("link up after a name", [.link("u/v/up", "../.."), .link("u/v/l", "up/..")], "which leaves"),
        Attempt("empty link", [.link("l", "")], "which leaves the directory"),
        Attempt("hard link up", [.hard("h", "../victim")], "../victim goes up by .."),
        Attempt("hard link absolute", [.hard("h", "/etc/passwd")], "/etc/passwd is an absolute path"),
        Attempt("hard link through a link", [.hard("h", "outward/victim")], "is a symbolic link"),
        Attempt("hard link to a link", [.hard("h", "outward")], "which is no file here"),
        Attempt("hard link to nothing", [.hard("h", "missing")], "which is no file here"),
        Attempt("hard link to a directory", [.directory("d"), .hard("h", "d")], "which is no file here"),
        Attempt("file over a directory", [.directory("d"), .file("d")], "a directory is in the way"),
        Attempt("character device", [.kind("3", "null")], "null: a device is not unpacked"),
        Attempt("block device", [.kind("4", "disk")], "a device is not unpacked"),
        Attempt("fifo", [.kind("6", "fifo")], "fifo: a fifo is not unpacked"),
        Attempt("sparse file", [.kind("S", "s")], "a sparse file is not supported"),
        Attempt("sparse by pax", [Member(name: "s", records: ["22 GNU.sparse.major=1\n"])], "sparse file is not"),
        Attempt("unknown kind", [.kind("Z", "z")], "z: an entry of an unknown kind, number 90"),
        Attempt("long name", [.file(name300)], "a name is too long"),
        Attempt("long path", [.file(path5000)], "the path is too long"),
        Attempt("zero in a path", [Member(name: "a", records: ["12 path=a\0b\n"])], "has a zero in it"),
        Attempt("no name", [.file(".")], ".: has no name"), Attempt("nothing", [], "truncated", isWhole: false),
        Attempt("no end", [.file("f")], "f: the archive is truncated", isWhole: false),
        Attempt("content missing", [sized(Array("00000002000\0".utf8))], "f: the archive is truncated"),
        Attempt("size of all bits", [sized([0x80, 0, 0, 0] + [UInt8](repeating: 0xff, count: 8))], "not one a file"),
        Attempt("negative size", [sized([UInt8](repeating: 0xff, count: 12))], "the size is not a number"),
        Attempt("size of letters", [sized(Array("zzzzzzzzzzz\0".utf8))], "the size is not a number"),
        Attempt(
            "bad checksum", [.file("f"), Member(name: "g", change: { _ in })],
            "f: followed by a header with a bad checksum"),
        Attempt("bad records", [Member(kind: 0x78, name: "x", content: "99 path=f\n"), .file("f")], "cannot be read"),
        Attempt(
            "endless records",
            [
                Member(
                    kind: 0x78, name: "x",
                    change: {
                        _ = $0.setNumber(1 << 30, ArchiveHeader.Field.size)
                    })
            ], "extended header that is too long"),
        Attempt("records and no entry", [Member(kind: 0x78, name: "x", content: "6 a=b\n")], "ends within an entry"),
        Attempt("time of letters", [Member(name: "f", records: ["12 mtime=xy\n"])], "the time of modification is not"),
    ]

    @Test func `an archive with too many directories is refused`() throws {
        let scratch = try Scratch()
        let members = (0..<4).map { Member.directory("d\($0)") }
        try scratch.write(members.flatMap(\.bytes) + [UInt8](repeating: 0, count: 1_024), to: "archive.tar")
        let unpack = { (most: Int) throws(FileFailure) in
            let archive = try Descriptor.open(FilePath(scratch.path + "/archive.tar"), O_RDONLY, FilePath("archive"))
            var unpacker = try ArchiveUnpacker("\(scratch.path)/out\(most)", mostDirectories: most)
            try unpacker.unpack(ArchiveReader(ArchiveInput(archive)))
        }
        let failure = #expect(throws: FileFailure.self) { try unpack(3) }
        #expect(failure?.message.contains("d3: too many directories") == true, "\(String(describing: failure))")
        try unpack(4)
        #expect(try scratch.shell("ls out4") == "d0\nd1\nd2\nd3\n")
    }

    @Test(arguments: attempts)
    func `a hostile archive is refused for its own reason and nothing outside is touched`(_ attempt: Attempt) throws {
        let scratch = try Scratch()
        var bytes = attempt.members.flatMap(\.bytes)
        if attempt.what == "bad checksum" { bytes[1_024 + 3] ^= 1 }
        if attempt.isWhole { bytes += [UInt8](repeating: 0, count: 1_024) }
        try scratch.write(bytes, to: "archive.tar")
        try scratch.shell(
            "mkdir out outside; echo kept > victim; echo kept > outside/victim; ln -s ../outside out/outward")
        let state = "find . -path ./out -prune -o -printf '%p %T@ %n\\n'; cat victim outside/victim"
        let before = try scratch.shell(state)
        let failure = scratch.failure(.unpack, "out", input: "archive.tar")
        let after = try scratch.shell(state)
        #expect(before == after)
        #expect(failure?.code == .fileOperationFailed)
        #expect(failure?.message.contains(attempt.refusal) == true, "\(String(describing: failure))")
        #expect(access("/tmp/cote-escape", F_OK) != 0)
    }
}
