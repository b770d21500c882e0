import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWire
import Glibc
import Testing

extension FaultTests {
    /// Programs of the sandbox's owner that speak to its keeper as no client should.
    @Suite struct HostileClientTests {
        /// A connection and what is written to it.
        struct Attack: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let bytes: [UInt8]

            init(_ name: String, _ bytes: [UInt8]) {
                testDescription = name
                self.bytes = bytes
            }

            init(_ name: String, _ frames: Frame..., tail: [UInt8] = []) { self.init(name, frames, tail: tail) }

            init(_ name: String, _ frames: [Frame], tail: [UInt8] = []) {
                var bytes: [UInt8] = []
                for frame in frames { frame.encode(into: &bytes) }
                self.init(name, bytes + tail)
            }
        }

        private static let hello = Frame(.hello, payload: Hello().payload)
        private static let open = OpenRequest.command(Command(["sleep", "1000"], takesInput: true)).payload
        private static let boot = BootRequest(
            spec: SandboxSpec(
                id: .random(), environment: "host", sandboxClass: .container, limits: Limits(), userBase: 1 << 30,
                isOneShot: false, createdAt: 0),
            sandboxDirectory: "/", journalDirectory: "/", runtimeDirectory: "/", agent: "/", runtime: "/",
            root: .host, volume: .directory("/")
        ).payload
        private static let chunk = [UInt8](repeating: 0x41, count: 64 << 10)

