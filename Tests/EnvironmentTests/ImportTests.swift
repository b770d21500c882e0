import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// Images from files, in every form that they come in.
@Suite(.requires(.root, .crun, .umoci, .skopeo, .images)) struct ImportTests {
    @Test func `an image's own configuration holds where the command says nothing`() async throws {
        try await Workbench.with { bench in
            _ = try await bench.bring(Images.python, name: "python")
            let own = try await bench.cote(["run", "python"])
            #expect(own.code == 0 && own.output == "from the image\n", "\(own.errors)")
            let script = "import os; print(os.getuid(), os.getcwd(), os.environ['GREETING'])"
            let told = try await bench.cote(["run", "python", "--", "python3", "-c", script])
            #expect(told.output == "65534 /srv hello\n", "\(told.errors)")
            let over = try await bench.cote([
                "run", "python", "--user", "root", "--cwd", "/tmp", "--env", "GREETING=bye", "--", "python3", "-c",
                script,
            ])
            #expect(over.output == "0 /tmp bye\n", "\(over.errors)")
            // Its volume may be written to, the rest of it not.
            let writes = try await bench.cote([
                "run", "python", "--user", "root", "--", "sh", "-c", "echo x > /srv/f && cat /srv/f; echo y > /etc/f",
            ])
            #expect(writes.output == "x\n" && writes.code != 0 && writes.errors.contains("Read-only file system"))
            let lasting = try await bench.cote(["create", "python", "--name", "box"])
            #expect(lasting.code == 0, "\(lasting.errors)")
            #expect(
                try await bench.cote(["exec", "box", "--", "python3", "-c", script]).output == "65534 /srv hello\n")
            #expect(try await bench.cote(["exec", "box", "--", "cat", "/etc/image-name"]).output == "python\n")
        }
    }

    @Test func `a compiler in an image compiles, and what it makes runs`() async throws {
        try await Workbench.with { bench in
            _ = try await bench.bring(Images.compiler, name: "compiler")
            let script = """
                printf '#include <stdio.h>\\nint main(void) { puts("compiled"); return 7; }\\n' > a.c
                gcc -O2 -o a a.c && ./a
                """
            let made = try await bench.cote(["run", "compiler", "--", "sh", "-c", script])
            #expect(made.code == 7 && made.output == "compiled\n", "\(made.errors)")
        }
    }

    @Test func `one image comes in every form and is the same`() async throws {
        try await Workbench.with { bench in
            try Images.makeTree(bench.directory + "/tree")
            try await bench.shell(
                """
                tar -C tree --xattrs -cf root.tar .
                gzip -k root.tar; zstd -q root.tar
                umoci init --layout layout; umoci new --image layout:one
                umoci raw add-layer --image layout:one root.tar
                umoci config --image layout:one --config.cmd echo --config.cmd 'own command'
                tar -C layout -cf oci.tar . ; gzip -k oci.tar; zstd -q oci.tar
                skopeo copy -q oci:layout:one docker-archive:docker.tar:some/name:7
                """)
            let check = ["--", "sh", "-c", "cat /data/file; stat -c '%a %u' /data/file /bin/busybox"]
            let expected = "content\n644 12\n755 0\n"
            let forms = [
                "layout", "oci.tar", "oci.tar.gz", "oci.tar.zst", "docker.tar", "root.tar", "root.tar.gz",
                "root.tar.zst", "tree",
            ]
            var digests: [String: Digest] = [:]
            for (number, form) in forms.enumerated() {
                let name = "form:\(number)"
                digests[form] = try await bench.bring("\(bench.directory)/\(form)", name: name)
                let seen = try await bench.cote(["run", name] + check)
                #expect(seen.code == 0 && seen.output == expected, "\(form): \(seen.errors)")
            }
            #expect(Set(forms[..<4].map { digests[$0] }).count == 1)
            #expect(try await bench.cote(["run", "form:4"]).output == "own command\n")
            let nothing = try await bench.cote(["run", "form:8"])
            #expect(nothing.code == 2 && nothing.told?.message.contains("no command") == true, "\(nothing.errors)")
        }
    }

    @Test func `the same layers give the same root, bit for bit`() async throws {
        var roots: [Digest] = []
        for _ in 0..<2 {
            try await Workbench.with { bench in
                let digest = try await bench.bring(Images.python, name: "python")
                let listing = try await bench.shell("sha256sum home/environments/\(digest.hex)/image.erofs")
                roots.append(try #require(Digest(hex: String(listing.prefix(64)))))
            }
        }
        #expect(roots[0] == roots[1])
    }

    @Test func `a name is the image's own, the file's or the one given`() async throws {
        try await Workbench.with { bench in
            try Images.makeTree(bench.directory + "/tree")
            try await bench.shell(
                """
                umoci init --layout layout; umoci new --image layout:1.5; tar -C tree -cf My-Root.tar .
                umoci raw add-layer --image layout:1.5 My-Root.tar
                skopeo copy -q oci:layout:1.5 docker-archive:saved.tar:team/app:3
                """)
            for (path, name) in [
                ("layout", "layout:1.5"), ("My-Root.tar", "my-root:latest"), ("saved.tar", "team/app:3"),
            ] {
                let result = try await bench.cote(["env", "import", "\(bench.directory)/\(path)", "--json"])
                #expect(result.code == 0 && result.output.contains("\"name\":\"\(name)\""), "\(result.errors)")
                #expect(try await bench.cote(["run", name, "--", "true"]).code == 0)
            }
            for bad in ["UPPER", "host", "a b", "../x", "x:../y", "sha256:0", ""] {
                let refused = try await bench.cote([
                    "env", "import", "\(bench.directory)/tree", "--name", bad, "--json",
                ])
                #expect(refused.code == 2 && refused.toldCode == "usage", "\(bad): \(refused.errors)")
            }
            let unknown = try await bench.cote(["run", "nothing:1", "--json", "--", "true"])
            #expect(unknown.code == 125 && unknown.toldCode == "unknown-environment")
        }
    }

    @Test func `of several images the one for this machine is taken, or the one that is named`() async throws {
        try await Workbench.with { bench in
            try Images.makeTree(bench.directory + "/tree")
            try await bench.shell(
                """
                tar -C tree -cf root.tar .
                umoci init --layout layout
                for name in a b; do
                    umoci new --image layout:$name; umoci raw add-layer --image layout:$name root.tar
                    umoci config --image layout:$name --config.cmd echo --config.cmd $name
                done
                umoci new --image layout:other; umoci config --image layout:other --architecture s390x
                """)
            let layout = bench.directory + "/layout"
            _ = try await bench.bring(layout, name: "b", ["--ref", "b"])
            #expect(try await bench.cote(["run", "b"]).output == "b\n")
            let several = try await bench.cote(["env", "import", layout, "--json"])
            #expect(several.toldCode == "bad-image" && several.errors.contains("--ref"))
            let missing = try await bench.cote(["env", "import", layout, "--ref", "c", "--json"])
            #expect(missing.toldCode == "no-such-image" && missing.errors.contains("a, b"), "\(missing.errors)")
            let foreign = try await bench.cote(["env", "import", layout, "--ref", "other", "--json"])
            #expect(foreign.toldCode == "bad-image" && foreign.errors.contains("s390x"), "\(foreign.errors)")
        }
    }
}

extension ProgramResult {
    /// The stable code of the error that `--json` told.
    var toldCode: String? {
        guard let start = errors.firstRange(of: "\"code\":\"") else { return nil }
        return String(errors[start.upperBound...].prefix { $0 != "\"" })
    }

    /// What a person was told, without the verb.
    var told: (message: String, hint: String?)? {
        let lines = errors.split(separator: "\n")
        guard let first = lines.first, first.hasPrefix("error: ") else { return nil }
        return (String(first), lines.dropFirst().first.map(String.init))
    }
}
