import CoteArchive
import CoteSystem
import CoteWire
import Glibc
import Testing

@testable import CoteGuest

@Suite struct ArchiveMutationTests {
    /// Flips bytes of headers and repairs their checksums, so that what lies behind the checksum is reached.
    @Test func `no change to an archive's headers makes unpacking trap or leave its directory`() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var random = Seeded(state: seed)
        let scratch = try Scratch()
        try scratch.shell(
            """
            mkdir tree outside; cd tree; echo a > a; mkdir d; ln -s a l; ln a d/h; head -c 3000 /dev/zero > z
            long=$(printf 'n%.0s' $(seq 120)); echo long > $long; ln -s $long ll; touch -d 1965-01-01 z
            tar --format=gnu -cf ../gnu.tar .
            """)
        try scratch.files(.pack, "tree", output: "pax.tar")
        let archives = try ["pax.tar", "gnu.tar"].map { try Files.read(scratch.path + "/" + $0) }
        let before = try scratch.description(of: "outside")
        var refused = 0
        for round in 0..<600 {
            var bytes = archives[round % 2]
            for _ in 0...Int(random.next() % 4) { Self.mutate(&bytes, &random) }
            if random.next() % 8 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
            let path = scratch.path + "/mutant.tar"
            try Files.replace(path, durable: false, bytes)
            if scratch.failure(.unpack, "out\(round)", input: "mutant.tar") != nil { refused += 1 }
        }
        #expect(refused > 50 && refused < 600, "seed \(seed)")
        #expect(try scratch.description(of: "outside") == before, "seed \(seed)")
        #expect(try scratch.shell("ls -d [!o]*") == "gnu.tar\nmutant.tar\npax.tar\ntree\n", "seed \(seed)")
    }

    @Test func `no change to extended records or numbers makes reading them trap`() {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var random = Seeded(state: seed)
        var records = ArchiveRecords()
        records.add("path", Array("some/path".utf8))
        records.add("mtime", Array("1234567890.123456789".utf8))
        for _ in 0..<20_000 {
            var bytes = records.bytes
            for _ in 0...Int(random.next() % 3) {
                bytes[Int(random.next() % UInt64(bytes.count))] = Self.likely[Int(random.next() % 12)]
            }
            if let read = ArchiveRecords(bytes) { _ = read.values["mtime"].flatMap { timespec(decimal: $0) } }
            _ = timespec(decimal: bytes.suffix(Int(random.next() % 24)))
        }
    }

    private static let likely = Array("09 =\n-.\u{0}\u{7f}a8/".utf8)

    private static func mutate(_ bytes: inout [UInt8], _ random: inout Seeded) {
        let block = Int(random.next() % UInt64(bytes.count / 512)) * 512
        var header = ArchiveHeader(block: Array(bytes[block..<block + 512]))
        let wasHeader = header.isIntact && !header.block.allSatisfy { $0 == 0 }
        let offset = Int(random.next() % (random.next() % 2 == 0 ? 512 : 160))
        header.block[offset] =
            random.next() % 2 == 0 ? UInt8(truncatingIfNeeded: random.next()) : likely[Int(random.next() % 12)]
        if wasHeader && random.next() % 8 != 0 { header.seal() }
        bytes.replaceSubrange(block..<block + 512, with: header.block)
    }
}

/// SplitMix64: the same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
