import CoteArchive
import CoteModel
import CoteWorker

extension CorpusTests {
    private static func sized(_ size: [UInt8], _ kind: Character = "0") -> TestMember {
        TestMember.kind(kind, "f").with { $0.block.replaceSubrange(124..<124 + size.count, with: size) }
    }

    private static let one = Array("00000000001\0".utf8)
    private static let big = String(repeating: "x", count: 4096)

    private static func pax(_ body: String) -> TestMember {
        TestMember(kind: UInt8(ascii: "x"), name: "pax", content: Array(body.utf8))
    }

    static let headers: [Attempt] = [
        Attempt("nothing", .truncated, "", bytes: [[]]),
        Attempt("no end", .truncated, "f", bytes: [TestMember.file("f").bytes]),
        Attempt(
            "half a header", .truncated, "f", bytes: [TestMember.file("f").bytes + [UInt8](repeating: 1, count: 99)]),
        Attempt("content missing", .truncated, "f", bytes: [Array(TestMember.file("f", big).bytes.dropLast(512))]),
        Attempt("more claimed than there is", .truncated, "f", [sized(Array("00000200000\0".utf8))]),
        Attempt("size of all bits", .sizeLie, "f", [sized([0x80, 0, 0, 0] + [UInt8](repeating: 0xff, count: 8))]),
        Attempt("negative size", .sizeLie, "f", [sized([UInt8](repeating: 0xff, count: 12))]),
        Attempt("negative size by pax", .sizeLie, "f", [TestMember.file("f").with(("size", "-1"))]),
        Attempt(
            "size past all counting", .badHeader, "f", [TestMember.file("f").with(("size", "99999999999999999999"))]),
        Attempt("size of letters", .badHeader, "f", [sized(Array("zzzzzzzzzzz\0".utf8))]),
        Attempt("directory with content", .sizeLie, "f", [sized(one, "5")]),
        Attempt("link with content", .sizeLie, "f", [sized(one, "2")]),
        Attempt("hard link with content", .sizeLie, "f", [sized(one, "1")]),
        Attempt("fifo with content", .sizeLie, "f", [sized(one, "6")]),
        Attempt("a layer of another size", .sizeLie, "", [.file("f")]).set { $0.sizes = [4096] },
        Attempt("bad checksum", .badHeader, "f", [.file("f"), .file("g")]).set {
            $0.damage = { $0[1024 + 3] ^= 1 }
        },
        Attempt("no archive", .badHeader, "", bytes: [Array(String(repeating: "hello", count: 400).utf8)]),
        Attempt("bad records", .badHeader, "", [pax("99 path=f\n"), .file("f")]),
        Attempt("records without a value", .badHeader, "", [pax("7 path\n"), .file("f")]),
        Attempt("endless records", .badHeader, "", [pax("").with { _ = $0.setNumber(1 << 30, 124..<136) }]),
        Attempt("records and no member", .truncated, "", [pax("6 a=b\n")]),
        Attempt(
            "too many headers", .badHeader, "", [[TestMember]](repeating: [pax("6 a=b\n")], count: 17).flatMap { $0 }),
        Attempt("time of letters", .badHeader, "f", [TestMember.file("f").with(("mtime", "xy"))]),
        Attempt("mode of letters", .badHeader, "f", [TestMember.file("f").with { $0.block[100] = 0x7a }]),
        Attempt(
            "a member after the end", .trailingData, "f",
            bytes: [TestMember.archive([.file("f")]) + TestMember.archive([.file("g")])]),
        Attempt("another digest", .wrongDigest, "", [.file("f")]).set {
            $0.diffIDs = [Digest(hex: String(repeating: "0", count: 64))]
        },
    ]

    static let compressions: [Attempt] =
        ["gzip", "zstd"].flatMap { program -> [Attempt] in
            let command = program == "gzip" ? "gzip -c" : "zstd -q --check -c"
            let content = String((0..<60_000).map { Character(UnicodeScalar(UInt8(33 + $0 * $0 % 89))) })
            let damages: [(String, UnpackRefusal, @Sendable (inout [UInt8]) -> Void)] = [
                ("cut", .truncated, { $0.removeLast(6) }),
                ("changed", .badCompression, { $0[$0.count - 6] ^= 0x55 }),
                ("followed by something", .trailingData, { $0 += Array("something".utf8) }),
            ]
            return damages.map { what, reason, damage in
                Attempt("\(program), \(what)", reason, "", [.file("f", content)]).set {
                    $0.compression = command
                    $0.damage = damage
                }
            }
        } + [
            Attempt("gzip, header only", .truncated, "", bytes: [[0x1f, 0x8b]]),
            // A window of 2 GiB, then an empty last block.
            Attempt(
                "zstd, window too large", .badCompression, "", bytes: [[0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0]]),
        ]

