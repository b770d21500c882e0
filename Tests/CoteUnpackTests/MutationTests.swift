import CoteArchive
import CoteTestSupport
import CoteUnpack
import Testing

/// Bytes in memory as a source; counts what was asked.
private final class MemorySource: ByteSource {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(UnpackFailure) -> Int {
        let count = min(buffer.count, bytes.count - offset)
        buffer.copyBytes(from: bytes[offset..<offset + count])
        offset += count
        return count
    }
}

/// Whatever a layer or a compressed stream has in it, reading it ends, in bounded memory, with members or a refusal.
@Suite struct MutationTests {
    private static let valid: [UInt8] = {
        var sparse = TestMember.file("s", String(repeating: "x", count: 512))
        sparse.records = [("GNU.sparse.size", Array("9000".utf8)), ("GNU.sparse.map", Array("0,256,4096,256".utf8))]
        var mapped = TestMember(name: "m", content: Array("1\n0\n512\n".utf8))
        mapped.content += [UInt8](repeating: 0, count: 1024 - mapped.content.count)
        mapped.records = [("major", "1"), ("minor", "0"), ("realsize", "512"), ("name", "map")].map {
            ("GNU.sparse." + $0.0, Array($0.1.utf8))
        }
        var old = TestMember.file("o", String(repeating: "y", count: 512))
        old.kind = UInt8(ascii: "S")
        old.change = {
            _ = $0.setNumber(0, 386..<398)
            _ = $0.setNumber(512, 398..<410)
            _ = $0.setNumber(512, 483..<495)
        }
        return TestMember.archive([
            .directory("./"), .directory("d/"), .file("d/f", "content"), .link("l", "d/f"), .hard("h", "d/f"),
            TestMember.file("x").with(("SCHILY.xattr.user.a", "b"), ("mtime", "1.5"), ("uid", "7")),
            TestMember(kind: 0x4c, name: "L", content: Array("long/name".utf8)), .file("n"), sparse, mapped, old,
            .file(".wh.q", ""), .kind("6", "p"),
        ])
    }()

    private static let likely = Array("09 =\n-.,\u{0}\u{7f}a8/%\u{ff}xgLKS".utf8)

    /// Members read, or -1 where it was refused.
    private func read(_ bytes: [UInt8]) -> Int {
        do throws(UnpackFailure) {
            let source = try Compression.open(MemorySource(bytes), DecodingLimit(bytes: 1 << 26))
            let reader = LayerReader(SourceStream(source))
            var count = 0
            while try reader.next() != nil {
                count += 1
                while !(try reader.piece().isEmpty) {}
            }
            return count
        } catch { return -1 }
    }

    @Test func `what is not changed is read whole`() { #expect(read(Self.valid) == 12) }

    @Test func `no change to a layer makes reading it trap or hang`() {
        var random = SeededRandom(seed: Fuzzing.seed)
        var refused = 0
        let rounds = Fuzzing.count(isSoaking ? 2_000_000 : 10_000)
        for _ in 0..<rounds {
            var bytes = Self.valid
            for _ in 0...random.below(4) { Self.mutate(&bytes, &random) }
            if random.below(8) == 0 { bytes.removeLast(random.below(bytes.count)) }
            if read(bytes) < 0 { refused += 1 }
        }
        #expect(refused > rounds / 10 && refused < rounds)
    }

    @Test(.requires(.root), arguments: ["gzip -9 -c", "zstd -q --check -c", "zstd -q --no-check -19 -c"])
    func `no change to a compressed stream makes reading it trap or hang`(command: String) throws {
        let trial = try UnpackTrial()
        let whole = try trial.compressed(Self.valid, by: command)
        #expect(read(whole) == 12)
        var random = SeededRandom(seed: Fuzzing.seed)
        var refused = 0
        let rounds = Fuzzing.count(isSoaking ? 500_000 : 4_000)
        for _ in 0..<rounds {
            var bytes = whole
            for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = random.byte() }
            if random.below(8) == 0 { bytes.removeLast(random.below(bytes.count)) }
            if random.below(8) == 0 { bytes += whole.suffix(random.below(64)) }
            if read(bytes) < 0 { refused += 1 }
        }
        #expect(refused > rounds / 10)
    }

    /// A byte of a block, whose checksum is then mended, so that what lies behind it is reached.
    private static func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        let block = random.below(bytes.count / 512) * 512
        var header = ArchiveHeader(block: Array(bytes[block..<block + 512]))
        let wasHeader = header.isIntact && !header.block.allSatisfy { $0 == 0 }
        let offset = random.below(random.flag() ? 512 : 160)
        header.block[offset] = random.flag() ? random.byte() : random.pick(likely)
        if wasHeader && random.below(8) != 0 { header.seal() }
        bytes.replaceSubrange(block..<block + 512, with: header.block)
    }
}
