import CoteArchive
import Glibc

/// A member of an archive as a test wants it, written without any of Cote's own checks.
struct TestMember: Sendable {
    var kind: UInt8 = UInt8(ascii: "0")
    var name: String
    var link = ""
    var content: [UInt8] = []
    var records: [(String, [UInt8])] = []
    var mode: UInt64 = 0o644
    var change: @Sendable (inout ArchiveHeader) -> Void = { _ in }

    static func file(_ name: String, _ content: String = "x") -> TestMember {
        TestMember(name: name, content: Array(content.utf8))
    }
    static func directory(_ name: String) -> TestMember {
        TestMember(kind: UInt8(ascii: "5"), name: name, mode: 0o755)
    }
    static func link(_ name: String, _ target: String) -> TestMember {
        TestMember(kind: UInt8(ascii: "2"), name: name, link: target)
    }
    static func hard(_ name: String, _ target: String) -> TestMember {
        TestMember(kind: UInt8(ascii: "1"), name: name, link: target)
    }
    static func kind(_ letter: Character, _ name: String) -> TestMember {
        TestMember(kind: letter.asciiValue ?? 0, name: name)
    }

    func with(_ records: (String, String)...) -> TestMember {
        var member = self
        member.records += records.map { ($0.0, Array($0.1.utf8)) }
        return member
    }

    func with(_ change: @escaping @Sendable (inout ArchiveHeader) -> Void) -> TestMember {
        var member = self
        member.change = change
        return member
    }

    var bytes: [UInt8] {
        var result: [UInt8] = []
        var header = ArchiveHeader(kind: kind)
        var records = records
        if !header.setName(FilePath(name)) { records.insert(("path", Array(name.utf8)), at: 0) }
        if !header.setLink(FilePath(link)) { records.insert(("linkpath", Array(link.utf8)), at: 0) }
        if !records.isEmpty {
            var all = ArchiveRecords()
            for (key, value) in records { all.add(key, value) }
            result += TestMember(kind: UInt8(ascii: "x"), name: "pax", content: all.bytes).bytes
        }
        _ = header.setNumber(mode, ArchiveHeader.Field.mode)
        for field in [ArchiveHeader.Field.user, ArchiveHeader.Field.group, ArchiveHeader.Field.modified] {
            _ = header.setNumber(0, field)
        }
        _ = header.setNumber(UInt64(content.count), ArchiveHeader.Field.size)
        change(&header)
        header.seal()
        return result + header.block + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    static let end = [UInt8](repeating: 0, count: 1024)

    /// A whole archive.
    static func archive(_ members: [TestMember]) -> [UInt8] { members.flatMap(\.bytes) + end }
}
