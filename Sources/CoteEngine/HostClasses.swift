import CoteDriverOCI
import CoteModel
import CoteSandbox
import CoteSystem
import Glibc

/// The sandbox classes of this host and the programs they run on.
struct HostClasses: Sendable {
    private let configuration: EngineConfiguration

    init(_ configuration: EngineConfiguration) { self.configuration = configuration }

    /// The class's program, from the operator's directories: root's own file, which nobody else may change. The first
    /// of those that will do; one that others may change is not passed over in silence.
    func runtime(of sandboxClass: SandboxClass) throws(CoteError) -> String {
        let names = Self.programs(of: sandboxClass)
        for name in names {
            if let path = try find(name, for: sandboxClass) { return path }
        }
        throw CoteError(
            .classUnavailable,
            "class '\(sandboxClass.rawValue)' needs \(names.joined(separator: " or ")), which is not installed",
            hint: "apt-get install \(names[0])")
    }

    private func find(_ name: String, for sandboxClass: SandboxClass) throws(CoteError) -> String? {
        var untrusted: String?
        for directory in configuration.binaryDirectories {
            let path = "\(directory)/\(name)"
            guard let status = try? Files.status(path), status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o111 != 0
            else { continue }
            if Privilege.isOperators(status), status.st_mode & 0o022 == 0 { return path }
            untrusted = path
        }
        guard let untrusted else { return nil }
        throw CoteError(
            .classUnavailable, "class '\(sandboxClass.rawValue)': \(untrusted) can be changed by others than root")
    }

    /// What the class runs on, the preferred one first.
    static func programs(of sandboxClass: SandboxClass) -> [String] {
        switch sandboxClass {
        case .container: OCIRuntime.allCases.map(\.rawValue)
        }
    }

    /// The first line of what the program says of itself.
    static func version(of program: String) -> String? {
        do {
            var pipe = try Descriptor.pipe()
            let nothing = try Descriptor.open("/dev/null", O_RDWR)
            var request = SpawnRequest(program, [program, "--version"])
            let writer = pipe.takeSecond()
            request.descriptors = [nothing.raw, writer.raw, nothing.raw]
            let child = try request.run()
            _ = writer
            let reader = pipe.takeFirst()
            _ = try child.wait()
            try reader.setNonblocking()
            var buffer = [UInt8](repeating: 0, count: 4096)
            guard case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try reader.read(into: $0) }) else {
                return nil
            }
            return String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").first.map(String.init)
        } catch {
            return nil
        }
    }
}
