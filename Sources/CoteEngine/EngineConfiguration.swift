import CoteEnvironments
public import CoteModel
import CoteSystem
import Glibc

/// Where an engine keeps things and finds its programs. All paths are absolute.
public struct EngineConfiguration: Hashable, Sendable {
    /// `$COTE_HOME`: what outlives a reboot.
    public var home: String
    /// `$COTE_RUNTIME`: sockets.
    public var runtime: String
    /// Where `cote-keeper` and `cote-agent` are.
    public var programs: String
    /// Directories a class's binaries are taken from, in order. Only the operator's own choice: never `PATH`.
    public var binaryDirectories: [String]

    /// Where programs are that come with the system, and those that its administrator adds.
    public static let standardBinaryDirectories = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"]

    /// Takes every place as given; nothing is looked at or created yet.
    public init(
        home: String, runtime: String, programs: String,
        binaryDirectories: [String] = EngineConfiguration.standardBinaryDirectories
    ) {
        self.home = home
        self.runtime = runtime
        self.programs = programs
        self.binaryDirectories = binaryDirectories
    }

    /// What of it is about environments.
    var environments: EnvironmentConfiguration {
        EnvironmentConfiguration(
            home: home, runtime: runtime, programs: programs, binaryDirectories: binaryDirectories,
            workerBase: Privilege.current == .rootless ? UserRanges.shared : UserRanges.workers,
            mountsImages: Privilege.current == .root)
    }

    /// The configuration that environment variables and this program's own place imply: `COTE_HOME`, `COTE_RUNTIME`,
    /// `COTE_LIBEXEC` and `COTE_BINARIES` (a list with colons) where set; else the standard directories of the user,
    /// and `../libexec/cote` beside the program, or the program's own directory in a build tree.
    public static func standard() throws(CoteError) -> EngineConfiguration {
        let isRoot = Privilege.current == .root
        let data = variable("XDG_DATA_HOME") ?? variable("HOME").map { $0 + "/.local/share" }
        let home = variable("COTE_HOME") ?? (isRoot ? "/var/lib/cote" : data.map { $0 + "/cote" })
        let runtime =
            variable("COTE_RUNTIME") ?? (isRoot ? "/run/cote" : variable("XDG_RUNTIME_DIR").map { $0 + "/cote" })
        guard let home, let runtime else {
            let missing = home == nil ? "HOME" : "XDG_RUNTIME_DIR"
            throw CoteError(
                .usage, "no place for state: \(missing) is not set",
                hint: "set \(missing), or COTE_HOME and COTE_RUNTIME")
        }
        guard home.hasPrefix("/"), runtime.hasPrefix("/") else {
            throw CoteError(.usage, "COTE_HOME and COTE_RUNTIME must be absolute paths")
        }
        let binaries = variable("COTE_BINARIES").map { $0.split(separator: ":").map(String.init) }
        guard binaries?.allSatisfy({ $0.hasPrefix("/") }) != false else {
            throw CoteError(.usage, "COTE_BINARIES must name absolute paths, with colons between")
        }
        return EngineConfiguration(
            home: home, runtime: runtime, programs: try programDirectory(),
            binaryDirectories: binaries ?? standardBinaryDirectories)
    }

    private static func variable(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    private static func programDirectory() throws(CoteError) -> String {
        if let directory = variable("COTE_LIBEXEC") { return directory }
        let program = (try? Files.linkTarget("/proc/self/exe")) ?? ""
        let own = program.lastIndex(of: "/").map { String(program[..<$0]) } ?? "/usr/bin"
        for directory in [own + "/../libexec/cote", own] where Files.exists(directory + "/cote-keeper") {
            return directory
        }
        throw CoteError(
            .internal, "cote-keeper is not installed beside \(program)", hint: "set COTE_LIBEXEC to its directory")
    }
}
