import CoteTestSupport
import CoteWire
import Testing

/// What hostile bytes may do: be refused, or be understood. Never a trap, never more memory than the bound.
@Suite struct WireFuzzTests {
    /// Two, so that both halves run side by side.
    private static let shards = 2
    private static let largestFrame =
        Frame.headerSize + (Frame.Kind.allCases.map(Frame.limit).max() ?? 0)

    @Test(arguments: 0..<shards)
    func `hostile bytes on a link are refused or understood within the bound`(shard: Int) {
        let count = Fuzzing.count(1_000_000) / Self.shards
        var understood = 0
        var random = SeededRandom(seed: Fuzzing.seed &+ UInt64(shard))
        let corpus = (0..<512).map { index in
            var bytes: [UInt8] = []
            let kinds = Frame.Kind.allCases
            random.frame(kinds[index % kinds.count]).encode(into: &bytes)
            if index.isMultiple(of: 3) { random.frame(random.pick(kinds)).encode(into: &bytes) }
            return bytes
        }
        for input in 0..<count {
            var bytes = corpus[input % corpus.count]
            random.mutate(&bytes)
            switch Self.feed(bytes, random.next()) {
            case .refused: break
            case .understood: understood += 1
            case .wrong(let what): return Self.report(what, shard, input, bytes)
            }
        }
        #expect(understood * 20 > count)
    }

    @Test(arguments: 0..<shards)
    func `hostile payloads are refused or mean the same when written again`(shard: Int) {
        let count = Fuzzing.count(1_000_000) / Self.shards
        var understood = 0
        var random = SeededRandom(seed: Fuzzing.seed &- UInt64(shard))
        let corpus = (0..<512).map { index in random.frame(Parser.all[index % Parser.all.count].kind).payload }
        for input in 0..<count {
            let sample = input % corpus.count
            var bytes = corpus[sample]
            // Mostly the parser of the payload's own kind, sometimes another's.
            let parser = input.isMultiple(of: 8) ? random.pick(Parser.all) : Parser.all[sample % Parser.all.count]
            random.mutate(&bytes)
            switch Self.reread(bytes, parser) {
            case .refused: break
            case .understood: understood += 1
            case .wrong(let what): return Self.report(what, shard, input, bytes)
            }
        }
        // A fuzz test that is always refused at the door tests the door alone.
        #expect(understood * 20 > count)
    }

    private enum Outcome {
        case refused, understood
        case wrong(String)
    }

    private static func report(_ what: String, _ shard: Int, _ input: Int, _ bytes: [UInt8]) {
        Issue.record("\(what); COTE_FUZZ_SEED=\(Fuzzing.seed), shard \(shard), input \(input): \(bytes)")
    }

    /// Gives a decoder `bytes` in pieces. Understood means that a frame came out, whatever came after it.
    private static func feed(_ bytes: [UInt8], _ seed: UInt64) -> Outcome {
        var random = SeededRandom(seed: seed)
        var decoder = FrameDecoder()
        var position = 0
        var consumed = 0
        while position < bytes.count {
            let end = random.flag() ? bytes.count : min(bytes.count, position + 1 + random.below(16))
            bytes[position..<end].withUnsafeBytes { decoder.append($0) }
            if decoder.pending > largestFrame + (end - position) {
                return .wrong("the decoder holds \(decoder.pending)")
            }
            position = end
            do throws(WireViolation) {
                while let frame = try decoder.next() {
                    if frame.payload.count > Frame.limit(frame.kind) { return .wrong("a payload over its limit") }
                    consumed += Frame.headerSize + frame.payload.count
                    if let parser = parsers[frame.kind], case .wrong(let what) = reread(frame.payload, parser) {
                        return .wrong(what)
                    }
                }
            } catch {
                break
            }
            if consumed + decoder.pending != position { return .wrong("bytes were lost") }
        }
        return consumed > 0 ? .understood : .refused
    }

    private static let parsers = Dictionary(uniqueKeysWithValues: Parser.all.map { ($0.kind, $0) })

    /// What is accepted must be stable: written out and read again it is the same.
    private static func reread(_ payload: [UInt8], _ parser: Parser) -> Outcome {
        guard let once = try? parser.rewrite(payload) else { return .refused }
        guard let twice = try? parser.rewrite(once) else { return .wrong("\(parser.name) does not read what it wrote") }
        return once == twice ? .understood : .wrong("\(parser.name) changes what it reads")
    }
}

extension SeededRandom {
    /// One to four changes: bytes flipped, set to telling values, cut, repeated or put in.
    fileprivate mutating func mutate(_ bytes: inout [UInt8]) {
        for _ in 0...below(4) {
            guard !bytes.isEmpty else { return bytes.append(byte()) }
            let place = below(bytes.count)
            switch below(8) {
            case 0, 1: bytes[place] ^= 1 << UInt8(below(8))
            case 2: bytes[place] = byte()
            case 3: bytes[place] = pick([0, 1, 2, 0x3d, 0x7f, 0x80, 0xff])
            case 4: for index in place..<min(place + 4, bytes.count) { bytes[index] = 0xff }
            case 5: bytes.removeSubrange(place...)
            case 6: bytes.insert(byte(), at: place)
            default: bytes.append(contentsOf: Array(bytes[place..<min(place + 16, bytes.count)]))
            }
        }
    }
}
