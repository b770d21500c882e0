import CoteModel
import CoteSystem
import CoteTestSupport
import CoteWire
import Glibc
import Testing

@testable import CoteGuest

@Suite struct FileVerbsTests {
    @Test func `a file is read whole`() throws {
        let scratch = try Scratch()
        try scratch.shell("head -c 1000000 /dev/urandom > large; ln -s large link")
        try scratch.files(.read, "large", output: "copy")
        try scratch.files(.read, "link", output: "second")
        try scratch.shell("cmp large copy; cmp large second")
    }

    @Test(arguments: [
        (FileTransfer.Verb.read, "missing", ErrorCode.noSuchFile, "missing: No such file or directory"),
        (.read, "directory", .fileOperationFailed, "not a regular file"),
        (.read, "fifo", .fileOperationFailed, "not a regular file"),
        (.read, "/dev/null", .fileOperationFailed, "regular"),
        (.write, "missing/f", .noSuchFile, "missing: No such file"),
        (.write, "directory", .fileOperationFailed, "Is a dir"),
        (.write, "file/", .fileOperationFailed, "not the name of a file"),
        (.write, "/dev/full/f", .fileOperationFailed, ""),
        (.list, "missing", .noSuchFile, "missing"), (.list, "file", .fileOperationFailed, "Not a directory"),
        (.remove, "missing", .noSuchFile, "missing"), (.remove, "missing/f", .noSuchFile, "missing"),
        (.remove, "/", .fileOperationFailed, "cannot be removed"),
        (.remove, "directory/..", .fileOperationFailed, "cannot be removed"),
        (.remove, "directory/.", .fileOperationFailed, "cannot be removed"), (.pack, "missing", .noSuchFile, "missing"),
        (.pack, "fifo", .fileOperationFailed, "neither a directory nor"), (.unpack, "file", .fileOperationFailed, ""),
    ])
    func `what cannot be done has its code and names its file`(
        verb: FileTransfer.Verb, name: String, code: ErrorCode, message: String
    ) throws {
        let scratch = try Scratch()
        try scratch.shell("mkdir directory; echo x > file; mkfifo fifo")
        let before = try scratch.description(of: ".")
        let failure = scratch.failure(verb, name)
        #expect(failure?.code == code)
        #expect(failure?.message.contains(message) == true, "\(failure?.message ?? "nothing")")
        #expect(try scratch.description(of: ".") == before)
    }

    @Test func `a full disk is told as such`() throws {
        let scratch = try Scratch()
        try scratch.shell("echo x > file; ln -s /dev/full full")
        #expect(scratch.failure(.read, "file", output: "full")?.code == .diskFull)
        #expect(scratch.failure(.pack, ".", output: "full")?.code == .diskFull)
    }