    /// 640 MiB of zeros, as members or frames of 64 MiB.
    private static func bomb(_ what: String, _ program: String) -> Attempt {
        Attempt(what, .bomb, "", bytes: [TestMember(name: "z").with { _ = $0.setNumber(640 << 20, 124..<136) }.bytes])
            .set {
                $0.compression = """
                    { (cat; head -c \(64 << 20) /dev/zero) | \(program) > 1.z
                    head -c \(64 << 20) /dev/zero | \(program) > n.z; \
                    cat 1.z; for i in 1 2 3 4 5 6 7 8 9; do cat n.z; done; rm 1.z n.z; }
                    """
            }
    }

    static let bombs: [Attempt] = [
        bomb("gzip bomb", "gzip -9"), bomb("zstd bomb", "zstd -q -19 --long"),
        Attempt("more bytes than the bound", .bomb, "", [.file("f", big), .file("g", big)]).set {
            $0.bounds.bytes = 6000
        },
        Attempt("more bytes in two layers than the bound", .bomb, "", [.file("f", big)], [.file("g", big)]).set {
            $0.bounds.bytes = 8000
        },
        Attempt("more members than the bound", .tooManyEntries, "3", (0..<4).map { .file("\($0)") }).set {
            $0.bounds.entries = 3
        },
        Attempt("directories that no member names", .tooManyEntries, "a/b/c/d/e", [.file("a/b/c/d/e")]).set {
            $0.bounds.entries = 3
        },
        Attempt(
            "a hole larger than the bound", .bomb, "f",
            [
                TestMember.file("f").with(("GNU.sparse.size", "1099511627776"), ("GNU.sparse.map", "0,1"))
            ]),
    ]

    private static func holes(_ records: (String, String)...) -> TestMember {
        var member = TestMember.file("f", String(repeating: "x", count: 512))
        member.records = records.map { ("GNU.sparse." + $0.0, Array($0.1.utf8)) }
        return member
    }

