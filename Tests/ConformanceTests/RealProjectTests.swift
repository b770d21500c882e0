import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// The tests of somebody else's project, in a sandbox and outside: the same command, the same result.
@Suite(.triesClasses, .requires(.docutils)) struct RealProjectTests {
    /// What the project's own test runner says at its end.
    private struct Verdict: Equatable {
        /// "Ran 1636 tests", without the time they took.
        var ran: Substring?
        /// "OK (skipped=6)".
        var outcome: Substring?

        init(_ text: String) {
            let lines = text.split(separator: "\n")
            ran = lines.last { $0.hasPrefix("Ran ") }?.split(separator: " in ").first
            outcome = lines.last { $0.hasPrefix("OK") || $0.hasPrefix("FAILED") }
        }
    }

    /// A copy of its own to run in, as the tests write files beside themselves.
    private static func unpacked(_ bench: Workbench) async throws -> (tree: String, words: [String], archive: [UInt8]) {
        let fetch = bench.plainRequest("/bin/bash", ["bash", Workbench.repository + "/scripts/fetch-python-project"])
        let fetched = try await bench.run(fetch)
        try #require(fetched.code == 0, "\(fetched.errors)")
        let said = fetched.output.split(separator: "\n").suffix(2).map { $0.split(separator: " ").dropFirst() }
        let (source, words) = (said[0].joined(separator: " "), said[1].map(String.init))
        let archive = try await bench.run(bench.plainRequest("/bin/gzip", ["gzip", "-dc", source + ".tar.gz"])).bytes
        let place = bench.directory + "/outside"
        try Files.makeDirectory(place)
        let tar = ["tar", "-x", "--no-same-owner", "-C", place]
        try #require(try await bench.run(bench.plainRequest("/bin/tar", tar), input: archive).code == 0)
        return (try #require(Files.list(place).first), words, archive)
    }

    @Test(arguments: SandboxClass.tried)
    func `a real project's tests give the same result inside as outside`(sandboxClass: SandboxClass) async throws {
        try await Trial.with(sandboxClass) { trial in
            let (tree, words, archive) = try await Self.unpacked(trial.bench)
            let chunk = AsyncThrowingStream<[UInt8], any Error> {
                $0.yield(archive)
                $0.finish()
            }
            try await trial.sandbox.files.unpack(chunk, to: "/workspace")
            let command = Command(words, directory: "/workspace/\(tree)")
            async let inside = trial.sandbox.run(command)

            var request = trial.bench.plainRequest(words[0], words)
            request.directory = "\(trial.bench.directory)/outside/\(tree)"
            let outside = try await trial.bench.run(request)
            let expected = Verdict(outside.output + outside.errors)
            let output = try await inside
            let found = Verdict(output.text + String(decoding: output.standardError, as: UTF8.self))
            #expect(output.result.shellCode == outside.code)
            #expect(found == expected)
            #expect(found.outcome?.hasPrefix("OK") == true)
            let count = found.ran?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            #expect((count ?? 0) > 1000)
        }
    }
}

extension Workbench {
    /// A program of the host with the environment that a command in a sandbox has.
    fileprivate func plainRequest(_ path: String, _ arguments: [String]) -> SpawnRequest {
        let variables = [
            "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/root", "USER=root", "LOGNAME=root",
        ]
        return SpawnRequest(path, arguments, environment: variables)
    }
}
