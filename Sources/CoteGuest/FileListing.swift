import CoteArchive
import CoteSystem
import Glibc

/// The entries of a directory, a line of JSON each, in the order of their names' bytes:
/// `{"name":…,"type":"file|directory|link|fifo|socket|device","size":…,"mode":…,"mtime":…,"target":…}`.
///
/// `mode` is the number of the permission bits, `mtime` seconds since 1970 with nine decimals, `target` is there for
/// links alone. A name that is not UTF-8 is in base64 and `"encoding":"base64"` follows; so for a target, with
/// `"target_encoding"`.
enum FileListing {
    static func write(_ path: FilePath, _ output: consuming Descriptor) throws(FileFailure) {
        let tree = FileTree(try Descriptor.open(path, O_RDONLY | O_DIRECTORY, path), path)
        var lines = ArchiveOutput(output)
        for name in try tree.sortedNames() {
            let entry = path.appending(name)
            do throws(FileFailure) {
                let status = try FileStatus(of: name, in: tree.directory.raw, entry)
                let target =
                    status.kind == .link ? try FileLink.target(of: name, in: tree.directory.raw, entry) : nil
                try lines.write(Array(line(name, status, target).utf8))
            } catch {
                // Removed since its name was read.
                if !error.isMissing { throw error }
            }
        }
        try lines.flush()
    }

    private static func line(_ name: FilePath, _ status: FileStatus, _ target: FilePath?) -> String {
        var line = "{" + field("name", name, encoding: "encoding")
        line += ",\"type\":\"" + word(status.kind) + "\",\"size\":\(status.size),\"mode\":\(status.permissions)"
        line += ",\"mtime\":" + ArchiveTime.decimal(status.modified, digits: 9)
        if let target { line += "," + field("target", target, encoding: "target_encoding") }
        return line + "}\n"
    }

    private static func word(_ kind: FileStatus.Kind) -> String {
        switch kind {
        case .regular: "file"
        case .directory: "directory"
        case .link: "link"
        case .fifo: "fifo"
        case .socket: "socket"
        case .device: "device"
        }
    }

    private static func field(_ key: String, _ path: FilePath, encoding: String) -> String {
        guard let text = String(validating: path.bytes, as: UTF8.self) else {
            return "\"\(key)\":\"\(base64(path.bytes))\",\"\(encoding)\":\"base64\""
        }
        return "\"\(key)\":\"\(escaped(text))\""
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<"\u{20}", "\u{7f}"..<"\u{a0}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
            for index in 0..<4 {
                let pad = index > group.count
                result.append(pad ? UInt8(ascii: "=") : alphabet[Int(bits >> (18 - 6 * UInt32(index)) & 63)])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
