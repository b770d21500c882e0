import CoteEngine
import CoteEnvironments
import CoteModel
import CoteSystem
import Glibc

/// The image that rows are about, in this benchmark's own state.
struct MaterialisedImage {
    static let name = "bench:latest"
    let directory: String
    /// Its root and everything that is stored for it: what `env verify` hashes.
    let files: [String]
    let size: UInt64

    /// What lies below the state directory `home` once the image has its root there.
    init(home: String) throws {
        directory = home
        var files = try Files.list(home + "/blobs/sha256").map { "\(home)/blobs/sha256/\($0)" }
        for folder in try Files.list(home + "/environments") {
            let root = "\(home)/environments/\(folder)/image.erofs"
            if Files.exists(root) { files.append(root) }
        }
        self.files = files
        size = try files.reduce(0) { $0 + UInt64(try Files.status($1).st_size) }
    }
}

extension Benchmark {
    /// Runs of what takes seconds.
    static let fewRuns = 5

    private func source() throws -> String {
        guard let image = options.image else {
            throw Stopwatch.Failure(description: "this row needs --image; scripts/build-bench-image makes one")
        }
        return image
    }

    /// The image with its root made, once for all rows.
    private func materialised() async throws -> MaterialisedImage {
        let request = ImportRequest(path: try source(), name: MaterialisedImage.name)
        if engine.listEnvironments().isEmpty {
            _ = try await engine.importEnvironment(request)
            try await engine.prepare(environment: MaterialisedImage.name)
        }
        return try MaterialisedImage(home: directory + "/home")
    }

    /// A sandbox of an image, whose root is there, beside one of the machine's own `/usr`.
    func runImageRow() async throws -> Row {
        _ = try await materialised()
        let samples = try await alternate(
            [
                Side("cote run IMAGE") { [self] in try cote(["run", MaterialisedImage.name, "--"] + Self.command) },
                Side("cote run host") { [self] in try cote(["run", "host", "--"] + Self.command) },
            ], rest: .milliseconds(50))
        var row = Row(name: "run-image", unit: "ms", cote: samples[0], peers: Array(samples[1...]))
        row.bar(.most(1.15), times: "cote run host")
        row.notes = ["the image's root was made beforehand; each side begins after 50 ms of rest"]
        return row
    }

    /// From an image in files to a root that a sandbox can have, beside the tools that do the same.
    func importRow() async throws -> Row {
        let image = try source()
        let place = directory + "/import"
        let samples = try await alternate(
            [
                Side("cote env import") { [self] in
                    try emptied(place)
                    return try cote(
                        ["env", "import", image, "--name", MaterialisedImage.name], home: place + "/home")
                },
                Side("skopeo copy + umoci unpack") { [self] in
                    try emptied(place)
                    let copy = ["/usr/bin/skopeo", "copy", "--quiet", "oci:\(image)", "oci:\(place)/layout:latest"]
                    let unpack = ["/usr/bin/umoci", "unpack", "--image", place + "/layout:latest", place + "/bundle"]
                    return try peers.run(copy) + peers.run(unpack)
                },
            ], runs: Self.fewRuns, warmUps: 1)
        try Files.removeTree(place)
        var row = Row(name: "import", unit: "ms", cote: samples[0], peers: Array(samples[1...]))
        row.bar(.most(0.7), times: "skopeo copy + umoci unpack")
        row.notes = [
            "an OCI layout of five gzip layers, about 500 MB unpacked; a first run each, which is not counted, reads "
                + "it into memory",
            "\(Self.fewRuns) runs each; what one has left is removed, and the disk idle, before the next begins",
        ]
        return row
    }

    /// Makes an empty directory of `place`, and waits until the disk has nothing left to do.
    private func emptied(_ place: String) throws {
        try Files.removeTree(place)
        try Files.makeDirectory(place, mode: 0o700)
        sync()
    }

    /// Bytes that each processor hashes in a second, beside one that does nothing else.
    func verifyRow() async throws -> Row {
        let image = try await materialised()
        let processors = Double(sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        let samples = try await alternate(
            [
                Side("cote env verify") { [self] in try cote(["env", "verify"]) },
                Side("sha256sum") { try Stopwatch.run(["/usr/bin/sha256sum"] + image.files, environment: []) },
            ], runs: Self.fewRuns)
        let mebibytes = Double(image.size) / 1_048_576
        let mine = samples[0].map { mebibytes / ($0 / 1000) / processors }
        let host = samples[1].map { mebibytes / ($0 / 1000) }
        var row = Row(name: "verify", unit: "MiB/s a processor", cote: mine, peers: [host])
        row.bar(.least(0.6), times: "sha256sum")
        row.notes = [
            "the same \(image.files.count) files, \(mebibytes.short) MiB, in memory; sha256sum reads one after the "
                + "other, Cote has all \(processors.short) processors; \(Self.fewRuns) runs each"
        ]
        return row
    }
}
