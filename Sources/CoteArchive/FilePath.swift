import Glibc

/// A path, or one name, as the kernel has it: bytes without a zero, mostly but not always UTF-8.
package struct FilePath: Hashable, Comparable, Sendable {
    package var bytes: [UInt8]

    package static let slash = UInt8(ascii: "/")

    package init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    package init(_ text: String) { bytes = Array(text.utf8) }

    package static func < (left: FilePath, right: FilePath) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// This path, a slash, and `name`; just `name` when this is empty.
    package func appending(_ name: FilePath) -> FilePath {
        bytes.isEmpty ? name : FilePath(bytes + [Self.slash] + name.bytes)
    }

    /// The directory to look in and the name to look for, both without trailing slashes. `nil` when the last name is
    /// none of a file's own: empty, `.` or `..`.
    package var split: (directory: FilePath, name: FilePath)? {
        guard let end = bytes.lastIndex(where: { $0 != Self.slash }) else { return nil }
        let start = bytes[...end].lastIndex(of: Self.slash)
        let name = FilePath(bytes[(start.map { $0 + 1 } ?? 0)...end])
        if name.bytes == Array(".".utf8) || name.bytes == Array("..".utf8) { return nil }
        guard let start else { return (FilePath("."), name) }
        return (FilePath(start == 0 ? bytes[...0] : bytes[..<start]), name)
    }

    package var isUTF8: Bool { String(validating: bytes, as: UTF8.self) != nil }

    package func withCString<Value>(_ body: (UnsafePointer<CChar>) -> Value) -> Value {
        var terminated = bytes
        terminated.append(0)
        return terminated.withUnsafeBytes { buffer in
            // INVARIANT: the array has at least its final zero, so that its buffer has an address.
            guard let base = buffer.assumingMemoryBound(to: CChar.self).baseAddress else { preconditionFailure() }
            return body(base)
        }
    }

    /// One line that a terminal can show whatever the name holds.
    package var shown: String {
        var text = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) {
                text += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
