import CoteJournal
import CoteModel
import CoteSystem
import Foundation
import Glibc
import Synchronization
import Testing

@Suite struct JournalReaderTests {
    private let plenty = ByteCount.mebibytes(1024)
    private static let common = #""seq":1,"ts":"2026-11-21T01:02:03.123456Z","kind":"k""#

    @Test(arguments: [
        "", "rubbish", "[]", "1", "{}", "{\(common)", "{\(common)}}", "{\(common)} x", "{\(common),}", "{,\(common)}",
        "{\(common),\"a\"}", "{\(common),\"a\":}", "{\(common) \"a\":1}", "{\(common),\"a\":01}",
        "{\(common),\"a\":1.}",
        "{\(common),\"a\":+1}", "{\(common),\"a\":.5}", "{\(common),\"a\":1e}", "{\(common),\"a\":-}",
        "{\(common),\"a\":tru}", "{\(common),\"a\":[1,]}", "{\(common),\"a\":{1:2}}", "{\(common),a:1}",
        #"{\#(common),"a":"\x"}"#, #"{\#(common),"a":"\u12g4"}"#, #"{\#(common),"a":"\u12"#, #"{\#(common),"a":"\"#,
        "{\(common),\"a\":\"\t\"}", #"{\#(common),"data":5}"#, #"{\#(common),"data":"\ud800"}"#,
        #"{\#(common),"data":"\ud800\u0041"}"#, #"{\#(common),"data":"A","encoding":"base64"}"#,
        #"{\#(common),"data":"AAAA","encoding":"rot13"}"#, #"{"seq":-1,"ts":"t","kind":"k"}"#,
        #"{"seq":1.0,"ts":"t","kind":"k"}"#, #"{"seq":1,"ts":2,"kind":"k"}"#, #"{"seq":1,"ts":"t","kind":null}"#,
        "{\(common),\"a\":" + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + "}",
        String(repeating: "[", count: 100_000),
    ])
    func `a line that is none of a journal is passed over and counted`(rubbish: String) throws {
        try withJournalPath { path in
            let line = "{\(Self.common)}\n"
            try Files.create(path, Array((line + rubbish + "\n" + line).utf8))
            let reader = try JournalReader(path)
            #expect(try reader.rest().count == 2)
            #expect(reader.damaged == 1)
        }
    }

    @Test func `bytes that are not UTF-8 are rubbish`() throws {
        try withJournalPath { path in
            try Files.create(path, Array("{\(Self.common),\"a\":\"".utf8) + [0xff] + Array("\"}\n".utf8))
            let reader = try JournalReader(path)
            #expect(try reader.next() == nil)
            #expect(reader.damaged == 1)
        }
    }

    @Test(arguments: [
        (#""\u00e9\u6f22\ud83d\ude00""#, "é漢😀"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""""#, ""),
        (#" "a" "#, "a"), (#""\u0000\u001F""#, "\u{0}\u{1f}"),
        (#""plain text longer than one block of sixteen\n""#, "plain text longer than one block of sixteen\n"),
    ])
    func `text is read whatever its escapes`(json: String, text: String) throws {
        let record = try #require(JournalRecord(line: Array(" { \(Self.common) , \"data\" :\(json)}\r".utf8)))
        #expect(record.data == Array(text.utf8))
        #expect(record.string("data") == text)
    }

    @Test func `fields are found by name and kind`() throws {
        let line =
            #"{\#(Self.common),"s":"x","i":-5,"f":true,"l":["a","b\n"],"m":["a",1],"d":1.5e3,"z":null,"o":{"s":"y"}}"#
        let record = try #require(JournalRecord(line: Array(line.utf8)))
        #expect(record.seq == 1 && record.kind == "k" && record.timestamp == "2026-11-21T01:02:03.123456Z")
        #expect(record.string("s") == "x" && record.string("i") == nil && record.string("q") == nil)
        #expect(record.integer("i") == -5 && record.integer("d") == nil && record.integer("s") == nil)
        #expect(record.flag("f") == true && record.flag("z") == nil)
        #expect(record.strings("l") == ["a", "b\n"] && record.strings("m") == nil && record.strings("s") == nil)
        #expect(record.json("o").map { String(decoding: $0, as: UTF8.self) } == #"{"s":"y"}"#)
        #expect(record.n == nil && record.data == nil && record.line == Array(line.utf8))
    }

    @Test func `a line may be as long as a line can be and not one byte longer`() throws {
        try withJournalPath { path in
            let frame = "{\(Self.common),\"a\":\"\"}\n"
            let fill = String(repeating: "x", count: JournalFormat.longestLine - frame.utf8.count)
            let longest = "{\(Self.common),\"a\":\"\(fill)\"}\n"
            let longer = "{\(Self.common),\"a\":\"\(fill)x\"}\n"
            try Files.create(path, Array((longer + longest + frame + longer + longer + longest).utf8))
            let reader = try JournalReader(path)
            #expect(
                try reader.rest().map { $0.line.count + 1 } == [
                    longest.utf8.count, frame.utf8.count, longest.utf8.count,
                ])
            #expect(reader.damaged == 3)
        }
    }

    @Test func `an unfinished line that its writer cuts off and replaces is read as replaced`() throws {
        try withJournalPath { path in
            let line = Array("{\(Self.common)}\n".utf8)
            try Files.create(path, line + Array("{\"seq\":2,\"ts\":\"…".utf8))
            let reader = try JournalReader(path)
            #expect(try reader.rest().count == 1)
            try JournalWriter(path, limit: plenty).event("other")
            #expect(try reader.rest().map(\.kind) == ["other"])
            #expect(reader.damaged == 0)
        }
    }

    @Test func `a follower gives what is there, waits no longer than it may, and then what comes`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            try journal.event("one")
            var isGone = false
            let follower = try JournalFollower(JournalReader(path)) { isGone }
            #expect(try follower.next()?.kind == "one")
            #expect(try follower.next(wait: TimeSpan(milliseconds: 1)) == nil)
            #expect(!follower.hasEnded)
            try journal.event("two")
            #expect(try follower.next(wait: .seconds(60))?.kind == "two")
            isGone = true
            #expect(try follower.next() == nil)
            #expect(follower.hasEnded)
        }
    }

