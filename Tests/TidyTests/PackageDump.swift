import Foundation

/// The package as its manifest declares it.
struct PackageDump: Decodable {
    let targets: [Target]

    struct Target: Decodable {
        let name: String
        let type: String
        let path: String?
        let dependencies: [Dependency]

        /// Where its files are.
        var folder: String { path ?? "\(type == "test" ? "Tests" : "Sources")/\(name)" }
    }

    /// In JSON an object with one key, the form of the dependency, whose list starts with the name.
    struct Dependency: Decodable {
        let name: String

        init(from decoder: any Decoder) throws {
            let forms = try decoder.singleValueContainer().decode([String: [Part]].self)
            guard let name = forms.values.first?.first?.text else {
                throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no name"))
            }
            self.name = name
        }

        private struct Part: Decodable {
            let text: String?

            init(from decoder: any Decoder) throws { text = try? decoder.singleValueContainer().decode(String.self) }
        }
    }

    /// What is built for others: every target but tests and what supports them.
    var dependencies: [String: Set<String>] {
        Dictionary(
            uniqueKeysWithValues: targets.filter { $0.type != "test" && $0.path?.hasPrefix("Tests") != true }
                .map { ($0.name, Set($0.dependencies.map(\.name))) })
    }

    /// Modules of this package that a file imports and its target does not declare. Where they happen to have been
    /// built before, the compiler finds them all the same; in a fresh clone it does not.
    func undeclaredImports(_ file: SourceFile) -> [Finding] {
        guard let target = targets.first(where: { file.path.hasPrefix($0.folder + "/") }) else { return [] }
        let declared = Set(target.dependencies.map(\.name) + [target.name])
        let own = Set(targets.map(\.name))
        return Architecture.imports(file).filter { own.contains($0.module) && !declared.contains($0.module) }
            .map { Finding(file.path, $0.line, "imports \($0.module), which \(target.name) does not declare") }
    }

    /// This repository's, asked for once.
    static let cote = Result { try of(Repository.root) }

    /// Asks SwiftPM about the package at `root`, in a scratch folder of its own: the build that runs these tests may
    /// hold the lock on the usual one.
    static func of(_ root: URL) throws -> PackageDump {
        let scratch = FileManager.default.temporaryDirectory.appending(path: "cote-tidy-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: scratch) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "swift", "package", "--package-path", root.path, "--scratch-path", scratch.path, "dump-package",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let json = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(status: process.terminationStatus) }
        return try JSONDecoder().decode(PackageDump.self, from: json)
    }

    struct Failure: Error { let status: Int32 }
}
