import Foundation

/// The files of this repository that people read. What is built, fetched or git's own is not among them.
enum Repository {
    /// Two levels above this file's folder.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Every text file, each read once.
    static let files: [SourceFile] = paths(in: root).compactMap { path in
        guard let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8) else { return nil }
        return SourceFile(path: path, text: text)
    }

    static let swift = files.filter { $0.language == .swift }

    /// Paths relative to `root`, sorted; hidden files and folders are left out, but for continuous integration's.
    private static func paths(in root: URL) -> [String] {
        let prefix = root.path + "/"
        var paths: [String] = []
        for start in [root, root.appending(path: ".ci")] {
            let files = FileManager.default.enumerator(
                at: start, includingPropertiesForKeys: [.isRegularFileKey], options: [.skipsHiddenFiles])
            for case let url as URL in files ?? .init() where !url.hasDirectoryPath && url.path.hasPrefix(prefix) {
                paths.append(String(url.path.dropFirst(prefix.count)))
            }
        }
        return paths.filter { !generated.contains($0) && !$0.hasPrefix("dist/") }.sorted()
    }

    /// Not written here, and so not held to the house's style.
    private static let generated: Set = ["Package.resolved", "LICENSE"]
}