    @Test func `what a writer wrote before it was found gone is not lost`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            var asked = 0
            let follower = try JournalFollower(JournalReader(path)) {
                asked += 1
                if asked == 1 { try? journal.event("last") }
                return true
            }
            #expect(try follower.next()?.kind == "last")
            #expect(!follower.hasEnded)
            #expect(try follower.next() == nil)
            #expect(follower.hasEnded)
        }
    }

    @Test func `a follower on one thread gets all that a writer on another writes`() throws {
        try withJournalPath { path in
            try Files.create(path, [])
            let isDone = Flag()
            let limit = plenty
            Thread.detachNewThread {
                do {
                    let journal = try JournalWriter(path, limit: limit)
                    for _ in 0..<2000 { try journal.event("tick") }
                } catch { Issue.record(error) }
                isDone.value.store(true, ordering: .releasing)
            }
            let follower = try JournalFollower(JournalReader(path)) { isDone.value.load(ordering: .acquiring) }
            var numbers: [UInt64] = []
            while let record = try follower.next(wait: .seconds(60)) { numbers.append(record.seq) }
            #expect(numbers == Array(1...2000))
            #expect(follower.hasEnded && follower.damaged == 0)
        }
    }

    private final class Flag: Sendable {
        let value = Atomic(false)
    }

    @Test func `a waiting follower is woken by a write and does not wait for its time`() throws {
        try withJournalPath { path in
            try Files.create(path, [])
            let file = try Descriptor.open(path, O_RDONLY)
            let watch = try FileWatch(file)
            try JournalWriter(path, limit: plenty).event("x")
            let before = SystemClock.monotonic()
            try watch.wait(milliseconds: 60_000)
            #expect(SystemClock.monotonic() - before < 30_000_000_000)
            try watch.wait(milliseconds: 0)
        }
    }
}

@Suite struct TerminalTextTests {
    @Test(arguments: [
        ("plain\ttext\n", "plain\ttext\n"), ("\u{1b}[2J\r\u{7}\u{0}\u{7f}", #"\x1b[2J\x0d\x07\x00\x7f"#),
        ("é漢😀 a\\b", "é漢😀 a\\b"), ("\u{9b}31m\u{85}\u{a0}", "\\u{9b}31m\\u{85}\u{a0}"),
        ("a\u{202e}b\u{2066}\u{2069}\u{200f}\u{61c}", #"a\u{202e}b\u{2066}\u{2069}\u{200f}\u{61c}"#),
        ("\u{2028}\u{2029}", #"\u{2028}\u{2029}"#),
    ])
    func `what could drive a terminal is written out`(text: String, shown: String) {
        #expect(String(decoding: TerminalText.escaped(Array(text.utf8)), as: UTF8.self) == shown)
    }

    @Test(
        arguments: [
            ([0x9b, 0x41], #"\x9bA"#), ([0xe2, 0x80], #"\xe2\x80"#), ([0xc0, 0x9b], #"\xc0\x9b"#),
            ([0xed, 0xa0, 0x80, 0x0a], "\\xed\\xa0\\x80\n"), ([0xf4, 0x90, 0x80, 0x80], #"\xf4\x90\x80\x80"#),
        ] as [([UInt8], String)])
    func `bytes that are not text are written out one by one`(bytes: [UInt8], shown: String) {
        #expect(String(decoding: TerminalText.escaped(bytes), as: UTF8.self) == shown)
    }
}
