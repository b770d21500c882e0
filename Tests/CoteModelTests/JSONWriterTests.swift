import CoteModel
import FoundationEssentials
import Testing

@Suite struct JSONWriterTests {
    private struct Line: Decodable, Equatable {
        var text: String?
        var flag: Bool?
        var number: Int64?
        var list: [UInt64]?
    }

    private func text(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        body(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test func `commas stand between values and nowhere else`() {
        let json = text { json in
            json.object { json in
                json.field("a", 1)
                json.key("b")
                json.array { json in
                    json.value("x")
                    json.object { _ in }
                    json.array { $0.null() }
                    json.value(false)
                }
                json.key("c")
                json.object { $0.field("d", true) }
                json.key("e")
                "f\u{0}".utf8.withContiguousStorageIfAvailable { json.base64(UnsafeRawBufferPointer($0)) }
                json.field("g", -5)
            }
            json.endLine()
            json.value(2)
        }
        #expect(json == #"{"a":1,"b":["x",{},[null],false],"c":{"d":true},"e":"ZgA=","g":-5}"# + "\n2")
    }

    @Test func `a field without a value is left out`() {
        let json = text { json in
            json.object { json in
                json.field("a", nil as String?)
                json.field("b", nil as Bool?)
                json.field("c", nil as Int?)
                json.field("d", "" as String?)
            }
        }
        #expect(json == #"{"d":""}"#)
    }

    @Test(arguments: [
        ("\"\\/", #""\"\\/""#), ("\n\t\r\u{8}\u{c}", #""\n\t\r\u0008\u000c""#),
        ("\u{0}\u{1b}\u{1f}", #""\u0000\u001b\u001f""#),
        ("\u{7f}é漢😀", "\"\u{7f}é漢😀\""),
    ])
    func `only what must be escaped is`(input: String, expected: String) {
        #expect(text { $0.value(input) } == expected)
    }

    @Test(arguments: [Int64.min, -1, 0, 1, Int64.max])
    func `numbers keep all their digits`(number: Int64) throws {
        let json = text { $0.object { $0.field("number", number) } }
        #expect(try JSONDecoder().decode(Line.self, from: Data(json.utf8)).number == number)
        #expect(text { $0.value(UInt64.max) } == "18446744073709551615")
    }

    @Test(arguments: [1, 2, 3, UInt64.random(in: 0...UInt64.max)])
    func `any text reads back as itself`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var writer = JSONWriter()
        for _ in 0..<150 {
            // Mostly plain, with something to escape or of several bytes here and there, around the size of a block.
            let text = String(
                String.UnicodeScalarView(
                    (0..<Int.random(in: 0...70, using: &random)).map { _ in
                        let range: ClosedRange<UInt32> =
                            switch Int.random(in: 0..<20, using: &random) {
                            case 0: 0...0x7f
                            case 1: 0x80...0xd7ff
                            case 2: 0xe000...0x10ffff
                            case 3: 0x20...0x22
                            default: 0x23...0x5b
                            }
                        return Unicode.Scalar(UInt32.random(in: range, using: &random)) ?? "x"
                    }))
            writer.removeAll()
            writer.object { $0.field("text", text) }
            #expect(try JSONDecoder().decode(Line.self, from: Data(writer.bytes)).text == text)
        }
    }

    @Test func `a string longer than its limit leaves no trace`() {
        let text = Array(repeating: UInt8(ascii: "\n"), count: 20_000)
        var writer = JSONWriter()
        writer.array { json in
            json.value(1)
            text.withUnsafeBytes { text in
                let two = UnsafeRawBufferPointer(rebasing: text.prefix(2))
                let fits = [
                    json.string(utf8: text, limit: 39_999), json.string(utf8: two, limit: 3),
                    json.string(utf8: two, limit: 4),
                ]
                #expect(fits == [false, false, true])
            }
        }
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"[1,"\n\n"]"#)
    }

    @Test(arguments: [4, UInt64.random(in: 0...UInt64.max)])
    func `base64 is that of others in both directions`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for count in Array(0...40) + [1000, 1001, 1002] {
            let data = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            var writer = JSONWriter()
            data.withUnsafeBytes { writer.base64($0) }
            let text = Array(writer.bytes.dropFirst().dropLast())
            #expect(String(decoding: text, as: UTF8.self) == Data(data).base64EncodedString())
            #expect(text.withUnsafeBytes { Base64.decode($0) } == data)
        }
    }

    @Test(arguments: ["A", "AA", "AAA", "AA=A", "A===", "====", "AB==", "AAB=", "AA A", "AA-_", "AAAA=AAA", "é=="])
    func `what is not base64 is refused`(text: String) {
        #expect(Array(text.utf8).withUnsafeBytes { Base64.decode($0) } == nil)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"), (951_782_399_999_999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400_000_001_000, "2000-02-29T00:00:00.000001Z"),
            (951_868_800_000_000_000, "2000-03-01T00:00:00.000000Z"),
            (1_735_689_599_123_456_789, "2024-12-31T23:59:59.123456Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000Z"),
            (UInt64.max, "2554-07-21T23:34:33.709551Z"),
        ] as [(UInt64, String)])
    func `a moment is written in the calendar`(nanoseconds: UInt64, text: String) {
        #expect(Timestamp(nanoseconds: nanoseconds).description == text)
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
private struct SeededGenerator: RandomNumberGenerator {
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
