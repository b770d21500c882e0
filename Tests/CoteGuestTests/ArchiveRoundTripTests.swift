import CoteArchive
import CoteSystem
import CoteWire
import Glibc
import Testing

@testable import CoteGuest

/// Against GNU tar, both ways.
@Suite struct ArchiveRoundTripTests {
    /// A tree with a bit of everything that an archive can hold.
    private static let tree = """
        mkdir tree; cd tree
        mkdir -p empty deep/er/est 'with space'
        echo hello > file; : > nothing; head -c 1000000 /dev/urandom > large; head -c 512 /dev/zero > block
        printf '#!/bin/sh\\n' > run; chmod 755 run; chmod 400 nothing; echo x > 'with space/ünïcödé'
        echo odd > $'odd\\nname\\t\\\\'; echo bytes > $'not\\xff\\xfeutf8'
        ln -s file link; ln -s ../../file deep/er/link; ln -s nowhere dangling; ln file deep/hard; ln file deep/harder
        long=$(printf 'n%.0s' $(seq 200)); echo long > $long; ln -s $long longlink; ln $long hard$long
        far=$(printf 'directory-with-a-name/%.0s' $(seq 14)); mkdir -p $far; echo far > ${far}far
        mkdir d$long; echo in > d$long/$long
        ln -s $(printf 'm%.0s' $(seq 150)) target
        touch -d '2001-02-03 04:05:06.789' file; touch -d '1965-01-01 00:00:00.25' run; touch -d '2500-01-01' large
        touch -h -d '2010-01-01' link; chmod 1777 empty; chmod 500 deep/er/est; touch -d '1999-01-01' deep empty
        """

    @Test func `what is packed unpacks with GNU tar to the same tree`() throws {
        let scratch = try Scratch()
        try scratch.shell(Self.tree)
        #expect(try scratch.files(.pack, "tree", output: "packed.tar").isEmpty)
        try scratch.shell("mkdir out; tar -xpf packed.tar -C out 2>&1 | grep -v 'hdrcharset' >&2 || true")
        #expect(try scratch.description(of: "out") == (try scratch.description(of: "tree")))
        let listing = try scratch.shell("tar -tf packed.tar 2>/dev/null | head -1")
        #expect(listing == "./\n")
    }

    @Test(arguments: ["gnu", "pax", "ustar"])
    func `what GNU tar packs unpacks to the same tree`(format: String) throws {
        let scratch = try Scratch()
        try scratch.shell(Self.tree)
        if format == "ustar" {
            // What the format cannot hold: long single names and times before 1970, and fractions.
            try scratch.shell(
                "cd tree; rm -rf *nnnnn* longlink target directory-with-a-name; touch -d 2001-01-01 run large")
        }
        let whole = format == "pax" ? "true" : "find tree -print0 | xargs -0 touch -h -d '2020-02-02'"
        try scratch.shell("\(whole); tar --format=\(format) -cf made.tar -C tree .")
        try scratch.files(.unpack, "out", input: "made.tar")
        #expect(try scratch.description(of: "out") == (try scratch.description(of: "tree")))
    }

    @Test func `packing and unpacking again changes nothing, and the same tree packs to the same bytes`() throws {
        let scratch = try Scratch()
        try scratch.shell(Self.tree)
        try scratch.files(.pack, "tree", output: "one.tar")
        try scratch.files(.unpack, "copies/out", input: "one.tar")
        try scratch.files(.pack, "copies/out", output: "two.tar")
        try scratch.shell("cmp one.tar two.tar")
        // Over a tree that is there already.
        try scratch.files(.unpack, "copies/out", input: "one.tar")
        try scratch.shell("touch -r tree copies/out")
        #expect(try scratch.description(of: "copies/out") == (try scratch.description(of: "tree")))
    }

