import CoteJournal
import CoteModel
import CoteSystem
import Glibc
import Testing

@Suite struct JournalRecoveryTests {
    private let plenty = ByteCount.mebibytes(1024)
    private let good = #"{"seq":1,"ts":"2099-01-01T00:00:00.000000Z","kind":"sandbox-created"}"# + "\n"

    @Test func `a journal cut at any byte reads up to its last whole line and is continued there`() throws {
        try withJournalPath { path in
            let journal = try JournalWriter(path, limit: plenty)
            try journal.event("exec-start") { $0.field("n", 1) }
            try journal.output(1, "héllo\n".utf8)
            try journal.output(1, isError: true, [0, 0xff])
            try journal.event("exec-exit") { $0.field("exit", 0) }
            let whole = try Files.read(path)
            let records = try JournalReader(path).rest()
            #expect(records.map(\.seq) == [1, 2, 3, 4])

            for cut in 0...whole.count {
                try Files.replace(path, durable: false, Array(whole[..<cut]))
                let count = whole[..<cut].count { $0 == UInt8(ascii: "\n") }
                let reader = try JournalReader(path)
                #expect(try reader.rest() == Array(records[..<count]))
                #expect(reader.damaged == 0)

                try JournalWriter(path, limit: plenty).event("sandbox-started")
                let continued = try JournalReader(path).rest()
                #expect(Array(continued.dropLast()) == Array(records[..<count]))
                #expect(continued.last?.seq == UInt64(count) + 1)
                #expect(continued.last?.kind == "sandbox-started")
            }
        }
    }

    @Test(
        arguments: [
            ("rubbish\n", 2), ("\n\n\n", 2), ("{\"seq\":7}\n", 2), (String(repeating: "\u{0}", count: 5000) + "\n", 2),
            (#"{"seq":18446744073709551615,"ts":"x","kind":"y"}"# + "\n", 2),
            (#"{"seq":99999,"ts":"x","kind":"y"}"# + "\n", 2), (#"{"seq":"9","ts":"x","kind":"y"}"# + "\n", 2),
            (#"{"seq":9,"ts":"x","kind":"y"}"# + "\nrubbish\n{", 10),
        ] as [(String, UInt64)])
    func `rubbish at the end stays and numbers go on from the last line that is one`(
        rubbish: String, number: UInt64
    ) throws {
        try withJournalPath { path in
            try Files.create(path, Array((good + rubbish).utf8))
            let journal = try JournalWriter(path, limit: plenty)
            try journal.event("sandbox-started")
            #expect(try JournalReader(path).rest().last?.seq == number)
            let kept = rubbish.hasSuffix("\n") ? rubbish : String(rubbish.dropLast())
            #expect(try Files.readText(path).hasPrefix(good + kept + "{\"seq\":\(number),"))
            #expect(try journal.size == UInt64(Files.status(path).st_size))
        }
    }

    @Test(arguments: ["", "\n"])
    func `more rubbish than a line can be is left alone and numbers jump ahead`(end: String) throws {
        try withJournalPath { path in
            let rubbish = Array(repeating: UInt8(ascii: "x"), count: JournalFormat.longestLine + 10)
            try Files.create(path, Array(good.utf8) + rubbish + Array(end.utf8))
            let journal = try JournalWriter(path, limit: plenty)
            try journal.event("sandbox-started")
            try journal.event("sandbox-stopped")
            let reader = try JournalReader(path)
            let records = try reader.rest()
            #expect(records.map(\.kind) == ["sandbox-created", "sandbox-started", "sandbox-stopped"])
            #expect(reader.damaged == 1)
            #expect(records[1].seq > UInt64(rubbish.count))
            #expect(records[2].seq == records[1].seq + 1)
            let bytes = try Files.read(path, limit: 4 << 20)
            #expect(bytes.starts(with: Array(good.utf8) + rubbish + [UInt8(ascii: "\n")]))
            #expect(journal.size == UInt64(bytes.count))
            // The numbers after a jump are found again.
            try JournalWriter(path, limit: plenty).event("sandbox-started")
            #expect(try JournalReader(path).rest().last?.seq == records[2].seq + 1)
        }
    }

    @Test func `a clock that was set back changes neither order nor numbers`() throws {
        try withJournalPath { path in
            try Files.create(path, Array(good.utf8))
            try JournalWriter(path, limit: plenty).event("sandbox-started")
            let records = try JournalReader(path).rest()
            #expect(records.map(\.seq) == [1, 2])
            #expect(records[0].timestamp > records[1].timestamp)
        }
    }
}
