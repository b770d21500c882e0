import Testing

@Suite struct BlankedCodeTests {
    private func words(_ text: String, isC: Bool = false) -> [String] {
        BlankedCode(text, isC: isC).words.map(\.text)
    }

    @Test(arguments: [
        ("a // b", ["a"]),
        ("a /* b /* c */ d */ e", ["a", "e"]),
        (#"a "b" c"#, ["a", "c"]),
        (#"a "b \" c" d"#, ["a", "d"]),
        (#"a "b \(c) d" e"#, ["a", "c", "e"]),
        (#"a "b \(c("d \(e)")) f" g"#, ["a", "c", "e", "g"]),
        (##"a #"b " \(c) \#(d)"# e"##, ["a", "d", "e"]),
        ("a \"\"\"\nb \" c\n\"\"\" d", ["a", "d"]),
        ("a \"// b\" c", ["a", "c"]),
        ("a \"/* b\" c", ["a", "c"]),
        ("a \"unclosed\nb", ["a", "b"]),
        ("a /* unclosed", ["a"]),
        ("#if a", ["if", "a"]),
        ("#/a", ["a"]),
        ("a #/{\"b/c/# d", ["a", "d"]),
    ])
    func `only code is left`(text: String, left: [String]) {
        #expect(words(text) == left)
    }

    @Test func `in C a quotation mark may be a character`() {
        #expect(words(#"a '"' b '\'' c "d" e"#, isC: true) == ["a", "b", "c", "e"])
    }

    @Test func `a name in backticks is one word whatever is in it`() {
        #expect(words("func `a { b`() { c }").map { $0.contains("_") ? "_" : $0 } == ["func", "_", "c"])
        #expect(!BlankedCode("func `a { b`()").bytes.contains(UInt8(ascii: "{")))
    }

    @Test func `every byte keeps its place and every line its number`() {
        let text = "a /* ü\n */ \"漢\n\" b\n`c d` e"
        let code = BlankedCode(text)
        #expect(code.bytes.count == text.utf8.count)
        #expect(code.bytes.count { $0 == Ascii.newline } == 3)
        #expect(code.words.last?.line == 4)
    }
}