    @Test func `a size above 8 GiB and identities above two million keep their values`() throws {
        let scratch = try Scratch()
        var entry = ArchiveEntry(kind: .regular, path: FilePath("huge"), mode: 0o644, modified: timespec())
        entry.size = 8_589_934_593
        entry.user = 3_000_000
        entry.group = .max
        try scratch.write(entry.blocks, to: "head.tar")
        let listing = try scratch.shell("tar --numeric-owner -tvf head.tar 2>/dev/null | awk '{print $2, $3}'")
        #expect(listing == "3000000/4294967295 8589934593\n")
        let file = try Descriptor.open(scratch.path + "/head.tar", O_RDONLY)
        var reader = ArchiveReader(ArchiveInput(file))
        #expect(try reader.next()?.size == 8_589_934_593)
    }

    @Test func `what an archive does not hold is left out with a note`() throws {
        let scratch = try Scratch()
        try scratch.shell(
            "mkdir tree; echo a > tree/a; mkfifo tree/fifo; "
                + "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('tree/socket')\"")
        let notes = try scratch.files(.pack, "tree", output: "packed.tar")
        #expect(notes == ["fifo left out: fifo", "socket left out: socket"])
        #expect(try scratch.shell("tar -tf packed.tar") == "./\na\n")
    }

    @Test func `a single file is packed under its own name`() throws {
        let scratch = try Scratch()
        try scratch.shell("mkdir d; echo one > d/one")
        try scratch.files(.pack, "d/one", output: "packed.tar")
        try scratch.files(.unpack, "out", input: "packed.tar")
        #expect(try scratch.shell("cat out/one; ls out") == "one\none\n")
    }

    @Test func `where too many files have several names the others are packed whole, once for each name`() throws {
        let scratch = try Scratch()
        try scratch.shell("mkdir tree; cd tree; for i in a b c; do echo $i > $i; ln $i $i-again; done")
        let file = try Descriptor.open(scratch.path + "/packed.tar", O_WRONLY | O_CREAT, mode: 0o600)
        var packer = ArchivePacker(ArchiveOutput(file), mostLinks: 0) { _ in }
        try packer.pack(FilePath(scratch.path + "/tree"))
        #expect(try scratch.shell("tar -tvf packed.tar | cut -c1 | tr -d '\\n'") == "d------")
        try scratch.files(.pack, "tree", output: "linked.tar")
        #expect(try scratch.shell("tar -tvf linked.tar | cut -c1 | tr -d '\\n'") == "d-h-h-h")
        try scratch.files(.unpack, "out", input: "packed.tar")
        #expect(try scratch.shell("cd out; cat a a-again b b-again c c-again") == "a\na\nb\nb\nc\nc\n")
    }

    @Test func `a tree with a path too long to be unpacked again is not packed`() throws {
        let scratch = try Scratch()
        try scratch.shell("python3 -c \"import os\nfor i in range(2100):\n os.mkdir('d'); os.chdir('d')\"")
        #expect(scratch.failure(.pack, "d", output: "packed.tar")?.message.hasSuffix("the path is too long") == true)
        try scratch.files(.remove, "d")
    }

    @Test func `the archives of other programs unpack too`() throws {
        let scratch = try Scratch()
        try scratch.shell(
            """
            mkdir -p tree/d; echo a > tree/a; echo f > tree/d/f; ln -s a tree/l
            cd tree; git init -q; git add -A; git -c user.name=a -c user.email=a@b commit -qm m
            git archive --format=tar -o ../git.tar HEAD; rm -rf .git; cd ..
            tar --format=v7 -cf v7.tar -C tree .
            python3 -c "import tarfile; t=tarfile.open('python.tar','w'); t.add('tree','.'); t.close()"
            """)
        for archive in ["git", "v7", "python"] {
            try scratch.files(.unpack, "out-" + archive, input: archive + ".tar")
            #expect(try scratch.shell("cd out-\(archive); cat a; readlink l; ls") == "a\na\na\nd\nl\n", "\(archive)")
        }
    }

    @Test func `a directory that was there keeps its mode and set-user bits are dropped`() throws {
        let scratch = try Scratch()
        try scratch.shell("mkdir -m 700 tree; echo a > tree/a; chmod 6755 tree/a; mkdir -m 751 out")
        try scratch.files(.pack, "tree", output: "packed.tar")
        try scratch.files(.unpack, "out", input: "packed.tar")
        #expect(try scratch.shell("stat -c %a out out/a") == "751\n755\n")
    }
}
