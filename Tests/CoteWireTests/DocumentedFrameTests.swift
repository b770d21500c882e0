import CoteWire
import Foundation
import Testing

/// The table of frames in `docs/ARCHITECTURE.md`, held against the code.
@Suite struct DocumentedFrameTests {
    @Test func `the limits are those that the architecture lists`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/ARCHITECTURE.md"), encoding: .utf8)
        let listed = text.split(separator: "\n").compactMap { line -> String? in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 5, let number = UInt8(cells[0]) else { return nil }
            return "\(number) \(cells[1]) \(cells[4])"
        }
        let expected = Frame.Kind.allCases.map { kind in
            let limit = Frame.limit(kind)
            return "\(kind.rawValue) `\(kind)` " + (limit < 1024 ? "\(limit)" : "\(limit >> 10) Ki")
        }
        #expect(listed == expected)
    }
}
