/// Which target may use which, and what the source may import. A change here is a change of the architecture:
/// `docs/ARCHITECTURE.md` and this table say the same.
struct Architecture: Sendable {
    /// Every target that is not a test, with the targets and products it depends on.
    var dependencies: [String: Set<String>]
    /// What a person or a program calls; they reach a driver through the engine alone.
    var surfaces: Set<String>
    /// Implementations of one seam; they know nothing of each other.
    var drivers: Set<String>
    /// What the agent is made of, from `guest` down: nothing else is ever linked into it.
    var guest: String
    var guestClosure: Set<String>
    /// The modules that import each C shim.
    var shims: [String: Set<String>]

    static let cote = Architecture(
        dependencies: [
            "CLinux": [],
            "CBtrfs": [],
            "CoteSystem": ["CLinux"],
            "CoteModel": [],
            "CoteWire": ["CoteModel", "CoteSystem"],
            "CoteArchive": [],
            "CoteGuest": ["CoteArchive", "CoteWire", "CoteModel", "CoteSystem", "CLinux"],
            "CZlib": [],
            "CZstd": [],
            "CoteContent": ["CoteModel", "CoteSystem", "Crypto"],
            "CoteWorker": ["CoteModel", "CoteSystem"],
            "CoteEnvironments": ["CoteContent", "CoteWorker", "CoteModel", "CoteSystem"],
            "CoteUnpack": [
                "CoteArchive", "CoteContent", "CoteWorker", "CoteModel", "CoteSystem", "CZlib", "CZstd",
            ],
            "CoteRegistry": [
                "CoteWorker", "CoteContent", "CoteModel", "CoteSystem", "AsyncHTTPClient", "NIOCore", "NIOHTTP1",
                "NIOPosix", "NIOSSL",
            ],
            "CoteJournal": ["CoteModel", "CoteSystem"],
            "CoteSandbox": ["CoteVolumes", "CoteModel", "CoteSystem"],
            "CoteVolumes": ["CBtrfs", "CoteModel", "CoteSystem"],
            "CoteDriverOCI": ["CoteSandbox", "CoteModel", "CoteSystem"],
            "CoteKeeper": ["CoteSandbox", "CoteJournal", "CoteWire", "CoteModel", "CoteSystem"],
            "CoteEngine": [
                "CoteDriverOCI", "CoteEnvironments", "CoteContent", "CoteWorker", "CoteVolumes", "CoteSandbox",
                "CoteJournal", "CoteWire", "CoteModel", "CoteSystem",
            ],
            "CoteCLI": [
                "CoteEngine", "CoteEnvironments", "CoteContent", "CoteJournal", "CoteModel", "CoteSystem",
                "ArgumentParser",
            ],
            "cote": ["CoteCLI"],
            "cote-keeper": ["CoteKeeper", "CoteDriverOCI", "CoteModel"],
            "cote-agent": ["CoteGuest", "CoteModel"],
            "cote-unpack": ["CoteUnpack"],
            "cote-registry": ["CoteRegistry"],
            "cote-bench": [
                "CoteEngine", "CoteEnvironments", "CoteGuest", "CoteJournal", "CoteModel", "CoteSandbox", "CoteSystem",
                "CoteVolumes",
            ],
        ],
        surfaces: ["CoteCLI"],
        drivers: ["CoteDriverOCI"],
        guest: "CoteGuest",
        guestClosure: ["CoteGuest", "CoteArchive", "CoteWire", "CoteModel", "CoteSystem", "CLinux"],
        shims: [
            "CLinux": ["CoteSystem", "CoteGuest"], "CZlib": ["CoteUnpack"], "CZstd": ["CoteUnpack"],
            "CBtrfs": ["CoteVolumes"],
        ])

    /// What the guest may import beyond its own targets: the C library and the standard library.
    private static let guestSystem: Set = ["Glibc", "Synchronization"]

    /// Where the manifest and the table differ.
    func differences(from actual: [String: Set<String>]) -> [Finding] {
        Set(dependencies.keys).union(actual.keys).sorted().flatMap { target -> [Finding] in
            guard let allowed = dependencies[target] else { return [Finding(target, nil, "is not in the table")] }
            guard let used = actual[target] else { return [Finding(target, nil, "is in the table alone")] }
            return used.subtracting(allowed).sorted().map { Finding(target, nil, "may not depend on \($0)") }
                + allowed.subtracting(used).sorted().map { Finding(target, nil, "does not depend on \($0) any more") }
        }
    }

    /// What the table itself says that it must not.
    func brokenLayers() -> [Finding] {
        var findings: [Finding] = []
        for target in surfaces.union(drivers).sorted() {
            for driver in drivers.intersection(dependencies[target] ?? []).sorted() {
                findings.append(Finding(target, nil, "may not depend on the driver \(driver)"))
            }
        }
        for target in closure(of: guest).subtracting(guestClosure).sorted() {
            findings.append(Finding(guest, nil, "may not reach \(target)"))
        }
        return findings
    }

    /// A target and all that it is linked with.
    func closure(of target: String) -> Set<String> {
        var reached: Set = [target]
        var waiting = [target]
        while let next = waiting.popLast() {
            for dependency in dependencies[next] ?? [] where reached.insert(dependency).inserted {
                waiting.append(dependency)
            }
        }
        return reached
    }

    /// The imports of a file that its module may not have.
    func forbiddenImports(_ file: SourceFile) -> [Finding] {
        guard let module = file.module else { return [] }
        return Self.imports(file).compactMap { name, line in
            reason(module, name).map { Finding(file.path, line, "imports \(name): \($0)") }
        }
    }

    private func reason(_ module: String, _ name: String) -> String? {
        if let users = shims[name], !users.contains(module) {
            return "only \(users.sorted().joined(separator: ", ")) may"
        }
        if drivers.contains(name), surfaces.union(drivers).contains(module) { return "only the engine knows drivers" }
        let declared = dependencies[module] ?? []
        if dependencies.keys.contains(name), !declared.contains(name) { return "not a dependency of \(module)" }
        if guestClosure.contains(module), !declared.contains(name), !Self.guestSystem.contains(name) {
            return "the guest has the C library and nothing else"
        }
        return nil
    }

    /// The modules that a file imports, with the lines; `import struct A.B` is of `A`.
    static func imports(_ file: SourceFile) -> [(module: String, line: Int)] {
        let kinds: Set = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
        let words = file.code.words
        return words.indices.compactMap { index in
            guard words[index].text == "import" else { return nil }
            let rest = words[(index + 1)...].drop { kinds.contains($0.text) }
            guard let name = rest.first, name.line == words[index].line else { return nil }
            return (name.text, name.line)
        }
    }
}
