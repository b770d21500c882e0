import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// Images that lie, hosts that fail, and programs that are killed: an error that names what is wrong, nothing half
/// there, and the next try succeeds.
@Suite(.requires(.root, .machine, .crun, .umoci, .erofs)) struct FaultyImportTests {
    private func prepare(_ bench: Workbench) async throws {
        try Images.makeTree(bench.directory + "/tree")
        try await bench.shell(
            """
            tar -C tree -cf root.tar .
            umoci init --layout layout; umoci new --image layout:one
            umoci raw add-layer --image layout:one root.tar
            """)
    }

    /// What a store has that somebody could take for an environment.
    private func isEmpty(_ bench: Workbench) async throws -> Bool {
        let script = "ls -A home/tags; ls -A home/environments | grep -v '^locks$' || true; ls -A home/blobs/incoming"
        return try await bench.shell(script).isEmpty
    }

    /// A change of the layout `bad`, what it must be called, and what the error names.
    private struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let script: String
        let code: String
        let names: String

        init(_ description: String, _ code: String, names: String, _ script: String) {
            testDescription = description
            self.script = script
            self.code = code
            self.names = names
        }

        /// Runs a line of Python over one of the documents as `d` and makes the digests above it right again.
        static func edit(_ description: String, _ code: String, names: String, _ what: String, _ line: String) -> Damage
        {
            Damage(
                description, code, names: names,
                """
                python3 - <<'END'
                import json, hashlib, os
                def read(x): return json.load(open('bad/blobs/sha256/' + x['digest'][7:]))
                def write(d, x):
                    b = json.dumps(d).encode(); h = hashlib.sha256(b).hexdigest()
                    open('bad/blobs/sha256/' + h, 'wb').write(b); x['digest'] = 'sha256:' + h; x['size'] = len(b)
                index = json.load(open('bad/index.json')); top = index['manifests'][0]
                manifest = read(top); config = read(manifest['config'])
                layer = manifest['layers'][0]
                d = \(what)
                \(line)
                write(config, manifest['config']) if d is config else None
                write(manifest, top)
                json.dump(index, open('bad/index.json', 'w'))
                END
                """)
        }

        private static let layer = "f=$(ls -S bad/blobs/sha256/* | head -n 1); chmod u+w $f; "

        static let all: [Damage] = [
            Damage("a layer cut short", "digest-mismatch", names: "sha256:", layer + "truncate -s -7 $f"),
            Damage("a layer with more", "digest-mismatch", names: "sha256:", layer + "echo x >> $f"),
            Damage(
                "a layer with other bytes", "digest-mismatch", names: "sha256:",
                layer + "printf X | dd of=$f bs=1 seek=99 conv=notrunc 2>/dev/null"),
            Damage("no layer", "bad-image", names: "has no file", layer + "rm $f"),
            Damage("a fifo for a layer", "bad-image", names: "has no file", layer + "rm $f; mkfifo $f"),
            Damage("a directory for a layer", "bad-image", names: "has no file", layer + "rm $f; mkdir $f"),
            Damage("no index", "bad-image", names: "index.json", "rm bad/index.json; touch bad/oci-layout"),
            Damage("an index that is none", "bad-image", names: "index.json", "echo '{' > bad/index.json"),
            Damage(
                "deep JSON", "bad-image", names: "index.json", "yes '[' | head -n 100000 | tr -d '\\n' > bad/index.json"
            ),
            Damage("a huge index", "bad-image", names: "index.json", "head -c 9M /dev/zero > bad/index.json"),
            edit("a size that lies", "digest-mismatch", names: "sha256:", "manifest", "layer['size'] += 1"),
            edit("a size beyond all", "digest-mismatch", names: "sha256:", "manifest", "layer['size'] = 2**64 - 1"),
            edit("a negative size", "bad-image", names: "manifest", "manifest", "layer['size'] = -1"),
            edit("no digest", "bad-image", names: "manifest", "manifest", "layer['digest'] = 'sha512:ab'"),
            edit(
                "a digest that is a path", "bad-image", names: "manifest", "manifest", "layer['digest'] = 'sha256:../x'"
            ),
            edit(
                "an unknown layer", "bad-image", names: "application/x-thing", "manifest",
                "layer['mediaType'] = 'application/x-thing'"),
            edit(
                "a foreign layer", "bad-image", names: "may not be handed on", "manifest",
                "layer['mediaType'] = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'"),
            edit(
                "an artifact", "bad-image", names: "describes no container image", "manifest",
                "manifest['config']['mediaType'] = 'application/vnd.cncf.helm.config.v1+json'"),
            edit("another machine's", "bad-image", names: "s390x", "config", "config['architecture'] = 's390x'"),
            edit("another system's", "bad-image", names: "windows", "config", "config['os'] = 'windows'"),
            edit("a diff_id too few", "bad-image", names: "layers", "config", "config['rootfs']['diff_ids'] = []"),
            edit(
                "another diff_id", "digest-mismatch", names: "layer sha256:", "config",
                "config['rootfs']['diff_ids'] = ['sha256:' + '0' * 64]"),
            edit(
                "thousands of layers", "bad-image", names: "more than 500 layers", "manifest",
                "manifest['layers'] *= 1000; config['rootfs']['diff_ids'] *= 1000"),
        ]
    }

    @Test(arguments: Damage.all)
    private func `a layout that lies is refused by name, and the next try succeeds`(damage: Damage) async throws {
        try await Workbench.with { bench in
            try await prepare(bench)
            try await bench.shell("cp -a layout bad; \(damage.script)")
            let refused = try await bench.cote(["env", "import", bench.directory + "/bad", "--name", "one", "--json"])
            #expect(refused.code == 125 && refused.toldCode == damage.code, "\(refused.errors)")
            #expect(refused.errors.contains(damage.names), "\(refused.errors)")
            #expect(try await isEmpty(bench))
            _ = try await bench.bring(bench.directory + "/layout", name: "one")
            #expect(try await bench.cote(["run", "one", "--", "cat", "/data/file"]).output == "content\n")
        }
    }

    @Test func `a hostile layer is refused with its member and its reason`() async throws {
        try await Workbench.with { bench in
            try await bench.shell(
                """
                python3 - <<'END'
                import tarfile, io
                def tar(name, *members):
                    with tarfile.open(name, 'w') as t:
                        for m in members: t.addfile(m, io.BytesIO(b'x' * m.size))
                def file(name): m = tarfile.TarInfo(name); m.size = 1; return m
                def special(name, type, link=''): m = tarfile.TarInfo(name); m.type = type; m.linkname = link; return m
                tar('absolute.tar', file('/evil')); tar('parent.tar', file('../evil'))
                tar('device.tar', special('dev-null', tarfile.CHRTYPE)); tar('reserved.tar', file('.cote/agent'))
                tar('through.tar', special('link', tarfile.SYMTYPE, '/tmp'), file('link/evil'))
                END
                """)
            let table = [
                ("absolute", "/evil"), ("parent", "../evil"), ("device", "dev-null"), ("reserved", ".cote"),
                ("through", "link/evil"),
            ]
            for (name, entry) in table {
                let refused = try await bench.cote(["env", "import", "\(bench.directory)/\(name).tar", "--json"])
                #expect(refused.toldCode == "bad-image", "\(name): \(refused.errors)")
                #expect(refused.errors.contains("member '\(entry)"), "\(name): \(refused.errors)")
                #expect(try await isEmpty(bench))
            }
            #expect(!Files.exists("/tmp/evil") && !Files.exists("/evil"))
        }
    }

    @Test func `on a full disk nothing is half there, and with room the next try succeeds`() async throws {
        try await Workbench.with { bench in
            try await prepare(bench)
            try Files.makeDirectory(bench.home)
            try Mounts.mountNew("tmpfs", at: bench.home, options: "size=512k,mode=0700")
            do {
                // Full while the layer is copied, and while the root is made of it.
                for size in ["512k", "2m"] {
                    try await bench.shell("mount -o remount,size=\(size) home")
                    let full = try await bench.cote([
                        "env", "import", bench.directory + "/layout", "--name", "one", "--json",
                    ])
                    #expect(full.code == 125 && full.toldCode == "disk-full", "\(size): \(full.errors)")
                    #expect(try await isEmpty(bench))
                }
                try await bench.shell("mount -o remount,size=64m home")
                _ = try await bench.bring(bench.directory + "/layout", name: "one")
                #expect(try await bench.cote(["run", "one", "--", "true"]).code == 0)
            } catch {
                try Mounts.unmount(bench.home)
                throw error
            }
            #expect(try await bench.cote(["env", "remove", "one"]).code == 0)
            #expect(try await bench.cote(["prune"]).code == 0)
            try Mounts.unmount(bench.home)
        }
    }

    @Test func `whoever is killed while importing leaves nothing that counts, and the next try succeeds`() async throws
    {
        try await Workbench.with { bench in
            let seed = UInt64.random(in: 0...UInt64.max)
            var random = SeededRandom(seed: seed)
            for round in 0..<12 {
                // From the first instruction to about the end of it.
                let pause = Double(random.below(400)) / 1000
                try await bench.shell(
                    """
                    export COTE_HOME=\(bench.home) COTE_RUNTIME=\(bench.runtime)
                    export COTE_LIBEXEC=\(bench.configuration.programs)
                    \(Self.builtProgram) env import \(Images.python) --name killed >/dev/null 2>&1 & pid=$!
                    sleep \(pause); kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
                    """)
                let listed = try await bench.cote(["env", "list", "--json"]).output
                let works = try await bench.cote(["run", "killed", "--user", "root", "--", "true"])
                #expect((works.code == 0) == listed.contains("killed"), "seed \(seed), round \(round): \(works.errors)")
            }
            _ = try await bench.bring(Images.python, name: "python")
            #expect(try await bench.cote(["run", "python", "--", "true"]).code == 0)
            #expect(try await bench.cote(["prune"]).code == 0)
            #expect(try await bench.shell("ls -A home/environments | grep -c '^.new' || true") == "0\n")
        }
    }

    private static let builtProgram = Workbench.builtPrograms + "/cote"

    @Test func `many who import the same at once all have it`() async throws {
        try await Workbench.with { bench in
            try await prepare(bench)
            try await withThrowingTaskGroup(of: ProgramResult.self) { group in
                for number in 0..<6 {
                    group.addTask {
                        try await bench.cote(["env", "import", bench.directory + "/layout", "--name", "n\(number)"])
                    }
                }
                var digests: Set<String> = []
                for try await result in group {
                    #expect(result.code == 0, "\(result.errors)")
                    digests.insert(result.output)
                }
                #expect(digests.count == 1)
            }
            for number in 0..<6 { #expect(try await bench.cote(["run", "n\(number)", "--", "true"]).code == 0) }
        }
    }
}
