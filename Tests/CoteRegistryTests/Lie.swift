import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWorker
import Testing

/// Something that a registry does wrong, and what must come of it.
struct Lie: Sendable, CustomTestStringConvertible {
    typealias Answer = @Sendable (FakeServer.Request, Connection) -> Void

    var name: String
    var refusal: RegistryRefusal
    /// The most requests that the worker may make.
    var most: Int
    var change: @Sendable (inout RegistryRequest.Options) -> Void
    /// Called for each server, with a count of this server's requests so far.
    var answer: Answer

    var testDescription: String { name }

    init(
        _ name: String, _ refusal: RegistryRefusal, most: Int = 1,
        change: @escaping @Sendable (inout RegistryRequest.Options) -> Void = { _ in }, _ answer: @escaping Answer
    ) {
        self.name = name
        self.refusal = refusal
        self.most = most
        self.change = change
        self.answer = answer
    }

    /// Runs out of patience soon.
    static func hasty(_ options: inout RegistryRequest.Options) { options.idleSeconds = 1 }

    static let secret = RegistryRequest.Credentials.password(user: "SECRET-USER", password: "SECRET-WORD")

    /// No lie may hold the worker longer: two tries of one or two seconds, the pause between, and a busy machine.
    private static let bound = Duration.seconds(60)

    /// Lets a worker meet this lie, and expects what must come of it.
    func meet(_ work: RegistryRequest.Work, _ content: [UInt8] = []) async throws {
        try await Scene.with { scene in
            let server = try FakeServer(scene, answer)
            let start = ContinuousClock.now
            let request = RegistryRequest.test(server.host, work, credentials: Self.secret, change: change)
            let outcome = try await Errand.run(scene, request, [try scene.file("file", content)])
            #expect(outcome.refusal == refusal, "\(outcome.events.last.map { "\($0)" } ?? "\(outcome)")")
            #expect(outcome.status == .exited(0))
            #expect(outcome.message.hasPrefix("\(server.host)/team/app"))
            #expect(!outcome.message.contains("\n") && outcome.message.utf8.count < 500)
            #expect(server.requests.count <= most, "\(server.requests.map(\.target))")
            #expect(ContinuousClock.now - start < Self.bound)
            #expect(!(outcome.text + outcome.log).contains("SECRET"))
            #expect(outcome.log.isEmpty)
        }
    }
}
