import CoteEngine
import CoteModel
import CoteSystem
import CoteTestSupport
import Glibc
import Testing

/// Images to and from Debian's own registry, by `cote` and by skopeo.
@Suite(.requires(.root, .crun, .umoci, .skopeo, .registry, .images)) struct RegistryTests {
    /// Runs `body` beside a registry on loopback, whose host and port it gets.
    private func withRegistry(_ bench: Workbench, _ body: (String) async throws -> Void) async throws {
        try Files.create(
            bench.directory + "/registry.yml",
            Array(
                """
                version: 0.1
                log: {level: info, accesslog: {disabled: true}}
                storage: {filesystem: {rootdirectory: \(bench.directory)/registry}}
                http: {addr: "127.0.0.1:0", secret: none}

                """.utf8))
        let started = try await bench.shell(
            """
            docker-registry serve registry.yml > registry.log 2>&1 & echo $!
            until grep -q 'listening on' registry.log; do kill -0 $!; done
            grep -o 'listening on [0-9.:]*[0-9]' registry.log | head -n 1
            """)
        let lines = started.split(separator: "\n")
        let pid = try #require(lines.first.flatMap { pid_t($0) })
        let address = try #require(lines.last?.split(separator: " ").last.map(String.init))
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(address)) } catch { outcome = .failure(error) }
        kill(pid, SIGKILL)
        try outcome.get()
    }

    @Test func `what cote pushes skopeo reads, and what skopeo pushes runs`() async throws {
        try await Workbench.with { bench in
            try await withRegistry(bench) { registry in
                let digest = try await bench.bring(Images.python, name: "python")
                let pushed = try await bench.cote(["env", "push", "python", registry + "/team/python:3"])
                #expect(pushed.code == 0 && pushed.output == digest.text + "\n", "\(pushed.errors)")
                let seen = try await bench.shell(
                    "skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://\(registry)/team/python:3")
                #expect(seen == digest.text + "\n")
                try await bench.shell(
                    """
                    skopeo copy -q --src-tls-verify=false docker://\(registry)/team/python:3 oci:back:x
                    there=docker://\(registry)
                    skopeo copy -q --dest-tls-verify=false oci:\(Images.compiler):latest $there/compiler:12
                    skopeo copy -q --dest-tls-verify=false --format v2s2 oci:back:x docker://\(registry)/docker:1
                    """)
                for name in ["compiler:12", "docker:1"] {
                    let pulled = try await bench.cote(["env", "pull", "\(registry)/\(name)"])
                    #expect(pulled.code == 0, "\(pulled.errors)")
                    #expect(try await bench.cote(["env", "list"]).output.contains("\(registry)/\(name)"))
                }
                // Its root is made by the first run.
                let compiled = try await bench.cote([
                    "run", "\(registry)/compiler:12", "--", "sh", "-c",
                    "echo 'int main(){return 3;}' > a.c; gcc a.c && ./a.out",
                ])
                #expect(compiled.code == 3, "\(compiled.errors)")
                #expect(try await bench.cote(["run", registry + "/docker:1"]).output == "from the image\n")
                let exact = try await bench.cote([
                    "env", "pull", "\(registry)/team/python@\(digest)", "--name", "exact",
                ])
                #expect(exact.code == 0 && exact.output == digest.text + "\n", "\(exact.errors)")
            }
        }
    }

    @Test func `two that pull the same at once both have it, and so has the next after one that was killed`()
        async throws
    {
        try await Workbench.with { bench in
            try await withRegistry(bench) { registry in
                let image = registry + "/python:1"
                try await bench.shell(
                    "skopeo copy -q --dest-tls-verify=false oci:\(Images.python):latest docker://\(image)")
                let seed = UInt64.random(in: 0...UInt64.max)
                var random = SeededRandom(seed: seed)
                for _ in 0..<5 {
                    try await bench.shell(
                        """
                        export COTE_HOME=\(bench.home) COTE_RUNTIME=\(bench.runtime)
                        export COTE_LIBEXEC=\(bench.configuration.programs)
                        \(Workbench.builtPrograms)/cote env pull \(image) >/dev/null 2>&1 & pid=$!
                        sleep \(Double(random.below(300)) / 1000)
                        kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
                        """)
                }
                async let first = bench.cote(["env", "pull", image, "--name", "a"])
                async let second = bench.cote(["env", "pull", image, "--name", "b"])
                for result in [try await first, try await second] {
                    #expect(result.code == 0, "seed \(seed): \(result.errors)")
                }
                #expect(try await bench.cote(["env", "verify"]).code == 0)
                for name in ["a", "b"] { #expect(try await bench.cote(["run", name]).output == "from the image\n") }
            }
        }
    }

    @Test func `a registry that is not there, and an image that it has not, are named`() async throws {
        try await Workbench.with { bench in
            try await withRegistry(bench) { registry in
                let missing = try await bench.cote(["env", "pull", registry + "/nothing:1", "--json"])
                #expect(missing.code == 125 && missing.toldCode == "no-such-image", "\(missing.errors)")
                #expect(missing.errors.contains("nothing"))
            }
            let gone = try await bench.cote(["env", "pull", "127.0.0.1:1/x:1", "--attempts", "1", "--json"])
            #expect(gone.code == 125 && gone.toldCode == "registry-failed", "\(gone.errors)")
            let nonsense = try await bench.cote(["env", "pull", "Not A Name", "--json"])
            #expect(nonsense.code == 2 && nonsense.toldCode == "usage")
        }
    }

    @Test func `a damaged blob is had again from its registry`() async throws {
        try await Workbench.with { bench in
            try await withRegistry(bench) { registry in
                let image = registry + "/python:1"
                try await bench.shell(
                    "skopeo copy -q --dest-tls-verify=false oci:\(Images.python):latest docker://\(image)")
                #expect(try await bench.cote(["env", "pull", image, "--name", "python"]).code == 0)
                try await bench.shell("rm -f home/blobs/sha256/$(ls -S home/blobs/sha256 | head -n 1)")
                let repaired = try await bench.cote(["env", "verify"])
                #expect(
                    repaired.code == 0 && repaired.output.contains("repaired"), "\(repaired.output)\(repaired.errors)")
                #expect(try await bench.cote(["run", "python"]).output == "from the image\n")
            }
        }
    }
}
