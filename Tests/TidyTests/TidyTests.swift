import Testing

/// The house's style, held against this repository. `SizeRuleTests`, `WordRuleTests` and `ArchitectureTests` show that
/// each rule finds what it is for.
@Suite struct TidyTests {
    /// Files and functions that are too long, with their length. Only ever shorter.
    private static let longFiles: [String: Int] = [:]
    private static let longFunctions: [String: Int] = [:]

    private func expectNone(_ findings: [Finding], _ location: SourceLocation = #_sourceLocation) {
        for finding in findings { Issue.record("\(finding)", sourceLocation: location) }
    }

    @Test func `the repository is where the tests look for it`() {
        let paths = Set(Repository.files.map(\.path))
        #expect(paths.isSuperset(of: ["Package.swift", "Makefile", "Tests/TidyTests/TidyTests.swift", ".ci/run"]))
        #expect(!paths.contains { $0.hasPrefix(".build") || $0.hasPrefix(".git/") })
    }

    @Test func `no file is longer than 500 lines, no test than 600, no main than 49`() {
        let files = Repository.files.filter { $0.language != .other }
        let limits = Dictionary(uniqueKeysWithValues: files.map { ($0.path, SizeRules.limit(of: $0)) })
        let measured = files.map { SizeRules.Measured(path: $0.path, line: 1, name: "", lines: $0.lines.count) }
        expectNone(
            SizeRules.tooLong(
                measured, limit: { limits[$0.path] ?? SizeRules.fileLimit }, exceptions: Self.longFiles))
    }

    @Test func `no function is longer than 70 lines`() {
        let functions = Repository.files.filter { $0.language == .swift || $0.language == .c }
            .flatMap(FunctionScanner.functions)
        #expect(functions.count > 100)
        expectNone(
            SizeRules.tooLong(functions, limit: { _ in SizeRules.functionLimit }, exceptions: Self.longFunctions))
    }

    @Test func `no line is wider than 120 columns`() {
        expectNone(Repository.files.filter { $0.language != .other }.flatMap(SizeRules.wideLines))
    }

    @Test func `names say what a thing is for`() {
        expectNone(Repository.swift.flatMap(WordRules.emptyTypeNames))
        expectNone(Repository.files.flatMap { WordRules.emptyPathNames($0.path) })
    }

    @Test func `every trap says why it cannot fire`() {
        expectNone(Repository.swift.flatMap(WordRules.unexplainedTraps))
        expectNone(Repository.swift.flatMap(WordRules.forcedOperators))
    }

    /// What people read: the time of a journal's line, of a state, of a creation, of a name and of what is set aside,
    /// and an age.
    private static let timesOfDay = [
        "Sources/CoteSystem/Clock.swift": 2, "Sources/CoteJournal/JournalWriter.swift": 1,
        "Sources/CoteKeeper/Chronicle.swift": 1, "Sources/CoteEngine/Engine.swift": 1,
        "Sources/CoteEngine/Store+Reconcile.swift": 2, "Sources/CoteCLI/Commands/ListCommand.swift": 1,
        "Sources/CoteEnvironments/EnvironmentStore+Import.swift": 1,
        "Sources/CoteEnvironments/EnvironmentStore+Registry.swift": 1,
    ]

    @Test func `the time of day is read for people alone, and no duration or deadline depends on it`() {
        let readings = Dictionary(grouping: Repository.swift.flatMap(WordRules.unsteadyClocks), by: \.path)
        expectNone(readings.filter { Self.timesOfDay[$0] != $1.count }.flatMap(\.value))
        #expect(Set(readings.keys) == Set(Self.timesOfDay.keys))
    }

    @Test func `nothing names a machine or is left unfinished`() {
        expectNone(Repository.files.flatMap(WordRules.machinePaths))
        expectNone(Repository.files.flatMap(WordRules.unfinished))
    }

    @Test func `targets depend on each other as the table says`() throws {
        expectNone(Architecture.cote.differences(from: try PackageDump.cote.get().dependencies))
        expectNone(Architecture.cote.brokenLayers())
    }

    @Test func `modules import what they may`() throws {
        expectNone(Repository.swift.flatMap(Architecture.cote.forbiddenImports))
        let package = try PackageDump.cote.get()
        expectNone(Repository.swift.flatMap(package.undeclaredImports))
    }
}
