import CoteSystem
import CoteTestSupport
import Testing

/// A machine of QEMU's, with a kernel that `scripts/fetch-kernel` fetched and control groups v2, that tries Cote on
/// itself. `Machine/checks` is what it does.
struct Machine: Sendable, CustomTestStringConvertible {
    /// The directory of its kernel.
    let kernel: String

    var testDescription: String { kernel.split(separator: "/").last.map(String.init) ?? kernel }

    /// One for each kernel that is there, and one that fails where there is none.
    static let all: [Machine] = {
        let kernels = Requirement.kernels
        return (kernels.isEmpty ? ["/nowhere/kernel"] : kernels).map(Machine.init)
    }()

    /// What it found, by name; all that ask get the same.
    func facts() async throws -> Facts {
        guard let report = Self.reports[kernel] else { throw Unbooted(description: "no machine of \(kernel)") }
        return try await report.value
    }

    /// Each boots once, when the first asks.
    private static let reports = Dictionary(
        uniqueKeysWithValues: all.map { machine in (machine.kernel, Task { try await machine.boot() }) })

    private static let sources = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Machine"
    private static let path = ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]

    private func boot() async throws -> Facts {
        try await Workbench.with { bench in
            let place = bench.directory + "/machine"
            try Files.makeDirectory(place)
            let assembled = try await bench.run(
                SpawnRequest(
                    "/bin/bash", ["bash", Self.sources + "/assemble", Workbench.builtPrograms, kernel, place],
                    environment: Self.path))
            guard assembled.code == 0 else { throw Unbooted(description: assembled.errors) }
            // Half a minute on an idle machine; QEMU's own end is the guest's.
            let words = ["timeout", "-k", "5", "400", "/usr/bin/qemu-system-x86_64"] + arguments(place)
            let ended = try await bench.run(SpawnRequest("/usr/bin/timeout", words, environment: Self.path))
            let facts = Facts(console: ended.output)
            guard ended.code == 0, facts.isComplete else {
                throw Unbooted(description: "code \(ended.code): \(ended.errors)\(ended.output.suffix(4000))")
            }
            return facts
        }
    }

    /// Without KVM, which not every machine that tests has.
    private func arguments(_ place: String) -> [String] {
        [
            "-accel", "tcg", "-M", "q35", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-serial", "stdio", "-kernel", kernel + "/vmlinuz", "-initrd", place + "/initrd",
            "-append", "console=ttyS0 quiet loglevel=1 panic=-1",
            "-drive", "file=\(place)/disk,format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk",
        ]
    }
}

/// What a machine said, in lines `fact NAME VALUE`.
struct Facts: Sendable {
    private var values: [String: String] = [:]

    init(console: String) {
        for line in console.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard words.count >= 2, words[0] == "fact" else { continue }
            values[words[1]] = words.count == 3 ? words[2] : ""
        }
    }

    /// Whether it came to its end.
    var isComplete: Bool { values["end"] != nil }

    /// A fact that the machine must have told.
    subscript(_ name: String) -> String { values[name] ?? "nothing was said of \(name)" }
}

private struct Unbooted: Error, CustomStringConvertible {
    var description: String
}
