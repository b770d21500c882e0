import CoteJournal
import CoteModel
import CoteSystem
import FoundationEssentials
import Glibc
import Testing

/// A directory that goes with the closure, and the path of a journal in it.
func withJournalPath(_ body: (_ path: String) throws -> Void) throws {
    let directory = "/tmp/cote-journal-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    try Files.makeDirectory(directory)
    defer { try? Files.removeTree(directory) }
    try body(directory + "/log.jsonl")
}

/// What any JSON library makes of a line.
struct PlainLine: Decodable, Equatable {
    var seq: UInt64
    var ts: String
    var kind: String
    var n: UInt32?
    var data: String?
    var encoding: String?

    static func all(in path: String) throws -> [PlainLine] {
        let bytes = try Files.read(path, limit: 64 << 20)
        #expect(bytes.isEmpty || bytes.last == UInt8(ascii: "\n"))
        return try bytes.split(separator: UInt8(ascii: "\n")).map {
            try JSONDecoder().decode(PlainLine.self, from: Data($0))
        }
    }

    var bytes: [UInt8] {
        guard let data else { return [] }
        return encoding == nil ? Array(data.utf8) : Data(base64Encoded: data).map { Array($0) } ?? []
    }
}

extension JournalReader {
    func rest() throws -> [JournalRecord] {
        var records: [JournalRecord] = []
        while let record = try next() { records.append(record) }
        return records
    }
}

extension JournalWriter {
    @discardableResult
    func output(_ n: UInt32, isError: Bool = false, _ bytes: some Sequence<UInt8>) throws -> Bool {
        let bytes = Array(bytes)
        return try bytes.span.withUnsafeBytes { bytes throws(SystemError) in
            try output(n: n, isError: isError, bytes)
        }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