    @Test func `writing puts a new file with its mode in place of the old one`() throws {
        let scratch = try Scratch()
        try scratch.shell(
            "head -c 300000 /dev/urandom > input; echo old > file; ln file other; echo kept > aim; ln -s aim l")
        try scratch.files(.write, "file", mode: 0o751, input: "input")
        try scratch.files(.write, "new", mode: 0o666, input: "input")
        try scratch.files(.write, "l", mode: 0o600, input: "input")
        try scratch.shell("cmp file input; cmp new input; cmp l input; test ! -L l; umask 077")
        #expect(
            try scratch.shell("cat other aim; stat -c %a file new l; ls -A")
                == "old\nkept\n751\n666\n600\naim\nfile\ninput\nl\nnew\nother\n")
    }

    @Test func `a listing has a line for every entry, in order, whatever its name`() throws {
        let scratch = try Scratch()
        try scratch.shell(
            """
            mkdir d; cd d; printf abc > $'a"\\\\\\n\\x01'; chmod 640 a*
            ln -s $'t\\xff' $'n\\xfe\\xfd'; mkdir -m 755 sub
            mkfifo -m 600 z; echo ü > ü; chmod 644 ü; touch -h -d '2001-02-03 04:05:06.5' *
            touch -d '1969-12-31 23:59:59.75' z
            """)
        try scratch.files(.list, "d", output: "listing")
        let lines = try scratch.shell("cat listing").split(separator: "\n").map(String.init)
        let time = "\"mtime\":981173106.500000000"
        try #require(lines.count == 5)
        #expect(lines[0] == #"{"name":"a\"\\\u000a\u0001","type":"file","size":3,"mode":416,\#(time)}"#)
        #expect(
            lines[1] == #"{"name":"bv79","encoding":"base64","type":"link","size":2,"mode":511,\#(time),"#
                + #""target":"dP8=","target_encoding":"base64"}"#)
        #expect(
            lines[2].hasPrefix(#"{"name":"sub","type":"directory","size":"#)
                && lines[2].hasSuffix(",\"mode\":493,\(time)}"))
        #expect(lines[3] == #"{"name":"z","type":"fifo","size":0,"mode":384,"mtime":-0.250000000}"#)
        #expect(lines[4] == #"{"name":"ü","type":"file","size":3,"mode":420,\#(time)}"#)
        try scratch.shell("python3 -c 'import json; [json.loads(line) for line in open(\"listing\")]'")
    }

    @Test func `removing takes a tree and nothing that it links to`() throws {
        let scratch = try Scratch()
        try scratch.shell(
            """
            mkdir -p kept tree/a/b/c; echo kept > kept/file; ln -s ../kept tree/link; ln -s ../../../kept tree/a/b/link
            for i in $(seq 600); do : > tree/a/$i; mkdir tree/d$i; done; echo x > $'tree/not\\xffutf8'; ln -s kept link
            """)
        try scratch.files(.remove, "tree")
        try scratch.files(.remove, "link")
        #expect(try scratch.shell("find . -mindepth 1 | sort") == "./kept\n./kept/file\n")
    }

    @Test func `a tree deeper than the descriptors a process may hold is removed and packed`() throws {
        let scratch = try Scratch()
        try scratch.shell(
            "python3 -c \"import os\nfor i in range(800):\n os.mkdir('d'); os.chdir('d')\nopen('f', 'w').close()\"")
        // In a process of its own: a limit is a whole process's, and other tests run in this one.
        let files = { (verb: FileTransfer.Verb, name: String, input: String, output: String) throws in
            let transfer = FileTransfer(verb, path: scratch.path + "/" + name)
            var request = SpawnRequest(
                Workbench.builtPrograms + "/cote-agent", ["cote-agent"] + FileVerbs.arguments(transfer))
            request.limits = [ResourceLimit(resource: CommandResource.nofile.rawValue, soft: 500, hard: 500)]
            let source = try Descriptor.open(input, O_RDONLY)
            let target = try Descriptor.open(output, O_WRONLY | O_CREAT, mode: 0o644)
            request.descriptors = [source.raw, target.raw, STDERR_FILENO]
            #expect(try request.run().wait() == .exited(0), "\(verb) \(name)")
        }
        let archive = scratch.path + "/packed.tar"
        try files(.pack, "d", "/dev/null", archive)
        try files(.unpack, "out", archive, "/dev/null")
        #expect(try scratch.shell("find out -name f | tr -cd / | wc -c") == "800\n")
        try files(.remove, "d", "/dev/null", "/dev/null")
        try files(.remove, "out", "/dev/null", "/dev/null")
        #expect(try scratch.shell("ls") == "packed.tar\n")
    }

    @Test func `the arguments of a transfer are those that the program takes`() {
        let transfer = FileTransfer(.write, path: "/workspace/a b", mode: 0o755)
        #expect(FileVerbs.arguments(transfer) == ["files", "write", "/workspace/a b", "755"])
        #expect(FileVerbs.transfer(Array(FileVerbs.arguments(transfer).dropFirst())) == transfer)
        for wrong in [[], ["write"], ["paint", "/x"], ["read", ""], ["write", "/x", "9"], ["write", "/x", "70000"]] {
            #expect(FileVerbs.transfer(wrong) == nil)
        }
    }
}
