import CoteSystem
import CoteWire
import Glibc
import Testing

@testable import CoteGuest

/// A directory of a test's own, removed with it.
final class Scratch {
    let path: String

    init() throws {
        path = "/tmp/cote-guest-" + String(UInt64.random(in: .min ... .max), radix: 36)
        try Files.makeDirectory(path)
    }

    deinit { _ = try? shell("chmod -R u+rwx . ; cd / ; rm -rf \(path)") }

    /// Runs a script in the directory and returns what it printed. Fails the test when the script does.
    @discardableResult
    func shell(_ script: String) throws -> String {
        let environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"]
        var request = SpawnRequest("/bin/bash", ["bash", "-euc", script], environment: environment)
        let null = try Descriptor.open("/dev/null", O_RDWR)
        var pipe = try Descriptor.pipe()
        let reader = pipe.takeFirst()
        let writer = SharedDescriptor(pipe.takeSecond())
        request.descriptors = [null.raw, writer.descriptor.raw, writer.descriptor.raw]
        request.directory = path
        let child = try withExtendedLifetime(consume writer) { try request.run() }
        let output = String(decoding: try reader.readAll(limit: 1 << 26), as: UTF8.self)
        #expect(try child.wait() == .exited(0), "\(script): \(output)")
        return output
    }

    /// Does a verb with files of the directory as input and output.
    @discardableResult
    func files(
        _ verb: FileTransfer.Verb, _ name: String, mode: UInt32 = 0o644, input: String? = nil, output: String? = nil
    ) throws -> [String] {
        let inside = { (name: String?) in name.map { self.path + "/" + $0 } ?? "/dev/null" }
        var notes: [String] = []
        try FileVerbs.perform(
            FileTransfer(verb, path: name.hasPrefix("/") ? name : inside(name), mode: mode),
            input: try Descriptor.open(inside(input), O_RDONLY),
            output: try Descriptor.open(inside(output), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644),
            note: { notes.append($0) })
        return notes
    }

    /// What the verb says when it fails.
    func failure(
        _ verb: FileTransfer.Verb, _ name: String, input: String? = nil, output: String? = nil
    ) -> FileFailure? {
        do { try files(verb, name, input: input, output: output) } catch { return error as? FileFailure }
        return nil
    }

    /// Everything there is to know of a tree: names, kinds, modes, sizes, times, targets, links and content.
    func description(of name: String) throws -> String {
        try shell(
            """
            cd \(name)
            find . -printf '%P|%y|%m|%T@|%l|%n\n' | sort
            find . -type f -print0 | sort -z | xargs -0r sha256sum
            """)
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Files.create(path + "/" + name, mode: 0o644, bytes)
    }
}
