import CLinux
import Glibc

/// Extended attributes of open files, by their whole names (`user.x`).
public enum FileAttribute {
    /// The kernel's bound on a value.
    private static let longestValue = 64 << 10

    /// The names of a file's attributes, sorted; none where its file system has no attributes.
    public static func names(of descriptor: CInt) throws(SystemError) -> [String] {
        while true {
            let size = flistxattr(descriptor, nil, 0)
            if size == 0 || (size < 0 && errno == EOPNOTSUPP) { return [] }
            var buffer = [CChar](repeating: 0, count: max(size, 0))
            let count = flistxattr(descriptor, &buffer, buffer.count)
            // There may be more by now.
            if count < 0 && errno == ERANGE { continue }
            if count < 0 { throw SystemError("flistxattr") }
            return buffer[..<count].split(separator: 0).map {
                String(decoding: $0.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }.sorted()
        }
    }

    /// `nil` where the file has none of the name.
    public static func value(_ name: String, of descriptor: CInt) throws(SystemError) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: longestValue)
        let count = fgetxattr(descriptor, name, &buffer, buffer.count)
        if count >= 0 { return Array(buffer[..<count]) }
        if errno == ENODATA || errno == EOPNOTSUPP { return nil }
        throw SystemError("fgetxattr", subject: name)
    }

    /// Adds or replaces.
    public static func set(_ name: String, _ value: [UInt8], on descriptor: CInt) throws(SystemError) {
        try check("fsetxattr", name) {
            value.withUnsafeBytes { fsetxattr(descriptor, name, $0.baseAddress, $0.count, 0) }
        }
    }

    /// One that is not there is fine.
    public static func remove(_ name: String, from descriptor: CInt) throws(SystemError) {
        if fremovexattr(descriptor, name) < 0, errno != ENODATA, errno != EOPNOTSUPP {
            throw SystemError("fremovexattr", subject: name)
        }
    }
}
