import CoteJournal
import CoteModel
import CoteSystem
import FoundationEssentials
import Glibc
import Testing

@Suite struct JournalWriterTests {
    private let plenty = ByteCount.mebibytes(1024)

    @Test func `an event is one line with its fields behind the common ones`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            try journal.event("exec-start") { json in
                json.field("n", 7)
                json.key("command")
                json.array { $0.value("a \"b\"") }
            }
            try journal.event("sandbox-stopped")
            try journal.synchronize()
            let text = try Files.readText(path)
            let first = try Regex(#"\{"seq":1,"ts":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","kind":"exec-start","#)
            let rest = #""n":7,"command":["a \"b\""]}"#
            let line = try #require(text.split(separator: "\n").first)
            #expect(try first.prefixMatch(in: line).map { line[$0.range.upperBound...] } ?? "" == rest)
            #expect(try PlainLine.all(in: path).map(\.kind) == ["exec-start", "sandbox-stopped"])
            #expect(journal.size == UInt64(text.utf8.count))
            #expect(try Files.status(path).st_mode & 0o7777 == 0o600)
        }
    }

    @Test func `a clock that is set back and forth changes times and nothing else`() throws {
        try withJournalPath { path in
            let year: UInt64 = 31_536_000_000_000_000
            let moments = [50 * year, 10 * year, 126 * year, 0, UInt64.max, 50 * year]
            let clock = Moments(moments)
            let journal = try JournalWriter(path, limit: plenty, clock: clock.next)
            try journal.event("sandbox-creating")
            // Half a character: when it must go out is a matter of the other clock.
            let begin = SystemClock.monotonic()
            try journal.output(1, [0x61, 0xc3])
            let since = try #require(journal.heldSince)
            #expect((begin...SystemClock.monotonic()).contains(since))
            try journal.flushHeld(since: since - 1)
            #expect(journal.heldSince == since)
            try journal.flushHeld(since: since)
            for kind in ["exec-exit", "sandbox-stopping", "sandbox-stopped"] { try journal.event(kind) }

            let records = try JournalReader(path).rest()
            #expect(records.map(\.seq) == [1, 2, 3, 4, 5, 6])
            #expect(records.map(\.timestamp) == moments.map { Timestamp(nanoseconds: $0).description })
            #expect(records.compactMap(\.data) == [[0x61], [0xc3]])
            // Whoever goes on does so where the last number was, not where the latest time was.
            try JournalWriter(path, limit: plenty, clock: { 1 }).event("sandbox-creating")
            #expect(try JournalReader(path).rest().last?.seq == 7)
        }
    }

    /// A clock that says what it was told.
    private final class Moments {
        private var left: [UInt64]
        init(_ moments: [UInt64]) { left = moments }
        func next() -> UInt64 { left.removeFirst() }
    }

    @Test(arguments: [1, 2, 3, UInt64.random(in: 0...UInt64.max)])
    func `every byte of every channel is there in order, however it came`(seed: UInt64) throws {
        try withJournalPath { path in
            var random = SeededGenerator(seed: seed)
            let journal = try JournalWriter(path, limit: plenty)
            var written: [String: [UInt8]] = [:]
            for _ in 0..<250 {
                let n = UInt32.random(in: 1...2, using: &random)
                let isError = Bool.random(using: &random)
                let chunk = Self.chunk(&random)
                try #require(try journal.output(n, isError: isError, chunk))
                written["\(n) \(isError ? "stderr" : "stdout")", default: []] += chunk
                if Int.random(in: 0..<20, using: &random) == 0 { try journal.flushHeld(since: .max) }
            }
            try journal.finish(1)
            try journal.finish(2)
            #expect(journal.heldSince == nil)

            let lines = try PlainLine.all(in: path)
            #expect(lines.map(\.seq) == Array(1...UInt64(lines.count)))
            #expect(lines.allSatisfy { $0.bytes.count <= JournalFormat.mostData })
            var found: [String: [UInt8]] = [:]
            for line in lines { found["\(line.n ?? 0) \(line.kind)", default: []] += line.bytes }
            #expect(found == written)

            let records = try JournalReader(path).rest()
            #expect(records.map(\.data) == lines.map(\.bytes))
            #expect(records.map(\.n) == lines.map(\.n))
        }
    }

    /// Text, bytes of all values, control characters or whole characters of several bytes, cut anywhere.
    private static func chunk(_ random: inout SeededGenerator) -> [UInt8] {
        let count = Int.random(in: 0..<10, using: &random) == 0 ? 20_000 : Int.random(in: 0...40, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 1: return (0..<count).map { _ in UInt8.random(in: 0x20...0x7e, using: &random) }
        case 2: return (0..<count).map { _ in UInt8.random(in: 0...0x1f, using: &random) }
        default:
            let text = Array(String(repeating: "a\né漢😀\"", count: count / 12 + 2).utf8)
            return Array(text[Int.random(in: 0..<6, using: &random)...].prefix(count))
        }
    }

    @Test(arguments: ["é", "漢", "😀", "\u{800}", "\u{ffff}", "\u{10000}", "\u{10ffff}", "\u{d7ff}"])
    func `a character cut in two is on one line`(character: String) throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            let bytes = Array(character.utf8)
            for cut in 1..<bytes.count {
                try journal.output(1, Array("a".utf8) + bytes[..<cut])
                #expect(journal.heldSince != nil)
                try journal.output(1, Array(bytes[cut...]))
                #expect(journal.heldSince == nil)
            }
            let expected = (1..<bytes.count).flatMap { _ in ["a", character] }
            #expect(try PlainLine.all(in: path).map { $0.encoding == nil ? $0.data : nil } == expected)
        }
    }

    @Test(
        arguments: [
            [0x80], [0xc0], [0xc1], [0xf5], [0xff], [0xe0, 0x9f], [0xed, 0xa0], [0xf0, 0x8f], [0xf4, 0x90],
            [0xe2, 0x82, 0xac, 0x80], [0xf0, 0x9f, 0x98, 0x80, 0x80],
        ] as [[UInt8]])
    func `bytes that no more bytes can make text are not held`(bytes: [UInt8]) throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            try journal.output(1, bytes)
            #expect(journal.heldSince == nil)
            #expect(try PlainLine.all(in: path).map(\.bytes) == [bytes])
        }
    }

    @Test func `held bytes go out alone once their time is over or their command ends`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            let before = SystemClock.monotonic()
            try journal.output(1, [0xe6])
            let since = try #require(journal.heldSince)
            #expect(since >= before)
            try journal.output(1, [0xbc])
            #expect(journal.heldSince == since)
            try journal.flushHeld(since: since - 1)
            #expect(journal.size == 0)
            try journal.flushHeld(since: since)
            try journal.output(1, [0xa2])
            try journal.output(1, isError: true, [0xf0])
            try journal.output(2, [0xf0])
            try journal.finish(1)
            let lines = try PlainLine.all(in: path)
            #expect(lines.map(\.bytes) == [[0xe6, 0xbc], [0xa2], [0xf0]])
            #expect(lines.map(\.kind) == ["stdout", "stdout", "stderr"])
            #expect(journal.heldSince != nil)
        }
    }

    @Test func `a full chunk is one line, and two only where a held character makes it larger`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            try journal.output(1, Array(repeating: UInt8(ascii: "x"), count: JournalFormat.mostData))
            #expect(try PlainLine.all(in: path).count == 1)
            try journal.output(1, [0xc3])
            try journal.output(1, [0xa9] + Array(repeating: UInt8(ascii: "x"), count: JournalFormat.mostData - 1))
            #expect(try PlainLine.all(in: path).map { $0.bytes.count } == [65_536, 65_536, 1])
        }
    }

    @Test func `text is text unless base64 is shorter`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            try journal.output(1, "\n".utf8)
            try journal.output(1, Array(repeating: 0, count: 3000))
            try journal.output(1, "\u{1b}[31mred\u{1b}[0m".utf8)
            try journal.output(1, Array(repeating: UInt8(ascii: "\n"), count: 3000))
            try journal.output(1, [0xff])
            #expect(try PlainLine.all(in: path).map(\.encoding) == [nil, "base64", nil, "base64", "base64"])
        }
    }

    @Test func `output stops below the limit and events go on`() throws {
        try withJournalPath { path in
            let limit = ByteCount(4096)
            let journal = try JournalWriter(path, limit: limit)
            let chunk = Array(repeating: UInt8(ascii: "x"), count: 500)
            var written = 0
            try journal.output(2, [0xc3])
            while try journal.output(1, chunk) {
                written += 1
                #expect(!journal.limitReached)
            }
            #expect(journal.limitReached)
            #expect(journal.size <= limit.bytes)
            #expect(journal.size > limit.bytes - 700)
            try #require(try journal.output(2, chunk) == false)
            try journal.finish(2)
            repeat { try journal.event("exec-exit") } while journal.size <= limit.bytes + 200
            let lines = try PlainLine.all(in: path)
            #expect(lines.count { $0.bytes == chunk } == written)
            #expect(lines.count { $0.bytes == [0xc3] && $0.n == 2 } == 1)
            #expect(lines.last?.kind == "exec-exit")
        }
    }

    @Test func `an event too large for a line is refused whole`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            let huge = String(repeating: "x", count: JournalFormat.longestLine)
            #expect(throws: SystemError("write", code: EMSGSIZE, subject: "exec-start")) {
                try journal.event("exec-start") { $0.field("command", huge) }
            }
            #expect(try Files.status(path).st_size == 0)
            try journal.event("exec-refused")
            #expect(try JournalReader(path).rest().map(\.seq) == [1])
        }
    }

    @Test func `a symbolic link is not written through`() throws {
        try withJournalPath { path in
            try Files.create(path + ".other", [])
            try #require(symlink(path + ".other", path) == 0)
            #expect(throws: SystemError.self) { try JournalWriter(path, limit: plenty) }
        }
    }

    /// Needs root, for a file system of its own that is small enough to fill.
    @Test func `a full disk leaves whole lines, and the journal goes on when there is room`() throws {
        try withJournalPath { path in
            let directory = String(path.dropLast("/log.jsonl".count)) + "/small"
            try Files.makeDirectory(directory)
            try #require(mount("tmpfs", directory, "tmpfs", 0, "size=64k") == 0)
            defer { umount2(directory, CInt(MNT_DETACH)) }
            try Files.create(directory + "/ballast", Array(repeating: 1, count: 20_000))
            let journal = try JournalWriter(directory + "/log.jsonl", limit: plenty)
            let chunk = Array(repeating: UInt8(ascii: "x"), count: 3000)
            var written = 0
            let error = #expect(throws: SystemError.self) {
                while try journal.output(1, chunk) { written += 1 }
            }
            #expect(error?.isFull == true)
            #expect(throws: SystemError.self) { try journal.event("large") { $0.field("x", "\(chunk)") } }
            #expect(try Files.status(directory + "/log.jsonl").st_size == Int(journal.size))
            try Files.remove(directory + "/ballast")
            try journal.event("sandbox-died")
            let lines = try PlainLine.all(in: directory + "/log.jsonl")
            #expect(lines.map(\.seq) == Array(1...UInt64(written + 1)))
            #expect(lines.dropLast().allSatisfy { $0.bytes == chunk })
        }
    }
}
