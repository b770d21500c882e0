import Testing

@Suite struct WordRuleTests {
    private func lines(_ rule: (SourceFile) -> [Finding], _ text: String) -> [Int?] {
        rule(SourceFile(path: "Sources/A/a.swift", text: text)).map(\.line)
    }

    @Test(arguments: [
        "struct SandboxManager {}", "final class Helper {}", "enum FileUtils {}", "actor A {}\nprotocol CommonParts {}",
        "typealias MiscThings = Int",
    ])
    func `a type with an empty name is found`(text: String) {
        #expect(lines(WordRules.emptyTypeNames, text).count == 1)
    }

    @Test(arguments: [
        "FileManager.default.remove()", "extension FileManager {}", "struct Commonwealth {}", "// struct Helper",
        "let manager = 1",
    ])
    func `another's type or a longer word is not`(text: String) {
        #expect(lines(WordRules.emptyTypeNames, text) == [])
    }

    @Test(arguments: [
        ("Sources/Common/A.swift", 1), ("Sources/A/Path+Helpers.swift", 1), ("scripts/utils", 1),
        ("Sources/A/misc.c", 1), ("Sources/CoteHTTPUtils/Manager.swift", 2), ("Sources/A/Commons.swift", 0),
        ("docs/uncommon.md", 0),
    ])
    func `a path with an empty name is found`(path: String, count: Int) {
        #expect(WordRules.emptyPathNames(path).count == count)
    }

    @Test(arguments: [
        ("FileManager", ["file", "manager"]), ("file-manager_2", ["file", "manager"]),
        ("HTTPUtils", ["http", "utils"]),
        ("CoteHTTPUtils", ["cote", "http", "utils"]), ("", []),
    ])
    func `a compound name has its words`(name: String, humps: [String]) {
        #expect(WordRules.humps(name) == humps)
    }

    @Test(arguments: [
        ("let now = SystemClock.wall()", 1), ("clock_gettime(CLOCK_REALTIME, &time)", 1), ("Date() < Date()", 2),
        ("SystemClock.monotonic()", 0), ("let date = 1 // Date()", 0), ("clock_gettime(CLOCK_BOOTTIME, &time)", 0),
    ])
    func `a reading of a clock that may jump is found`(text: String, count: Int) {
        #expect(lines(WordRules.unsteadyClocks, text).count == count)
    }

    @Test(arguments: [
        "fatalError(\"a\")", "precondition (a)", "preconditionFailure()", "assert(a)", "assertionFailure()",
        "unsafeBitCast(a, to: B.self)", "a.unsafelyUnwrapped", "// INVARIANT:\nfatalError()",
        "// INVARIANT: too far away.\n\nfatalError()", "\"// no\"; fatalError()",
    ])
    func `a trap that nothing explains is found`(text: String) {
        #expect(lines(WordRules.unexplainedTraps, text).count == 1)
    }

    @Test(arguments: [
        "// INVARIANT: there is always one.\nfatalError()", "fatalError()  // INVARIANT: checked above.",
        "// fatalError()", "\"fatalError()\"", "let assert = 1", "asserted(a)",
    ])
    func `a trap that is explained, or is none, is not`(text: String) {
        #expect(lines(WordRules.unexplainedTraps, text) == [])
    }

    @Test func `forced operators are found and checked ones are not`() {
        #expect(lines(WordRules.forcedOperators, "a\ntry! b\nc as! D\n\"\\(e as! F)\"") == [2, 3, 4])
        #expect(lines(WordRules.forcedOperators, "try? a\ntry !b\nc as? D\n// try! e\n\"as! f\"\ng != h") == [])
    }

    @Test func `a path of a machine is found and a path in a sandbox is not`() {
        for folder in ["work", "root"] {
            let path = "/\(folder)/"
            #expect(
                lines(WordRules.machinePaths, "\(path)a\n\"\(path)b\"\n// see \(path)c\nA=\(path)d") == [1, 2, 3, 4])
            #expect(lines(WordRules.machinePaths, "volume\(path)a\n\"\\(volume)\(path)b\"\n/\(folder)space/a") == [])
        }
    }

    @Test func `an unfinished mark is found and a word that holds it is not`() {
        for mark in ["TO" + "DO", "FIX" + "ME", "XX" + "X"] {
            #expect(lines(WordRules.unfinished, "a\n// \(mark): b\n\(mark)") == [2, 3])
            #expect(lines(WordRules.unfinished, "MAS\(mark)\n\(mark.lowercased())\n\(mark)NT") == [])
        }
    }
}
