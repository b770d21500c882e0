import CoteModel
import CoteTestSupport
import CoteWire
import Testing

/// Random values of every message, valid by construction.
extension SeededRandom {
    mutating func command() -> Command {
        var command = Command((0..<1 + below(4)).map { _ in text(upTo: 12) })
        for _ in 0..<below(4) { command.environment["K\(below(1000))"] = text(upTo: 12) }
        command.directory = maybe { "/" + $0.text(upTo: 8) }
        command.user = maybe { $0.text(upTo: 8) }
        command.timeout = maybe { TimeSpan(milliseconds: $0.next()) }
        command.terminal = maybe {
            TerminalSize(rows: UInt16(truncatingIfNeeded: $0.next()), columns: UInt16(truncatingIfNeeded: $0.next()))
        }
        command.takesInput = flag()
        command.fileModeMask = maybe { UInt32($0.below(0o1000)) }
        for _ in 0..<below(3) { command.resourceLimits[pick(CommandLimit.allCases)] = next() }
        return command
    }

    mutating func transfer() -> FileTransfer {
        FileTransfer(pick(FileTransfer.Verb.allCases), path: "/" + text(upTo: 20), mode: UInt32(below(0o10000)))
    }

    mutating func openRequest() -> OpenRequest { flag() ? .command(command()) : .transfer(transfer()) }

    mutating func boot() -> BootRequest {
        let limits = Limits(
            milliCPUs: maybe { UInt32($0.below(64_000)) }, memory: maybe { ByteCount($0.next()) },
            processes: maybe { UInt32($0.below(10_000)) }, lifetime: maybe { TimeSpan(milliseconds: $0.next()) },
            journal: ByteCount(next()))
        let spec = SandboxSpec(
            id: .random(), name: maybe { SandboxName("n\($0.below(1000))") } ?? nil, environment: text(upTo: 8),
            image: maybe { $0.image() }, sandboxClass: .container, limits: limits, userBase: UInt32(below(1 << 31)),
            isOneShot: flag(),
            showsOpt: flag(), createdAt: next())
        return BootRequest(
            spec: spec, sandboxDirectory: "/" + text(upTo: 9), journalDirectory: "/" + text(upTo: 9),
            runtimeDirectory: "/" + text(upTo: 9), agent: "/" + text(upTo: 9), runtime: "/" + text(upTo: 9),
            root: root(), volume: volume())
    }

    private mutating func image() -> SandboxImage {
        let bytes = (0..<32).map { _ in UInt8(below(256)) }
        // INVARIANT: 32 bytes are a digest.
        guard let digest = Digest(bytes: bytes) else { preconditionFailure("not 32 bytes") }
        return SandboxImage(digest: digest, volumes: (0..<below(4)).map { _ in "/" + text(upTo: 8) })
    }

    private mutating func root() -> RootSource {
        switch below(3) {
        case 0: .host
        case 1: .device("/" + text(upTo: 9))
        default: .directory("/" + text(upTo: 9), userBase: UInt32(below(1 << 31)))
        }
    }

    private mutating func volume() -> VolumeSource {
        flag()
            ? .directory("/" + text(upTo: 9))
            : .device(path: "/" + text(upTo: 9), type: text(upTo: 9), options: text(upTo: 9))
    }

    mutating func hello() -> Hello {
        Hello(build: text(upTo: 16), capabilities: (0..<below(4)).map { _ in text(upTo: 8) })
    }

    mutating func refusal() -> Refusal { Refusal(pick(ErrorCode.allCases), text(upTo: 40)) }

    mutating func exit() -> Exit {
        var result = CommandResult(exitCode: Int32(below(256)))
        result.signal = maybe { Int32(1 + $0.below(64)) }
        result.timedOut = flag()
        result.outOfMemory = flag()
        result.outputLimit = flag()
        result.duration = TimeSpan(milliseconds: next())
        return Exit(result)
    }

    mutating func stateReport() -> StateReport {
        StateReport(
            pick(SandboxPhase.allCases), reason: maybe { $0.pick(DeathReason.allCases) }, detail: text(upTo: 40))
    }

    /// A frame of `kind` with the payload that the kind carries, as far as this module gives it a form.
    mutating func frame(_ kind: Frame.Kind) -> Frame {
        let stream = UInt32(truncatingIfNeeded: next())
        let payload =
            switch kind {
            case .hello: hello().payload
            case .open: openRequest().payload
            case .refused: refusal().payload
            case .exit: exit().payload
            case .state: stateReport().payload
            case .credit: Credit.payload(1 + below(Credit.window))
            case .boot: boot().payload
            case .input, .output, .errorOutput: bytes(below(64))
            case .opened, .inputEnd, .signal, .resize, .closed, .stop: bytes(below(Frame.limit(kind) + 1))
            }
        return Frame(kind, stream: stream, payload: payload)
    }
}

/// One payload's reader, seen as bytes: reads, then writes what it understood.
struct Parser: Sendable, CustomTestStringConvertible {
    let name: String
    let kind: Frame.Kind
    let rewrite: @Sendable ([UInt8]) throws(WireViolation) -> [UInt8]

    var testDescription: String { name }

    static let hello = Parser("hello", .hello) { bytes throws(WireViolation) in try Hello(payload: bytes).payload }
    static let open = Parser("open", .open) { bytes throws(WireViolation) in try OpenRequest(payload: bytes).payload }
    static let refusal = Parser("refusal", .refused) { bytes throws(WireViolation) in
        try Refusal(payload: bytes).payload
    }
    static let exit = Parser("exit", .exit) { bytes throws(WireViolation) in try Exit(payload: bytes).payload }
    static let state = Parser("state", .state) { bytes throws(WireViolation) in
        try StateReport(payload: bytes).payload
    }
    static let credit = Parser("credit", .credit) { bytes throws(WireViolation) in
        Credit.payload(try Credit.count(payload: bytes))
    }

    static let all = [hello, open, refusal, exit, state, credit]

    private init(
        _ name: String, _ kind: Frame.Kind, _ rewrite: @escaping @Sendable ([UInt8]) throws(WireViolation) -> [UInt8]
    ) {
        self.name = name
        self.kind = kind
        self.rewrite = rewrite
    }
}
