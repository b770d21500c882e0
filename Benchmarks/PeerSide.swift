import CoteSystem
import Glibc

/// The part of the benchmark that runs the peers: this program again, in a mount namespace of its own.
///
/// crun refuses to start where a second, v2 tree of control groups has controllers, as on hybrid hosts. To hide that
/// tree once, here, costs the peers nothing that is measured. Each line read is a command, its words apart by NUL; each
/// is answered with its time, or with a `!` and what went wrong.
enum PeerSide {
    /// The argument that means this side.
    static let word = "--peer-side"

    /// - Parameter hidden: programs that are to be missing; where there are any, what runs here is Cote's own, which
    ///   sees all else as it is.
    static func main(hiding hidden: [String]) {
        do {
            try Mounts.makePrivate()
            if hidden.isEmpty { try prepareForPeers() }
            for path in hidden where Files.exists(path) { try Mounts.bind("/dev/null", to: path) }
        } catch {
            answer("!\(error)")
            exit(1)
        }
        while let line = readLine() {
            let words = line.split(separator: "\0").map(String.init)
            do {
                let time = try Stopwatch.run(words, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"])
                answer("\(time)")
            } catch { answer("!\(error)") }
        }
    }

    private static func prepareForPeers() throws {
        // Otherwise crun would give the host's own /dev/null, its standard streams, to the container's root.
        try Mounts.bind("/dev", to: "/dev", recursive: true, [.readOnly, .noSetuid])
        // podman keeps its locks here; nothing of them is left behind.
        try Mounts.mountNew("tmpfs", at: "/dev/shm", options: "size=64m")
        let unified = "/sys/fs/cgroup/unified"
        // podman writes files here that it never removes.
        if Files.exists(unified) { try Mounts.mountNew("tmpfs", at: unified, options: "size=64m") }
    }

    private static func answer(_ text: String) {
        let bytes = Array("\(text)\n".utf8)
        _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}

/// The peers, as the measuring side sees them.
final class Peers {
    private let requests: Descriptor
    private let answers: UnsafeMutablePointer<FILE>

    /// - Parameter hidden: see `PeerSide.main(hiding:)`.
    init(hiding hidden: [String] = []) throws {
        var input = try Descriptor.pipe()
        var output = try Descriptor.pipe()
        let theirInput = input.takeFirst()
        let theirOutput = output.takeSecond()
        var request = SpawnRequest("/proc/self/exe", ["cote-bench", PeerSide.word] + hidden)
        request.namespaces = 0x0002_0000  // CLONE_NEWNS
        request.descriptors = [theirInput.raw, theirOutput.raw, 2]
        do { _ = try request.run() } catch { throw Stopwatch.Failure(description: "peer side: \(error)") }
        requests = input.takeSecond()
        guard let file = fdopen(output.takeFirst().release(), "r") else { throw SystemError("fdopen") }
        answers = file
    }

    deinit { fclose(answers) }

    /// How long a command takes over there.
    @discardableResult
    func run(_ words: [String]) throws -> UInt64 {
        try requests.write(all: Array((words.joined(separator: "\0") + "\n").utf8))
        var line: UnsafeMutablePointer<CChar>?
        var size = 0
        defer { free(line) }
        guard getline(&line, &size, answers) > 0, let line else {
            throw Stopwatch.Failure(description: "the peer side is gone")
        }
        let text = String(cString: line).split(separator: "\n").first.map(String.init) ?? ""
        guard let time = UInt64(text) else { throw Stopwatch.Failure(description: text) }
        return time
    }
}
