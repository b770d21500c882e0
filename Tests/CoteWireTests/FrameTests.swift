import CoteTestSupport
import CoteWire
import Testing

@Suite struct FrameTests {
    private static func encoded(_ frames: [Frame]) -> [UInt8] {
        var bytes: [UInt8] = []
        for frame in frames { frame.encode(into: &bytes) }
        return bytes
    }

    private static func header(_ kind: UInt8, length: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + [0, 0, 0, 0, kind]
    }

    private static func drain(_ decoder: inout FrameDecoder) throws(WireViolation) -> [Frame] {
        var frames: [Frame] = []
        while let frame = try decoder.next() { frames.append(frame) }
        return frames
    }

    @Test(arguments: Frame.Kind.allCases)
    func `a frame of every kind comes back as it was`(kind: Frame.Kind) throws {
        var random = SeededRandom(seed: Fuzzing.seed)
        for _ in 0..<50 {
            let frame = random.frame(kind)
            var decoder = FrameDecoder()
            Self.encoded([frame]).withUnsafeBytes { decoder.append($0) }
            #expect(try decoder.next() == frame)
            #expect(try decoder.next() == nil)
            #expect(decoder.pending == 0)
        }
    }

    @Test(arguments: Frame.Kind.allCases)
    func `a frame cut anywhere is waited for and then comes whole`(kind: Frame.Kind) throws {
        var random = SeededRandom(seed: Fuzzing.seed)
        let frame = random.frame(kind)
        let bytes = Self.encoded([frame])
        for cut in 0..<bytes.count {
            var decoder = FrameDecoder()
            bytes[..<cut].withUnsafeBytes { decoder.append($0) }
            #expect(try decoder.next() == nil)
            #expect(decoder.pending == cut)
            bytes[cut...].withUnsafeBytes { decoder.append($0) }
            #expect(try decoder.next() == frame)
        }
    }

    @Test func `frames come in order however the bytes are cut`() throws {
        var random = SeededRandom(seed: Fuzzing.seed)
        let frames = (0..<200).map { _ in random.frame(random.pick(Frame.Kind.allCases)) }
        let bytes = Self.encoded(frames)
        for longest in [1, 7, 64, 1000, bytes.count] {
            var decoder = FrameDecoder()
            var received: [Frame] = []
            var position = 0
            while position < bytes.count {
                let end = min(bytes.count, position + 1 + random.below(longest))
                bytes[position..<end].withUnsafeBytes { decoder.append($0) }
                received += try Self.drain(&decoder)
                position = end
            }
            #expect(received == frames)
        }
    }

    @Test(arguments: Frame.Kind.allCases)
    func `the largest payload of a kind passes and one byte more does not`(kind: Frame.Kind) throws {
        let limit = Frame.limit(kind)
        var decoder = FrameDecoder()
        Self.encoded([Frame(kind, payload: Array(repeating: 7, count: limit))]).withUnsafeBytes { decoder.append($0) }
        #expect(try decoder.next()?.payload.count == limit)

        // The header alone is enough to refuse: nobody waits for, or stores, what is too much.
        Self.header(kind.rawValue, length: UInt32(limit + 1)).withUnsafeBytes { decoder.append($0) }
        #expect(throws: WireViolation.tooLarge(kind, limit + 1)) { try decoder.next() }
    }

    @Test func `a length near four gigabytes is refused, not waited for`() {
        var decoder = FrameDecoder()
        Self.header(Frame.Kind.output.rawValue, length: .max).withUnsafeBytes { decoder.append($0) }
        #expect(throws: WireViolation.tooLarge(.output, Int(UInt32.max))) { try decoder.next() }
    }

    @Test func `a stream of the largest frames is held one frame at a time`() throws {
        let read = 64 << 10
        let kinds: [Frame.Kind] = [.boot, .output, .open, .hello, .exit]
        let frames = kinds.map { Frame($0, payload: Array(repeating: 7, count: Frame.limit($0))) }
        let bytes = Self.encoded(frames + frames)
        var decoder = FrameDecoder()
        var count = 0
        for start in stride(from: 0, to: bytes.count, by: read) {
            bytes[start..<min(start + read, bytes.count)].withUnsafeBytes { decoder.append($0) }
            count += try Self.drain(&decoder).count
            #expect(decoder.pending < Frame.headerSize + Frame.limit(.boot))
        }
        #expect(count == 2 * frames.count)
        #expect(decoder.pending == 0)
    }

    @Test func `every kind that is not one is refused`() {
        let known = Set(Frame.Kind.allCases.map(\.rawValue))
        for kind in UInt8.min...UInt8.max where !known.contains(kind) {
            var decoder = FrameDecoder()
            Self.header(kind, length: 0).withUnsafeBytes { decoder.append($0) }
            #expect(throws: WireViolation.unknownKind(kind)) { try decoder.next() }
        }
    }

    @Test func `a decoder that has refused goes on refusing`() {
        var decoder = FrameDecoder()
        (Self.header(0, length: 0) + Self.encoded([Frame(.opened)])).withUnsafeBytes { decoder.append($0) }
        for _ in 0..<3 { #expect(throws: WireViolation.unknownKind(0)) { try decoder.next() } }
    }

    @Test func `the numbers of the kinds are what older builds know`() {
        let kinds: [Frame.Kind] = [
            .hello, .open, .opened, .refused, .input, .inputEnd, .output, .errorOutput, .credit, .signal, .resize,
            .exit, .closed, .boot, .state, .stop,
        ]
        #expect(kinds.map(\.rawValue) == Array(1...16))
        #expect(kinds.count == Frame.Kind.allCases.count)
    }

    @Test func `a header is little-endian length, stream and kind`() {
        let frame = Frame(.credit, stream: 0x0102_0304, payload: [0xaa, 0xbb])
        #expect(Self.encoded([frame]) == [2, 0, 0, 0, 4, 3, 2, 1, 9, 0xaa, 0xbb])
    }
}
