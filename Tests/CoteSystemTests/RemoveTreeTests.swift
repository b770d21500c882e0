import CoteSystem
import Glibc
import Testing

@Suite struct RemoveTreeTests {
    private static func withDirectory(_ body: (String) throws -> Void) throws {
        let path = "/tmp/cote-remove-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(path)
        defer { try? Files.removeTree(path) }
        try body(path)
    }

    @Test func `a tree that is deeper than any stack or table of descriptors is removed`() throws {
        try Self.withDirectory { path in
            var place = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
            for _ in 0..<12_000 {
                try Files.makeDirectory("d", at: place.raw)
                place = try Descriptor.open("d", O_RDONLY | O_DIRECTORY, at: place.raw)
            }
            try Files.removeTree(path)
            #expect(!Files.exists(path))
        }
    }

    @Test func `a wide tree goes with its files, and names made to be in the way do not stop it`() throws {
        try Self.withDirectory { path in
            for number in 0..<20 {
                let inner = "\(path)/.removed-\(number)"
                try Files.makeDirectories("\(inner)/a/b/.removed-\(19 - number)")
                try Files.makeDirectories("\(inner)/a/.removed-0/c")
                try Files.create("\(inner)/a/b/file", [1])
            }
            try Files.removeTree(path)
            #expect(!Files.exists(path))
        }
    }

    @Test func `names that are not text do not stop it`() throws {
        try Self.withDirectory { path in
            var inner = path + "/tree/inner"
            try Files.makeDirectories(inner)
            inner += "/"
            for byte in [CChar(-1), -128, 0x0a] {
                let name = Array(inner.utf8CString.dropLast()) + [byte, byte, 0]
                #expect(mkdir(name, 0o700) == 0)
                let file = Array(name.dropLast()) + [0x2f, byte, 0]
                #expect(mknod(file, S_IFREG | 0o600, 0) == 0)
            }
            try Files.removeTree(path + "/tree")
            #expect(!Files.exists(path + "/tree"))
        }
    }

    @Test func `what a symbolic link points to stays`() throws {
        try Self.withDirectory { path in
            try Files.makeDirectories(path + "/tree/inner")
            try Files.makeDirectory(path + "/other")
            try Files.create(path + "/other/file", [1])
            symlink(path + "/other", path + "/tree/inner/link")
            symlink(path + "/other", path + "/link")
            try Files.removeTree(path + "/tree")
            try Files.removeTree(path + "/link")
            #expect(Files.exists(path + "/other/file"))
            #expect(!Files.exists(path + "/tree") && !Files.exists(path + "/link"))
        }
    }

    @Test func `a missing tree is fine`() throws {
        try Files.removeTree("/tmp/cote-remove-nothing")
    }
}