        /// Each of these is the end of its own connection.
        static let refused =
            [
                Attack("text", Array("GET / HTTP/1.1\r\n\r\n".utf8)),
                Attack("a length of 4 GiB", [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1]),
                Attack("a kind that is none", hello, tail: [0, 0, 0, 0, 0, 0, 0, 0, 200]),
                Attack("a request before hello", Frame(.open, stream: 1, payload: open)),
                Attack(
                    "a hello of another protocol",
                    Frame(.hello, payload: [1, 2, 3, 4, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
                Attack("hello twice", hello, hello),
                Attack("a stream that is no stream", hello, Frame(.open, stream: 0, payload: open)),
                Attack(
                    "a stream twice", hello, Frame(.open, stream: 7, payload: open),
                    Frame(.open, stream: 7, payload: open)),
                Attack("a request that does not read", hello, Frame(.open, stream: 1, payload: [9, 9, 9])),
                Attack("an answer", hello, Frame(.exit, stream: 1, payload: [])),
                Attack("a boot request that does not read", hello, Frame(.boot, payload: [1])),
                Attack("another boot request", hello, Frame(.boot, payload: boot)),
                Attack("a hello that is none", Frame(.boot, payload: Hello().payload)),
                Attack("a hello of later versions alone", Frame(.hello, payload: Hello(versions: 900...901).payload)),
                Attack("input before hello", Frame(.input, stream: 1, payload: [1])),
                Attack("output", hello, Frame(.output, stream: 1, payload: [1])),
                Attack("a stop that does not read", hello, Frame(.stop, payload: [0, 0])),
                Attack("a stop with more behind it", hello, Frame(.stop, payload: [0, 0, 0, 0, 0])),
            ]
            + Self.malformed.map { kind, payload in
                Attack(
                    "\(kind) of \(payload) for its own command", hello, Frame(.open, stream: 1, payload: open),
                    Frame(kind, stream: 1, payload: payload))
            }

        /// What the agent would end at.
        private static let malformed: [(Frame.Kind, [UInt8])] = [
            (.signal, []), (.signal, [15, 0, 0]), (.signal, [15, 0, 0, 0, 0]), (.resize, [1, 0, 1]),
            (.resize, [1, 0, 1, 0, 1]), (.credit, [1]), (.credit, [0, 0, 0, 0]), (.credit, [1, 0, 0, 0, 0]),
            (.credit, [255, 255, 255, 255]), (.inputEnd, [0]),
        ]

        /// These are odd and harm nobody.
        static let ignored = [
            Attack("nothing", []),
            Attack("half a hello", Array([20, 0, 0, 0, 0])),
            Attack("half a frame", hello, tail: [200, 0, 0, 0, 1, 0, 0, 0, 2, 1]),
            Attack(
                "words about streams that are not", hello, Frame(.input, stream: 9, payload: [1]),
                Frame(.inputEnd, stream: 9), Frame(.credit, stream: 9, payload: [1, 0, 0, 0]),
                Frame(.signal, stream: 9, payload: [9, 0, 0, 0]), Frame(.resize, stream: 9, payload: [1, 0, 1, 0])),
            Attack(
                "input beyond its credit",
                [hello, Frame(.open, stream: 1, payload: open)]
                    + Array(repeating: Frame(.input, stream: 1, payload: chunk), count: 8)),
            Attack(
                "credit beyond the window", hello, Frame(.open, stream: 1, payload: open),
                Frame(.credit, stream: 1, payload: Credit.payload(1))),
            Attack(
                "signals that are none", hello, Frame(.open, stream: 1, payload: open),
                Frame(.signal, stream: 1, payload: [0, 0, 0, 0]), Frame(.signal, stream: 1, payload: [65, 0, 0, 0]),
                Frame(.signal, stream: 1, payload: [255, 255, 255, 255])),
        ]

        @Test func `a client that breaks the protocol ends its own connection and nothing else`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                let neighbour = try sandbox.start(Command(["cat"], takesInput: true))
                for attack in Self.refused {
                    let socket = try Self.connect(scene, sandbox.id)
                    try socket.write(all: attack.bytes)
                    let isClosed = Self.isClosed(socket)
                    #expect(isClosed, "\(attack.testDescription)")
                    #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                }
                var idle: [SharedDescriptor] = []
                for attack in Self.ignored {
                    let socket = try Self.connect(scene, sandbox.id)
                    try socket.write(all: attack.bytes)
                    idle.append(SharedDescriptor(socket))
                    #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                }
                await neighbour.write(Array("still here\n".utf8))
                neighbour.closeInput()
                #expect(await neighbour.nextOutput()?.bytes == Array("still here\n".utf8))
                #expect(try await neighbour.wait().exitCode == 0)
                _ = idle
                try await sandbox.remove()
            }
        }

        @Test func `random bytes end their own connection and nothing else`() async throws {
            var random = SeededRandom(seed: Fuzzing.seed)
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                for round in 0..<200 {
                    let socket = try Self.connect(scene, sandbox.id)
                    var bytes: [UInt8] = []
                    if random.flag() { Self.hello.encode(into: &bytes) }
                    bytes += random.bytes(random.below(4096))
                    // The keeper may have closed before all of it has been written.
                    try? socket.write(all: bytes)
                    if round.isMultiple(of: 20) {
                        #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                    }
                }
                try await sandbox.remove()
            }
        }

        @Test func `a client that asks without end and never reads costs bounded memory`() async throws {
            try await Scene.with { scene in
                let sandbox = try await scene.engine.create(SandboxRequest())
                guard let keeper = Victim.keeper(of: sandbox.id, scene.engine) else {
                    throw Unmet(description: "no keeper")
                }
                let before = ProcessTable.peak(keeper.pid)
                let socket = try Self.connect(scene, sandbox.id)
                var bytes: [UInt8] = []
                Self.hello.encode(into: &bytes)
                try socket.write(all: bytes)
                try socket.setNonblocking()
                let nonsense = OpenRequest.command(Command([String(repeating: "x", count: 900)])).payload
                var stream: UInt32 = 1
                let end = SystemClock.monotonic() + 5_000_000_000
                var served = 0
                while SystemClock.monotonic() < end {
                    for _ in 0..<64 {
                        bytes = []
                        Frame(.open, stream: stream, payload: nonsense).encode(into: &bytes)
                        stream += 1
                        guard Self.isTaken(socket, bytes) else { break }
                    }
                    let begin = SystemClock.monotonic()
                    #expect(try await sandbox.run(Command(["echo", "served"])).text == "served\n")
                    #expect(SystemClock.monotonic() - begin < 5_000_000_000)
                    served += 1
                }
                print(
                    "\(stream) requests, \(served) neighbours, peak \(before) → \(ProcessTable.peak(keeper.pid)) KiB"
                )
                #expect(served > 10 && ProcessTable.peak(keeper.pid) - before < 6 << 10)
                try await sandbox.remove()
            }
        }

        // MARK: Connections

        private static func connect(_ scene: Scene, _ id: SandboxID) throws -> Descriptor {
            try Sockets.connect(in: "\(scene.bench.runtime)/\(id)", name: "keeper.sock")
        }

        /// Reads what there is until the other side ends, for a few seconds at most.
        private static func isClosed(_ socket: borrowing Descriptor) -> Bool {
            var chunk = [UInt8](repeating: 0, count: 4096)
            var entry = pollfd(fd: socket.raw, events: Int16(POLLIN), revents: 0)
            while poll(&entry, 1, 5000) == 1 {
                if read(socket.raw, &chunk, chunk.count) <= 0 { return true }
            }
            return false
        }

        /// Writes a whole frame, waiting a moment for room in its middle; false when there is none at its beginning.
        private static func isTaken(_ socket: borrowing Descriptor, _ bytes: [UInt8]) -> Bool {
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes { write(socket.raw, $0.baseAddress, $0.count) }
                if count > 0 { sent += count } else if sent == 0 || errno != EAGAIN { return false }
                if sent < bytes.count {
                    var entry = pollfd(fd: socket.raw, events: Int16(POLLOUT), revents: 0)
                    guard poll(&entry, 1, 1000) == 1 else { return false }
                }
            }
            return true
        }
    }
}
