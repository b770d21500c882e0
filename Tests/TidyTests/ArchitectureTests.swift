import Testing

@Suite struct ArchitectureTests {
    private let small = Architecture(
        dependencies: [
            "Shim": [], "Low": ["Shim"], "Guest": ["Low"], "DriverA": ["Low"], "DriverB": ["Low"],
            "Engine": ["DriverA", "DriverB", "Low"], "Surface": ["Engine", "Parser"],
        ],
        surfaces: ["Surface"], drivers: ["DriverA", "DriverB"], guest: "Guest", guestClosure: ["Guest", "Low", "Shim"],
        shims: ["Shim": ["Low", "Guest"]])

    private func forbidden(_ module: String, _ text: String) -> [String] {
        small.forbiddenImports(SourceFile(path: "Sources/\(module)/a.swift", text: text)).map(\.message)
    }

    @Test func `a manifest that is as the table says has no differences`() {
        #expect(small.differences(from: small.dependencies) == [])
        #expect(small.brokenLayers() == [])
    }

    @Test func `every way to differ from the table is found`() {
        var actual = small.dependencies
        actual["Guest"] = ["Low", "Engine"]
        actual["Engine"] = ["DriverA", "Low"]
        actual["DriverA"] = nil
        actual["New"] = []
        #expect(
            small.differences(from: actual).map(\.description) == [
                "DriverA: is in the table alone", "Engine: does not depend on DriverB any more",
                "Guest: may not depend on Engine", "New: is not in the table",
            ])
    }

    @Test(arguments: [
        ("Surface", "DriverA", "Surface: may not depend on the driver DriverA"),
        ("DriverA", "DriverB", "DriverA: may not depend on the driver DriverB"),
        ("Guest", "Engine", "Guest: may not reach DriverA"),
        ("Low", "NIO", "Guest: may not reach NIO"),
    ])
    func `a table that breaks the layers is found`(target: String, dependency: String, finding: String) {
        var broken = small
        broken.dependencies[target]?.insert(dependency)
        #expect(broken.brokenLayers().map(\.description).contains(finding))
    }

    @Test(arguments: [
        ("Guest", "import Foundation"), ("Low", "import NIOCore"), ("Guest", "import FoundationEssentials"),
        ("Surface", "import DriverA"), ("DriverA", "public import DriverB"), ("Engine", "import Shim"),
        ("DriverA", "@testable import Engine"), ("Guest", "import struct Foundation.URL"), ("Guest", "import Shim"),
    ])
    func `an import that a module may not have is found`(module: String, text: String) {
        #expect(forbidden(module, text).count == 1)
    }

    @Test(arguments: [
        ("Guest", "import Glibc\nimport Low"), ("Low", "import Shim"), ("Engine", "import DriverA\nimport Foundation"),
        ("Surface", "import Engine\nimport Parser"), ("Guest", "// import Foundation\n\"import Foundation\""),
    ])
    func `an import that it may have is not`(module: String, text: String) {
        #expect(forbidden(module, text) == [])
    }

    @Test func `a surface may not import a driver even where the table lets it`() {
        var broken = small
        broken.dependencies["Surface"]?.insert("DriverA")
        let file = SourceFile(path: "Sources/Surface/a.swift", text: "import DriverA")
        #expect(broken.forbiddenImports(file).count == 1)
    }

    @Test func `a shim is imported by its own modules even where the table lets others`() {
        var wide = small
        wide.dependencies["Engine"]?.insert("Shim")
        let file = SourceFile(path: "Sources/Engine/a.swift", text: "import Shim")
        #expect(wide.forbiddenImports(file).map(\.message) == ["imports Shim: only Guest, Low may"])
    }

    @Test func `imports are read with their modifiers and their kind`() {
        let text = "import A\npublic import B.C\n@_exported import struct D.E\nprivate import func F.g"
        let imports = Architecture.imports(SourceFile(path: "a.swift", text: text))
        #expect(imports.map(\.module) == ["A", "B", "D", "F"])
        #expect(imports.map(\.line) == [1, 2, 3, 4])
    }
}
