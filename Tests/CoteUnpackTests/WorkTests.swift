import CoteContent
import CoteModel
import CoteSystem
import CoteTestSupport
import CoteUnpack
import CoteWorker
import Testing

/// The program's other work, beside the tools that others use for the same.
@Suite(.requires(.root)) struct WorkTests {
    private static let tree = """
        mkdir -p tree/d/e tree/empty; cd tree; echo text > d/file
        ln d/file d/e/same; ln -s ../d/file d/link; mkfifo fifo
        chmod 2755 d; chmod 4711 d/file; chown 7:8 d/file; head -c 300000 /dev/urandom > big
        touch -d 2001-02-03 d empty
        truncate -s 3M holes; printf middle | dd of=holes bs=1 seek=1000000 conv=notrunc status=none
        python3 -c 'import os; os.setxattr("d/file", "user.note", b"of it")'
        python3 -c 'import os; os.close(os.open(b"odd\\xff\\n", os.O_CREAT))'
        touch -h -d 2002-03-04 d/link; touch $(printf 'n%.0s' {1..200})
        """

    @Test func `a packed directory is the same layer each time, and unpacks to the same directory`() throws {
        let trial = try UnpackTrial()
        try trial.shell(Self.tree)
        let events = try trial.pack("tree", into: "one.tar")
        _ = try trial.pack("tree", into: "two.tar")
        let bytes = try Files.read(trial.path + "/one.tar", limit: 1 << 24)
        #expect(try Files.read(trial.path + "/two.tar", limit: 1 << 24) == bytes)
        let digest = ContentHash.digest(of: bytes)
        #expect(events == [.layer(index: 0, diffID: digest, bytes: UInt64(bytes.count)), .done])
        // The three megabytes are not all in it.
        #expect(bytes.count < 600_000)
        #expect(try trial.layers([bytes], diffIDs: [digest]).last == .done)
        try trial.shell("mkdir theirs; tar -C theirs --xattrs --xattrs-include='user.*' -xpf one.tar")
        let before = try RandomTreeTests.description(of: trial.path + "/tree", base: 0, trial)
        #expect(try RandomTreeTests.description(of: trial.path + "/out", base: UnpackTrial.base, trial) == before)
        #expect(try RandomTreeTests.description(of: trial.path + "/theirs", base: 0, trial) == before)
    }

    @Test func `a copy of a directory without its holes is the same layer`() throws {
        let trial = try UnpackTrial()
        try trial.shell(Self.tree + "; cd ..; cp -a --sparse=never tree copy; touch -r tree copy")
        #expect(try trial.pack("tree", into: "1.tar") == (try trial.pack("copy", into: "2.tar")))
    }

    @Test func `a directory with a device is not packed`() throws {
        let trial = try UnpackTrial()
        try trial.shell("mkdir tree; mknod tree/null c 1 3; rm -f tree/x")
        guard case .refused(nil, "null", .deviceNode, _) = try trial.pack("tree", into: "x.tar").last else {
            Issue.record("a device was packed")
            return
        }
    }

    @Test(.requires(.erofs))
    func `an image has the same bytes each time and wherever its tree is, and all of the tree`() throws {
        let trial = try UnpackTrial()
        try trial.shell(Self.tree)
        _ = try trial.pack("tree", into: "layer.tar")
        let layer = try Files.read(trial.path + "/layer.tar", limit: 1 << 24)
        for name in ["out", "deeper-than-the-other"] { #expect(try trial.layers([layer], into: name).last == .done) }
        #expect(try trial.image(of: "out", into: "1.erofs") == [.done])
        #expect(try trial.image(of: "out", into: "2.erofs") == [.done])
        #expect(try trial.image(of: "deeper-than-the-other", into: "3.erofs") == [.done])
        try trial.shell("cmp 1.erofs 2.erofs; cmp 1.erofs 3.erofs; mkdir mounted; mount -o ro,loop 1.erofs mounted")
        defer { _ = try? trial.shell("umount mounted") }
        let mounted = try RandomTreeTests.description(of: trial.path + "/mounted", base: 0, trial)
        #expect(mounted == (try RandomTreeTests.description(of: trial.path + "/tree", base: 0, trial)))
    }

    @Test(.requires(.erofs)) func `a name that the program does not take is named`() throws {
        let trial = try UnpackTrial()
        let name = String(repeating: "n", count: 255)
        #expect(try trial.layers([TestMember.archive([.file("d/" + name)])]).last == .done)
        let last = try trial.image(of: "out", into: "1.erofs").last
        if last == .done { return }
        guard case .refused(nil, let entry, .longName, _) = last else {
            Issue.record("\(String(describing: last))")
            return
        }
        #expect(entry.hasPrefix("d/nnn"))
    }

    @Test func `a directory is emptied whatever is in it`() throws {
        let trial = try UnpackTrial()
        let deep = String(repeating: "d/", count: 900)
        let members = [TestMember.file(deep + "f"), .file("odd\n"), .link("l", "/etc"), .file(".removed-0/x")]
        #expect(try trial.layers([TestMember.archive(members)]).last == .done)
        #expect(try trial.clear("out") == [.done])
        #expect(try Files.list(trial.path + "/out") == [])
    }

    @Test(arguments: ["cat", "gzip -c", "zstd -q -c"])
    func `an archive of either kind gives what its image consists of`(command: String) throws {
        let trial = try UnpackTrial()
        let hex = String(repeating: "a1", count: 32)
        let members: [TestMember] = [
            .directory("blobs/"), .directory("blobs/sha256/"), .file("blobs/sha256/" + hex, "blob"),
            .file("oci-layout"),
            .file("index.json", "{}"), .file("manifest.json", "[]"), .file("repositories"), .file("1a.json", "conf"),
            .link("2b/layer.tar", "../1a/layer.tar"), .directory("1a"), .file("1a/layer.tar", "layer"),
            .file("1a/VERSION"), .file("1a/json"), .link("3c/layer.tar", "../2b/layer.tar"), .file("3c.tar", "t"),
            .file("blobs/sha256/short"), .file("etc/passwd"), .file("README"),
        ]
        let bytes = try trial.compressed(TestMember.archive(members), by: command)
        #expect(try trial.archive(bytes) == [.done])
        let found = try trial.shell("cd out; find . -type f | sort; cat 3c/layer.tar; find . -type l")
        #expect(
            found
                == [
                    "./1a.json", "./1a/layer.tar", "./2b/layer.tar", "./3c.tar", "./3c/layer.tar",
                    "./blobs/sha256/" + hex,
                    "./index.json", "./manifest.json", "./oci-layout", "./repositories", "layer",
                ].joined(separator: "\n"))
    }

    @Test(.requires(.skopeo)) func `archives that skopeo makes are read`() throws {
        let trial = try UnpackTrial()
        _ = try ImageLayout(at: trial.path + "/layout", layers: [TestMember.archive([.file("f", "content")])])
        for kind in ["oci-archive", "docker-archive"] {
            try trial.shell("skopeo copy --insecure-policy oci:layout:test \(kind):\(kind).tar:x:y >/dev/null 2>&1")
            let events = try trial.archive(try Files.read("\(trial.path)/\(kind).tar"), into: kind)
            #expect(events == [.done])
        }
        let found = try trial.shell("ls oci-archive docker-archive | grep -v '^[0-9a-f]\\{64\\}'")
        #expect(found.contains("index.json") && found.contains("manifest.json"), "\(found)")
    }

    @Test func `members of gzip and frames of zstd one after the other are one layer`() throws {
        let trial = try UnpackTrial()
        let layer = TestMember.archive([.file("f", String(repeating: "content", count: 999))])
        for (index, program) in ["gzip -c", "zstd -q -c"].enumerated() {
            let halves = [Array(layer[..<3000]), Array(layer[3000...])]
            let bytes = try halves.flatMap { try trial.compressed($0, by: program) }
            let digest = ContentHash.digest(of: layer)
            let events = try trial.layers([bytes], diffIDs: [digest], into: "out\(index)")
            #expect(events == [.layer(index: 0, diffID: digest, bytes: UInt64(layer.count)), .done])
        }
    }

    @Test func `a later layer may make a directory of a link, and then put files there`() throws {
        let trial = try UnpackTrial()
        let events = try trial.layers([
            TestMember.archive([.link("l", "/tmp")]),
            TestMember.archive([.directory("l"), .file("l/x", "in the image")]),
        ])
        #expect(events.last == .done)
        #expect(try Files.readText(trial.path + "/out/l/x") == "in the image")
        #expect(!Files.exists("/tmp/x"))
    }
}
