import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// What is kept of images: verified, repaired, shared, and taken away when nothing needs it.
@Suite(.requires(.root, .machine, .crun, .umoci, .erofs)) struct CareTests {
    /// A layout and an environment of it called `one`.
    private func prepare(_ bench: Workbench) async throws -> Digest {
        try Images.makeTree(bench.directory + "/tree")
        try await bench.shell(
            """
            tar -C tree -cf root.tar .
            umoci init --layout layout; umoci new --image layout:one
            umoci raw add-layer --image layout:one root.tar
            """)
        return try await bench.bring(bench.directory + "/layout", name: "one")
    }

    /// The largest blob of the store.
    private func largest(_ bench: Workbench) async throws -> String {
        let line = try await bench.shell("ls -S home/blobs/sha256 | head -n 1")
        return "\(bench.home)/blobs/sha256/\(line.prefix { $0 != "\n" })"
    }

    @Test func `a damaged blob is found, set aside and had again from where the image came from`() async throws {
        try await Workbench.with { bench in
            _ = try await prepare(bench)
            let sound = try await bench.cote(["env", "verify"])
            #expect(sound.code == 0 && sound.output.contains("verified  4 "), "\(sound.output)\(sound.errors)")
            let blob = try await largest(bench)
            try await bench.shell("chmod 600 \(blob); printf X | dd of=\(blob) bs=1 seek=100 conv=notrunc 2>/dev/null")
            let repaired = try await bench.cote(["env", "verify", "--json"])
            #expect(repaired.code == 0, "\(repaired.errors)")
            let digest = "sha256:" + (blob.split(separator: "/").last.map(String.init) ?? "")
            #expect(repaired.output.contains("\"quarantined\":[\"\(digest)\"]"))
            #expect(repaired.output.contains("\"repaired\":[\"\(digest)\"]"))
            #expect(Files.exists("\(bench.home)/blobs/quarantine/\(digest.dropFirst(7))"))
            #expect(try await bench.cote(["env", "verify"]).code == 0)
        }
    }

    @Test func `what no source has stays missing, and another source repairs it`() async throws {
        try await Workbench.with { bench in
            _ = try await prepare(bench)
            let blob = try await largest(bench)
            try await bench.shell("cp -r layout other; rm -r layout; rm -f \(blob)")
            let missing = try await bench.cote(["env", "verify"])
            #expect(missing.code == 1 && missing.output.contains("missing   sha256:"), "\(missing.output)")
            // Its root is there all the same; without that, what is missing is named.
            #expect(try await bench.cote(["run", "one", "--", "true"]).code == 0)
            try await bench.shell("rm -rf home/environments/[0-9a-f]*")
            let refused = try await bench.cote(["run", "one", "--json", "--", "true"])
            #expect(refused.code == 125 && refused.toldCode == "missing-content", "\(refused.errors)")
            let repaired = try await bench.cote(["env", "verify", "--from", bench.directory + "/other"])
            #expect(repaired.code == 0 && repaired.output.contains("repaired"), "\(repaired.output)\(repaired.errors)")
            #expect(try await bench.cote(["run", "one", "--", "true"]).code == 0)
        }
    }

    @Test func `a root that has changed is never used`() async throws {
        try await Workbench.with { bench in
            let digest = try await prepare(bench)
            let image = "\(bench.home)/environments/\(digest.hex)/image.erofs"
            let before = try await bench.shell("sha256sum < \(image)")
            // In place, at the same size: its time of change tells.
            try await bench.shell(
                "chmod 600 \(image); printf XXXX | dd of=\(image) bs=1 seek=9000 conv=notrunc 2>/dev/null")
            #expect(try await bench.cote(["run", "one", "--", "true"]).code == 0)
            #expect(try await bench.shell("sha256sum < \(image)") == before)
            try await bench.shell(
                "chmod 600 \(image); printf XXXX | dd of=\(image) bs=1 seek=9000 conv=notrunc 2>/dev/null")
            let verified = try await bench.cote(["env", "verify"])
            #expect(verified.code == 0 && verified.output.contains("had changed"), "\(verified.output)")
            #expect(try await bench.cote(["run", "one", "--", "true"]).code == 0)
        }
    }

    @Test func `a layer that has changed is never unpacked`() async throws {
        try await Workbench.with { bench in
            _ = try await prepare(bench)
            let blob = try await largest(bench)
            try await bench.shell(
                """
                rm -rf home/environments/[0-9a-f]*
                chmod 600 \(blob); printf X | dd of=\(blob) bs=1 seek=5000 conv=notrunc 2>/dev/null
                """)
            let refused = try await bench.cote(["run", "one", "--json", "--", "true"])
            #expect(refused.code == 125, "\(refused.errors)")
            #expect(["digest-mismatch", "bad-image"].contains(refused.toldCode ?? ""), "\(refused.errors)")
            #expect(refused.errors.contains("sha256:"))
            #expect(try await bench.shell("ls -A home/environments") == "locks\n")
        }
    }

    @Test func `prune takes what no name and no sandbox needs, and nothing else`() async throws {
        try await Workbench.with { bench in
            let digest = try await prepare(bench)
            try await bench.shell("echo more > tree/data/more")
            _ = try await bench.bring(bench.directory + "/tree", name: "two")
            #expect(try await bench.cote(["create", "one", "--name", "box"]).code == 0)
            #expect(try await bench.cote(["stop", "box"]).code == 0)
            for name in ["one", "two"] { #expect(try await bench.cote(["env", "remove", name]).code == 0) }
            // A sandbox that has stopped counts as ended for prune; one that runs does not.
            #expect(try await bench.cote(["start", "box"]).code == 0)
            let dry = try await bench.cote(["prune", "--dry-run"])
            #expect(dry.output.split(separator: "\n").filter { $0.hasPrefix("environment ") }.count == 1)
            let pruned = try await bench.cote(["prune"])
            #expect(pruned.output == dry.output)
            #expect(try await bench.cote(["exec", "box", "--", "cat", "/data/file"]).output == "content\n")
            #expect(try await bench.cote(["stop", "box"]).code == 0)
            #expect(try await bench.cote(["start", "box"]).code == 0)
            #expect(try await bench.cote(["env", "show", String(digest.hex.prefix(12))]).code == 0)
            #expect(try await bench.cote(["remove", "-f", "box"]).code == 0)
            #expect(try await bench.cote(["prune"]).code == 0)
            #expect(
                try await bench.shell("ls home/blobs/sha256 home/environments/ | grep -c '^[0-9a-f]' || true") == "0\n")
        }
    }

    @Test func `all sandboxes of an environment share one device, which goes with the last`() async throws {
        try await Workbench.with { bench in
            _ = try await prepare(bench)
            for name in ["a", "b", "c"] {
                #expect(try await bench.cote(["create", "one", "--name", name]).code == 0)
            }
            #expect(bench.devices().count == 1)
            #expect(try await bench.cote(["remove", "-f", "a", "b"]).code == 0)
            #expect(bench.devices().count == 1)
            #expect(try await bench.cote(["exec", "c", "--", "cat", "/data/file"]).output == "content\n")
            #expect(try await bench.cote(["remove", "-f", "c"]).code == 0)
            #expect(bench.devices().isEmpty)
        }
    }

    @Test func `owners in an image are those of the sandbox, and its files are as they were`() async throws {
        try await Workbench.with { bench in
            _ = try await prepare(bench)
            let seen = try await bench.cote([
                "run", "one", "--", "stat", "-c", "%u %g %a %n", "/data/file", "/data", "/",
            ])
            #expect(seen.output == "12 12 644 /data/file\n0 0 755 /data\n0 0 755 /\n", "\(seen.errors)")
        }
    }
}
