import CoteModel
import CoteWire
import Testing

/// A payload that a hostile peer may send, and who must refuse it.
struct Malformed: Sendable, CustomTestStringConvertible {
    let parser: Parser
    let what: String
    let payload: [UInt8]

    var testDescription: String { "\(parser.name): \(what)" }

    init(_ parser: Parser, _ what: String, _ build: (inout PayloadWriter) -> Void) {
        self.parser = parser
        self.what = what
        var writer = PayloadWriter()
        build(&writer)
        payload = writer.bytes
    }
}

extension PayloadWriter {
    fileprivate mutating func putRaw(_ bytes: [UInt8]) {
        put(UInt32(bytes.count))
        for byte in bytes { put(byte) }
    }

    fileprivate mutating func putHello(oldest: UInt16 = 1, newest: UInt16 = 1) {
        put(UInt32(0x4554_4f43))
        put(oldest)
        put(newest)
    }

    /// A command's payload after its arguments and environment.
    fileprivate mutating func putCommandEnd(flags: [UInt8] = [0, 0, 0, 0, 0, 0, 0]) { for flag in flags { put(flag) } }

    fileprivate mutating func putCommand(_ arguments: [String] = ["true"], environment: [String] = []) {
        put(UInt8(1))
        put(arguments)
        put(environment)
    }

    fileprivate mutating func putExit(_ code: Int32, signal: Int32? = nil, flags: [UInt8] = [0, 0, 0]) {
        put(code)
        put(signal) { $0.put($1) }
        for flag in flags { put(flag) }
        put(UInt64(5))
    }
}

@Suite struct MalformedTests {
    static let hellos = [
        Malformed(.hello, "nothing") { _ in },
        Malformed(.hello, "another protocol") {
            $0.put(UInt32(0x2e31_4853))
            $0.put(UInt16(1))
            $0.put(UInt16(1))
            $0.put("")
            $0.put([String]())
        },
        Malformed(.hello, "versions the wrong way round") {
            $0.putHello(oldest: 2, newest: 1)
            $0.put("")
            $0.put([String]())
        },
        Malformed(.hello, "a list of four thousand million") {
            $0.putHello()
            $0.put("")
            $0.put(UInt32.max)
        },
        Malformed(.hello, "one more in the list than there are") {
            $0.putHello()
            $0.put("")
            $0.put(UInt32(2))
            $0.put("one")
        },
    ]

    /// Text that no reader takes; put where the build of a hello is.
    static let texts = [
        ("longer than the payload", [0xff, 0xff, 0xff, 0xff, 0x61]),
        ("one byte longer than the payload", [5, 0, 0, 0, 0x61]),
        ("with a NUL", [3, 0, 0, 0, 0x61, 0, 0x61, 0, 0, 0, 0]),
        ("half a character", [1, 0, 0, 0, 0xc3, 0, 0, 0, 0]),
        ("a slash spelt in two bytes", [2, 0, 0, 0, 0xc0, 0xaf, 0, 0, 0, 0]),
        ("a surrogate", [3, 0, 0, 0, 0xed, 0xa0, 0x80, 0, 0, 0, 0]),
        ("beyond the last character", [4, 0, 0, 0, 0xf4, 0x90, 0x80, 0x80, 0, 0, 0, 0]),
    ].map { (what: String, bytes: [UInt8]) in
        Malformed(.hello, "text " + what) {
            $0.putHello()
            for byte in bytes { $0.put(byte) }
        }
    }