    private static func mapped(_ map: String) -> TestMember {
        var member = TestMember(name: "f", content: Array(map.utf8))
        member.content += [UInt8](repeating: 0, count: (512 - member.content.count % 512) % 512)
        return member.with(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9"))
    }

    static let sparse: [Attempt] = [
        Attempt("sparse, overlapping", .badSparse, "f", [holes(("size", "900"), ("map", "0,300,200,212"))]),
        Attempt("sparse, backwards", .badSparse, "f", [holes(("size", "900"), ("map", "300,212,0,300"))]),
        Attempt("sparse, past its end", .badSparse, "f", [holes(("size", "511"), ("map", "0,512"))]),
        Attempt(
            "sparse, past all counting", .badSparse, "f",
            [holes(("size", "900"), ("map", "18446744073709551615,512"))]),
        Attempt("sparse, more than there is", .badSparse, "f", [holes(("size", "900"), ("map", "0,600"))]),
        Attempt("sparse, less than there is", .badSparse, "f", [holes(("size", "900"), ("map", "0,100"))]),
        Attempt("sparse, letters", .badSparse, "f", [holes(("size", "900"), ("map", "a,b"))]),
        Attempt("sparse, half a piece", .badSparse, "f", [holes(("size", "900"), ("map", "0,512,3"))]),
        Attempt("sparse, no size", .badSparse, "f", [holes(("map", "0,512"))]),
        Attempt(
            "sparse, size that no file has", .badSparse, "f", [holes(("size", "9223372036854775808"), ("map", "0,512"))]
        ),
        Attempt(
            "sparse, pieces without a length", .badSparse, "f", [holes(("size", "9"), ("offset", "0"), ("offset", "1"))]
        ),
        Attempt("sparse, unknown format", .badSparse, "f", [holes(("major", "1"), ("minor", "7"), ("realsize", "9"))]),
        Attempt("sparse, map of letters", .badSparse, "f", [mapped("x\n")]),
        Attempt("sparse, map without an end", .badSparse, "f", [mapped("9\n0\n1\n")]),
        Attempt("sparse, line without an end", .badSparse, "f", [mapped(String(repeating: "1", count: 600))]),
        Attempt("sparse directory", .badSparse, "d", [TestMember.directory("d").with(("GNU.sparse.size", "1"))]),
        Attempt("old sparse, overlapping", .badSparse, "f", [oldSparse([(0, 300), (200, 212)], size: 900)]),
        Attempt("old sparse, past its end", .badSparse, "f", [oldSparse([(0, 512)], size: 100)]),
        Attempt(
            "old sparse, map without an end", .badSparse, "f",
            [oldSparse([(0, 512)], size: 900).with { $0.block[482] = 1 }, .file("x")].map { $0 }
        ).set {
            $0.layers = [oldSparse([(0, 512)], size: 900, isMore: true).bytes]
        },
    ]

    private static func oldSparse(_ pieces: [(UInt64, UInt64)], size: UInt64, isMore: Bool = false) -> TestMember {
        var member = TestMember.file("f", String(repeating: isMore ? "\0" : "x", count: 512))
        if isMore { member.content[504] = 1 }
        member.kind = UInt8(ascii: "S")
        return member.with { header in
            header.block.replaceSubrange(257..<265, with: Array("ustar  \0".utf8))
            for (index, piece) in pieces.enumerated() {
                _ = header.setNumber(piece.0, 386 + index * 24..<398 + index * 24)
                _ = header.setNumber(piece.1, 398 + index * 24..<410 + index * 24)
            }
            _ = header.setNumber(size, 483..<495)
            if isMore { header.block[482] = 1 }
        }
    }

    private static func attribute(_ name: String, _ value: String = "v", _ member: TestMember = .file("f"))
        -> TestMember
    {
        member.with(("SCHILY.xattr." + name, value))
    }

    static let attributes: [Attempt] = [
        Attempt("user past the range", .badOwner, "f", [TestMember.file("f").with(("uid", "65536"))]),
        Attempt("negative user", .badOwner, "f", [TestMember.file("f").with(("uid", "-1"))]),
        Attempt("group of letters", .badOwner, "f", [TestMember.file("f").with(("gid", "staff"))]),
        Attempt(
            "group of all bits", .badOwner, "f",
            [
                TestMember.file("f").with {
                    $0.block.replaceSubrange(116..<124, with: [UInt8](repeating: 0xff, count: 8))
                }
            ]),
        Attempt("trusted attribute", .badAttribute, "f", [attribute("trusted.overlay.opaque", "y")]),
        Attempt("overlay's attribute", .badAttribute, "f", [attribute("user.overlay.opaque", "y")]),
        Attempt("attribute of the system", .badAttribute, "f", [attribute("system.nfs4_acl")]),
        Attempt("attribute of no kind", .badAttribute, "f", [attribute("mine")]),
        Attempt("attribute without a name", .badAttribute, "f", [attribute("user.")]),
        Attempt("attribute with a zero", .badAttribute, "f", [attribute("user.a\0b")]),
        Attempt("attribute with a long name", .badAttribute, "f", [attribute("user." + name251)]),
        Attempt("large attribute", .badAttribute, "f", [attribute("user.a", String(repeating: "v", count: 70_000))]),
        Attempt("capability of nonsense", .badAttribute, "f", [attribute("security.capability", "all")]),
        Attempt("list of nonsense", .badAttribute, "f", [attribute("system.posix_acl_access", "all")]),
        Attempt("attribute of a link", .badAttribute, "l", [attribute("user.a", "v", .link("l", "x"))]),
        Attempt("attribute of a fifo", .badAttribute, "p", [attribute("user.a", "v", .kind("6", "p"))]),
        Attempt(
            "attribute that is not base64", .badAttribute, "f",
            [TestMember.file("f").with(("LIBARCHIVE.xattr.user.a", "?"))]),
        Attempt(
            "attribute with half a byte in its name", .badAttribute, "f",
            [TestMember.file("f").with(("LIBARCHIVE.xattr.user.%6", "YQ=="))]),
    ]

    private static let name251 = String(repeating: "a", count: 251)
}
