import CoteModel
import CoteTestSupport
import CoteWire
import Testing

@Suite struct MessageTests {
    private let rounds = 300

    @Test func `every message comes back as it was`() throws {
        var random = SeededRandom(seed: Fuzzing.seed)
        for _ in 0..<rounds {
            let hello = random.hello()
            #expect(try Hello(payload: hello.payload) == hello)
            let request = random.openRequest()
            #expect(try OpenRequest(payload: request.payload) == request)
            let refusal = random.refusal()
            #expect(try Refusal(payload: refusal.payload) == refusal)
            let exit = random.exit()
            #expect(try Exit(payload: exit.payload) == exit)
            let report = random.stateReport()
            #expect(try StateReport(payload: report.payload) == report)
            let count = 1 + random.below(Credit.window)
            #expect(try Credit.count(payload: Credit.payload(count)) == count)
        }
    }

    @Test(arguments: Parser.all)
    func `a message cut anywhere or with a byte too many is refused`(parser: Parser) {
        var random = SeededRandom(seed: Fuzzing.seed)
        for _ in 0..<20 {
            let payload = random.frame(parser.kind).payload
            for count in 0..<payload.count {
                #expect(throws: WireViolation.self) { try parser.rewrite(Array(payload[..<count])) }
            }
            #expect(throws: WireViolation.self) { try parser.rewrite(payload + [0]) }
        }
    }

    @Test(arguments: Parser.all)
    func `a message fits into its frame`(parser: Parser) {
        var random = SeededRandom(seed: Fuzzing.seed)
        for _ in 0..<rounds { #expect(random.frame(parser.kind).payload.count <= Frame.limit(parser.kind)) }
    }

    @Test(arguments: [
        String(repeating: "x", count: 5000), String(repeating: "🕊", count: 5000),
        // One character for Swift, thousands of bytes on the wire.
        "e" + String(repeating: "\u{301}", count: 5000), String(repeating: "a\0", count: 700), "\0",
    ])
    func `text for people that quotes anything still reads on the other side`(text: String) throws {
        for payload in [Refusal(.internal, text).payload, StateReport(.died, reason: .oom, detail: text).payload] {
            #expect(payload.count <= 2048)
        }
        let message = try Refusal(payload: Refusal(.internal, text).payload).message
        let detail = try StateReport(payload: StateReport(.died, detail: text).payload).detail
        #expect(message == detail)
        #expect(!message.isEmpty)
        #expect(message.utf8.count <= 1024)
        #expect(text.replacing("\0", with: "\u{fffd}").unicodeScalars.starts(with: message.unicodeScalars))
    }

    @Test func `a later peer may say more in its hello and an older one may not`() throws {
        let newest = Hello.spoken.upperBound
        let later = Hello(versions: 1...(newest + 1), build: "next")
        #expect(try Hello(payload: later.payload + [1, 2, 3]) == later)
        let older = Hello(versions: 0...(newest - 1))
        #expect(throws: WireViolation.malformed("hello")) { try Hello(payload: older.payload + [1]) }
    }

    @Test(
        arguments: [
            (1...1, 1...1, 1), (1...3, 2...5, 3), (2...5, 1...3, 3), (1...9, 4...4, 4), (1...2, 3...4, nil),
            (3...4, 1...2, nil),
        ] as [(ClosedRange<UInt16>, ClosedRange<UInt16>, UInt16?)])
    func `two peers agree on the newest version that both speak`(
        one: ClosedRange<UInt16>, other: ClosedRange<UInt16>, agreed: UInt16?
    ) {
        #expect(Hello(versions: one).agreed(with: Hello(versions: other)) == agreed)
    }
}
