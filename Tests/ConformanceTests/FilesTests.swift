import CoteEngine
import CoteModel
import CoteTestSupport
import Testing

@Suite(.requires(.root, .crun)) struct FilesTests {
    @Test func `files go in and come out as they were`() async throws {
        try await Workbench.withEngine { engine in
            let sandbox = try await engine.create(SandboxRequest(environment: Workbench.environment))
            var content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            try await sandbox.files.write("/workspace/big", content, mode: 0o640)
            #expect(try await sandbox.files.read("/workspace/big") == content)
            content = Array("short".utf8)
            try await sandbox.files.write("/workspace/big", content)
            #expect(try await sandbox.files.read("/workspace/big") == content)
            let entries = try await sandbox.files.list("/workspace")
            #expect(entries.map(\.name) == ["big"])
            #expect(entries.first?.size == 5)
            try await sandbox.files.remove("/workspace/big")
            #expect(try await sandbox.files.list("/workspace").isEmpty)
        }
    }

    @Test func `a tree that is packed in one sandbox unpacks in another`() async throws {
        try await Workbench.withEngine { engine in
            let from = try await engine.create(SandboxRequest(environment: Workbench.environment))
            let into = try await engine.create(SandboxRequest(environment: Workbench.environment))
            let make = "mkdir -p t/a/b; echo one > t/a/x; ln -s x t/a/l; printf 'na\\303\\257ve' > t/a/b/'odd name'"
            _ = try await from.run(Command(["sh", "-c", make]))
            var pieces: [[UInt8]] = []
            try await from.files.pack("/workspace/t") { pieces.append(Array($0)) }
            let stream = AsyncThrowingStream<[UInt8], any Error> { continuation in
                for piece in pieces { continuation.yield(piece) }
                continuation.finish()
            }
            try await into.files.unpack(stream, to: "/workspace/copy")
            let look = "find . | LC_ALL=C sort; cat a/x a/b/*; readlink a/l"
            let before = try await from.run(Command(["sh", "-c", look], directory: "/workspace/t"))
            let after = try await into.run(Command(["sh", "-c", look], directory: "/workspace/copy"))
            #expect(before.text == after.text)
            #expect(after.text.contains("naïve"))
        }
    }

    @Test func `what cannot be done says which file and why`() async throws {
        try await Workbench.withEngine { engine in
            let sandbox = try await engine.create(SandboxRequest(environment: Workbench.environment))
            func code(_ body: () async throws -> Void) async throws -> ErrorCode? {
                do { try await body() } catch let error as CoteError { return error.code }
                return nil
            }
            #expect(try await code { _ = try await sandbox.files.read("/workspace/none") } == .noSuchFile)
            #expect(try await code { _ = try await sandbox.files.read("/usr") } == .fileOperationFailed)
            #expect(try await code { try await sandbox.files.write("/usr/x", []) } == .fileOperationFailed)
            #expect(try await code { _ = try await sandbox.files.read("relative") } == .usage)
            #expect(
                try await code { _ = try await sandbox.files.read("/usr/bin/python3", limit: 10) } == .requestTooLarge)
        }
    }
}
