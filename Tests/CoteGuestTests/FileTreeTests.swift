import CoteArchive
import CoteModel
import CoteSystem
import CoteWire
import Glibc
import Testing

@testable import CoteGuest

/// What must hold while somebody else changes the files.
@Suite struct FileTreeTests {
    private func tree(_ scratch: Scratch, _ name: String) throws -> FileTree {
        FileTree(try Descriptor.open(scratch.path + "/" + name, O_RDONLY | O_DIRECTORY), FilePath(""))
    }

    @Test func `a tree is not entered through a symbolic link`() throws {
        let scratch = try Scratch()
        try scratch.shell("mkdir tree other; ln -s ../other tree/link")
        var tree = try tree(scratch, "tree")
        #expect(throws: FileFailure.self) { try tree.descend(into: FilePath("link")) }
        #expect(tree.path == FilePath(""))
    }

    @Test func `the way up ends where the directory was moved elsewhere`() throws {
        let scratch = try Scratch()
        try scratch.shell("mkdir -p tree/a/b other")
        var tree = try tree(scratch, "tree")
        try tree.descend(into: FilePath("a"))
        try tree.descend(into: FilePath("b"))
        try scratch.shell("mv tree/a/b other")
        do {
            try tree.ascend()
            Issue.record("went up into another directory")
        } catch { #expect(error.message == "a: was moved meanwhile") }
    }

    @Test func `a file that becomes shorter ends the packing`() throws {
        let scratch = try Scratch()
        try scratch.shell("echo four > file")
        var output = ArchiveOutput(try Descriptor.open("/dev/null", O_WRONLY))
        let file = try Descriptor.open(scratch.path + "/file", O_RDONLY)
        do {
            try output.copy(file, count: 6, FilePath("file"))
            Issue.record("made up bytes")
        } catch { #expect(error.message == "file: became shorter while it was read") }
    }

    @Test func `a write that fails leaves nothing behind`() throws {
        let scratch = try Scratch()
        try scratch.shell("mkdir directory; echo old > file")
        #expect(scratch.failure(.write, "file", input: "directory")?.code == .fileOperationFailed)
        #expect(try scratch.shell("ls -A; cat file") == "directory\nfile\nold\n")
    }

    @Test func `unpacking takes names away from links instead of writing through them`() throws {
        let scratch = try Scratch()
        let members: [HostileArchiveTests.Member] = [
            .file("outward", "new\n"), .file("shared", "new\n"), .link("l", "kept"), .file("kept", "old\n"),
            .file("l", "new\n"), .hard("h", "kept"), .file("h", "new\n"),
        ]
        try scratch.write(members.flatMap(\.bytes) + [UInt8](repeating: 0, count: 1_024), to: "archive.tar")
        try scratch.shell("mkdir out; echo old > victim; ln victim out/shared; ln -s ../victim out/outward")
        try scratch.files(.unpack, "out", input: "archive.tar")
        #expect(try scratch.shell("cat victim out/kept") == "old\nold\n")
        #expect(try scratch.shell("cat out/outward out/shared out/l out/h") == "new\nnew\nnew\nnew\n")
    }
}
