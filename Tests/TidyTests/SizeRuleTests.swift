import Testing

@Suite struct SizeRuleTests {
    private func measured(_ text: String, _ path: String = "Sources/A/a.swift") -> [String] {
        FunctionScanner.functions(in: SourceFile(path: path, text: text)).map { "\($0.name) \($0.lines)" }
    }

    @Test(arguments: [
        ("func a() {\n  b()\n}", ["a 3"]),
        ("func a() { b() }", ["a 1"]),
        ("func a(\n  b: Int\n) {\n}", ["a 4"]),
        ("func a(b: () -> Void = {}) {\n\n}", ["a 3"]),
        ("func a() -> Int where B: C {\n}", ["a 2"]),
        ("init(a: Int) {\n}\ndeinit {\n}", ["init 2", "deinit 2"]),
        ("subscript(a: Int) -> Int {\n}", ["subscript 2"]),
        ("var a: Int {\n  get {}\n}", ["a 3"]),
        ("func a() {\n  func b() {\n  }\n}", ["a 4", "b 2"]),
        ("func a() {\n  \"}\"\n  // }\n}", ["a 4"]),
        ("func `a } b`() {\n}", ["`a } b` 2"]),
        ("func a(\n  init: Int, case: Int\n) {\n}", ["a 4"]),
        // A requirement has no body, and does not take the next one's.
        ("protocol A {\n  func a()\n  func b() -> Int\n}\nfunc c() {\n\n\n}", ["c 4"]),
        ("protocol A { var a: Int { get } }", ["a 1"]),
        ("self.init(a)\nif b {\n}", []),
        ("var a = 1\nif b {\n}", []),
    ])
    func `a function is as long as from its name to its brace`(text: String, functions: [String]) {
        #expect(measured(text) == functions)
    }

    @Test func `a function in C is what stands between its braces`() {
        let text = "int a(void) {\n  if (b) { c('{'); }\n}\n\nstruct d { int e; };\n"
        #expect(measured(text, "Sources/A/a.c") == ["int a(void) { 3", "struct d { int e; }; 1"])
    }

    private func tooLong(_ lines: Int, exceptions: [String: Int]) -> [String] {
        SizeRules.tooLong(
            [.init(path: "a.swift", line: 3, name: "f", lines: lines)], limit: { _ in 70 }, exceptions: exceptions
        ).map(\.description)
    }

    @Test func `what is over its limit is found, and what is at it is not`() {
        #expect(tooLong(70, exceptions: [:]) == [])
        #expect(tooLong(71, exceptions: [:]) == ["a.swift:3: 'f' has 71 lines of 70"])
    }

    @Test func `an exception may only shrink and goes when it is not needed`() {
        #expect(tooLong(80, exceptions: ["a.swift f": 80]) == [])
        #expect(tooLong(81, exceptions: ["a.swift f": 80]) == ["a.swift:3: 'f' has grown: 81 lines, was 80"])
        #expect(
            tooLong(79, exceptions: ["a.swift f": 80])
                == ["a.swift:3: 'f' has shrunk; lower its exception: 79 lines, was 80"])
        #expect(tooLong(70, exceptions: ["a.swift f": 80]) == ["a.swift f: needs no exception any more"])
        #expect(tooLong(70, exceptions: ["b.swift g": 80]) == ["b.swift g: needs no exception any more"])
    }

    @Test func `columns are characters, not bytes`() {
        let wide = String(repeating: "漢", count: 120)
        #expect(SizeRules.wideLines(SourceFile(path: "a.swift", text: wide)) == [])
        let found = SizeRules.wideLines(SourceFile(path: "a.swift", text: "\n\(wide)x"))
        #expect(found.map(\.description) == ["a.swift:2: 121 columns of 120"])
    }

    @Test(arguments: [
        ("Sources/A/B.swift", 500), ("Tests/A/B.swift", 600), ("Sources/a/main.swift", 49),
        ("Sources/A/domain.swift", 500), ("scripts/demo", 500),
    ])
    func `a file's limit goes by where it is`(path: String, limit: Int) {
        #expect(SizeRules.limit(of: SourceFile(path: path, text: "")) == limit)
    }

    @Test(arguments: [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\n\n", 2)])
    func `a last newline ends a line and begins none`(text: String, lines: Int) {
        #expect(SourceFile(path: "a.swift", text: text).lines.count == lines)
    }
}