    static let requests = [
        Malformed(.open, "nothing") { _ in },
        Malformed(.open, "neither command nor transfer") { $0.put(UInt8(0)) },
        Malformed(.open, "a third form") {
            $0.put(UInt8(3))
            $0.put(UInt8(1))
            $0.put("/x")
            $0.put(UInt32(0))
        },
        Malformed(.open, "no arguments") {
            $0.putCommand([])
            $0.putCommandEnd()
        },
        Malformed(.open, "a key without a value") {
            $0.putCommand(environment: ["A", "1", "B"])
            $0.putCommandEnd()
        },
        Malformed(.open, "an empty key") {
            $0.putCommand(environment: ["", "1"])
            $0.putCommandEnd()
        },
        Malformed(.open, "a key with an equals sign") {
            $0.putCommand(environment: ["A=B", "1"])
            $0.putCommandEnd()
        },
        Malformed(.open, "a flag that is neither yes nor no") {
            $0.putCommand()
            $0.putCommandEnd(flags: [0, 0, 0, 0, 2, 0, 0])
        },
        Malformed(.open, "an option that is neither there nor not") {
            $0.putCommand()
            $0.putCommandEnd(flags: [0, 0, 0, 0, 0, 0x80, 0])
        },
        Malformed(.open, "an unknown limit") {
            $0.putCommand()
            $0.putCommandEnd(flags: [0, 0, 0, 0, 0, 0, 1])
            $0.put("speed")
            $0.put(UInt64(1))
        },
        Malformed(.open, "a limit given twice") {
            $0.putCommand()
            $0.putCommandEnd(flags: [0, 0, 0, 0, 0, 0, 2])
            for value in [UInt64(1), 2] {
                $0.put("core")
                $0.put(value)
            }
        },
        Malformed(.open, "a NUL in an argument") {
            $0.put(UInt8(1))
            $0.put(UInt32(1))
            $0.putRaw([0x61, 0, 0x62])
            $0.put([String]())
            $0.putCommandEnd()
        },
    ]

    static let transfers = ([0, 7, 255] as [UInt8]).map { verb in
        Malformed(.open, "transfer verb \(verb)") {
            $0.put(UInt8(2))
            $0.put(verb)
            $0.put("/x")
            $0.put(UInt32(0o644))
        }
    }

    static let reports = [
        Malformed(.refusal, "an unknown code") {
            $0.put("no-such-code")
            $0.put("")
        },
        Malformed(.refusal, "no message") { $0.put("usage") },
        Malformed(.exit, "code 256") { $0.putExit(256) },
        Malformed(.exit, "code -1") { $0.putExit(-1) },
        Malformed(.exit, "the least code there is") { $0.putExit(.min) },
        Malformed(.exit, "signal 0") { $0.putExit(0, signal: 0) },
        Malformed(.exit, "signal 65") { $0.putExit(0, signal: 65) },
        Malformed(.exit, "signal -9") { $0.putExit(0, signal: -9) },
        Malformed(.exit, "a flag of 255") { $0.putExit(0, flags: [0, 255, 0]) },
        Malformed(.state, "an unknown phase") {
            $0.put("asleep")
            $0.put(false)
            $0.put("")
        },
        Malformed(.state, "an unknown reason") {
            $0.put("died")
            $0.put(true)
            $0.put("boredom")
            $0.put("")
        },
        Malformed(.credit, "nothing") { _ in },
        Malformed(.credit, "zero") { $0.put(UInt32(0)) },
        Malformed(.credit, "more than a window") { $0.put(UInt32(Credit.window + 1)) },
        Malformed(.credit, "the most a number holds") { $0.put(UInt32.max) },
    ]

    @Test(arguments: hellos + texts + requests + transfers + reports)
    func `a malformed payload is refused`(malformed: Malformed) {
        #expect(throws: WireViolation.self) { try malformed.parser.rewrite(malformed.payload) }
    }

    @Test func `the builders of the table build what is refused for its own reason alone`() throws {
        for (parser, build) in [
            (
                .hello,
                {
                    $0.putHello(); $0.put(""); $0.put([String]())
                }
            ),
            (
                .open,
                {
                    $0.putCommand(environment: ["A", "1"]); $0.putCommandEnd()
                }
            ),
            (.exit, { $0.putExit(255, signal: 64) }),
        ] as [(Parser, (inout PayloadWriter) -> Void)] {
            let sound = Malformed(parser, "sound", build)
            #expect(try parser.rewrite(sound.payload) == sound.payload)
        }
    }

    @Test func `what is said of a violation holds nothing that its sender chose to write`() {
        let violations: [WireViolation] = [
            .unknownKind(200), .tooLarge(.output, 1 << 30), .malformed("hello"), .unexpected("open"),
        ]
        #expect(
            violations.map(\.summary) == [
                "unknown frame kind 200", "output frame of 1073741824 bytes", "malformed hello", "unexpected open",
            ])
    }
}
