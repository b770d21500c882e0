import CoteArchive
import Glibc

/// Symbolic links, read but never followed.
enum FileLink {
    /// - Parameter path: what messages call it.
    static func target(of name: FilePath, in directory: CInt, _ path: FilePath) throws(FileFailure) -> FilePath {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let size = buffer.count
        let count = try attempt(path) { name.withCString { readlinkat(directory, $0, &buffer, size) } }
        return FilePath(buffer[..<count].map { UInt8(bitPattern: $0) })
    }
}
