import CoteArchive
import CoteModel
import CoteWorker

/// Which extended attributes a layer may give its files.
enum ExtendedAttributes {
    private static let schily = "SCHILY.xattr."
    private static let libarchive = "LIBARCHIVE.xattr."
    private static let longestName = 255
    private static let longestValue = 64 << 10

    static let access = "system.posix_acl_access"
    static let preset = "system.posix_acl_default"

    /// Those of a member that are kept, in order; the later of two of one name counts.
    static func read(_ records: ArchiveRecords, of entry: FilePath) throws(UnpackFailure) -> [ArchiveAttribute] {
        var found: [ArchiveAttribute] = []
        for (key, value) in records.list {
            let attribute: ArchiveAttribute
            if key.hasPrefix(schily) {
                attribute = ArchiveAttribute(name: String(key.dropFirst(schily.count)), value: value)
            } else if key.hasPrefix(libarchive) {
                guard let decoded = padded(value).withUnsafeBytes({ Base64.decode($0) }),
                    let name = unescaped(key.dropFirst(libarchive.count))
                else { throw .refused(.badAttribute, entry, "has an attribute that cannot be read") }
                attribute = ArchiveAttribute(name: name, value: decoded)
            } else {
                continue
            }
            guard try isKept(attribute, of: entry) else { continue }
            found.removeAll { $0.name == attribute.name }
            found.append(attribute)
        }
        return found
    }

    /// Whether a layer made here has an attribute of this name.
    static func isPacked(_ name: String) -> Bool {
        let isUsers = name.hasPrefix("user.") && !name.hasPrefix("user.overlay.")
        return isUsers || ["security.capability", access, preset].contains(name)
    }

    /// Labels of the host that the image was made on mean nothing here; what could steer the host's own overlays and
    /// tools is refused.
    private static func isKept(_ attribute: ArchiveAttribute, of entry: FilePath) throws(UnpackFailure) -> Bool {
        let name = attribute.name
        let bytes = name.utf8.count
        if bytes > longestName || name.utf8.contains(0) || name.contains("\u{fffd}") {
            throw .refused(.badAttribute, entry, "has an attribute whose name is none")
        }
        if attribute.value.count > longestValue {
            throw .refused(.badAttribute, entry, "has an attribute of \(attribute.value.count) bytes")
        }
        switch name {
        case "security.capability", access, preset: return true
        case _ where name.hasPrefix("security."): return false
        case _ where name.hasPrefix("user.overlay."): break
        case _ where name.hasPrefix("user.") && bytes > "user.".utf8.count: return true
        default: break
        }
        throw .refused(.badAttribute, entry, "has the attribute \(FilePath(name).shown)")
    }

    /// libarchive leaves the padding of base64 away.
    private static func padded(_ text: [UInt8]) -> [UInt8] {
        text + [UInt8](repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
    }

    /// `%` and two hexadecimal digits stand for a byte.
    private static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let digits = String(validating: rest.prefix(2), as: UTF8.self), digits.utf8.count == 2,
                let value = UInt8(digits, radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
