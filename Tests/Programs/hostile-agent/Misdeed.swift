import CoteModel
import CoteWire
import Glibc

/// What a hostile agent does.
enum Misdeed: String {
    // Instead of hello.
    case noise, zeros
    case endlessLength = "endless-length"
    case otherMagic = "other-magic"
    case laterVersion = "later-version"
    case largeHello = "large-hello"
    case outputFirst = "output-first"
    case helloAsState = "hello-as-state"
    case silence, leaving

    // After hello, before anybody has asked for anything.
    case helloTwice = "hello-twice"
    case unknownKind = "unknown-kind"
    case unknownStream = "unknown-stream"
    case bootRequest = "boot-request"
    case stopRequest = "stop-request"
    case stateReport = "state-report"
    case noiseAfterHello = "noise-after-hello"

    // In answer to a command.
    case openedTwice = "opened-twice"
    case openedWithWords = "opened-with-words"
    case exitTwice = "exit-twice"
    case exitBeyondCodes = "exit-beyond-codes"
    case exitHalf = "exit-half"
    case closedEarly = "closed-early"
    case closedWithWords = "closed-with-words"
    case outputBeforeOpened = "output-before-opened"
    case exitBeforeOpened = "exit-before-opened"
    case inputBack = "input-back"
    case outputBeyondCredit = "output-beyond-credit"
    case largeOutput = "large-output"
    case refusedLate = "refused-late"
    case refusedWithoutReason = "refused-without-reason"
    case creditOfNothing = "credit-of-nothing"
    case creditBeyondWindow = "credit-beyond-window"
    case outputOfAnother = "output-of-another"
    case openBack = "open-back"
    case halfFrame = "half-frame"
    case hangUp = "hang-up"
    case silentOnCommand = "silent-on-command"

    /// Speaks to the keeper until it has had enough.
    func commit() {
        let channel = Channel()
        switch self {
        case .noise: channel.send(raw: Self.noiseBytes)
        case .zeros: channel.send(raw: Array(repeating: 0, count: 4096))
        case .endlessLength: channel.send(raw: [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1])
        case .otherMagic: channel.send(.hello, Array(repeating: 0x41, count: 20))
        case .laterVersion: channel.send(.hello, Hello(versions: 900...901).payload)
        case .largeHello: channel.send(.hello, Array(repeating: 0x41, count: 8192))
        case .outputFirst: channel.send(.output, stream: 1, [0x41])
        case .helloAsState: channel.send(.state, Hello().payload)
        case .silence: break
        case .leaving: return
        default:
            channel.send(.hello, Hello(build: "hostile", capabilities: ["exec"]).payload)
            greeted(channel)
        }
        channel.drain()
    }

    private func greeted(_ channel: Channel) {
        switch self {
        case .helloTwice: channel.send(.hello, Hello().payload)
        case .unknownKind: channel.send(raw: [0, 0, 0, 0, 0, 0, 0, 0, 250])
        case .unknownStream: channel.send(.output, stream: 4_000_000, [0x41])
        case .bootRequest: channel.send(.boot)
        case .stopRequest: channel.send(.stop, [0, 0, 0, 0])
        case .stateReport: channel.send(.state, StateReport(.stopped).payload)
        case .noiseAfterHello: channel.send(raw: Self.noiseBytes)
        default: asked(channel, channel.awaitCommand())
        }
    }

    private func asked(_ channel: Channel, _ stream: UInt32) {
        switch self {
        case .openedWithWords: channel.send(.opened, stream: stream, [1, 2, 3])
        case .refusedWithoutReason: channel.send(.refused, stream: stream)
        case .outputOfAnother: channel.send(.output, stream: stream + 1, [0x41])
        case .openBack: channel.send(.open, stream: stream, OpenRequest.command(Command(["id"])).payload)
        case .closedEarly: channel.send(.closed, stream: stream)
        case .outputBeforeOpened: channel.send(.output, stream: stream, [0x41])
        case .exitBeforeOpened: channel.send(.exit, stream: stream, Exit(CommandResult(exitCode: 0)).payload)
        case .hangUp: shutdown(Channel.descriptor, CInt(SHUT_RDWR))
        case .silentOnCommand: break
        case .halfFrame: channel.send(raw: [200, 0, 0, 0, 1, 0, 0, 0, 7, 0x41])
        default:
            channel.send(.opened, stream: stream)
            opened(channel, stream)
        }
    }

    private func opened(_ channel: Channel, _ stream: UInt32) {
        let exit = Exit(CommandResult(exitCode: 0)).payload
        switch self {
        case .openedTwice: channel.send(.opened, stream: stream)
        case .exitTwice:
            channel.send(.exit, stream: stream, exit)
            channel.send(.exit, stream: stream, exit)
        case .closedWithWords:
            channel.send(.exit, stream: stream, exit)
            channel.send(.closed, stream: stream, [1, 2, 3])
        case .inputBack: channel.send(.input, stream: stream, [0x41])
        case .exitBeyondCodes: channel.send(.exit, stream: stream, Exit(CommandResult(exitCode: 70_000)).payload)
        case .exitHalf: channel.send(.exit, stream: stream, Array(exit.prefix(5)))
        case .outputBeyondCredit:
            for _ in 0..<64 { channel.send(.output, stream: stream, Array(repeating: 0x41, count: 64 << 10)) }
        case .largeOutput: channel.send(.output, stream: stream, Array(repeating: 0x41, count: (64 << 10) + 1))
        case .refusedLate: channel.send(.refused, stream: stream, Refusal(.commandNotFound, "no").payload)
        case .creditOfNothing: channel.send(.credit, stream: stream, [0, 0, 0, 0])
        case .creditBeyondWindow: channel.send(.credit, stream: stream, Credit.payload(1))
        default: break
        }
    }

    private static let noiseBytes = (0..<4096).map { _ in UInt8.random(in: 0...255) }
}
