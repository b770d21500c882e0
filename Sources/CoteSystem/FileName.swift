import Glibc

/// A name in a directory as the kernel has it: any bytes but `/` and NUL. Such a name need not be text.
public struct FileName: Hashable, Sendable, CustomStringConvertible {
    /// The bytes, with a NUL at the end.
    public let bytes: [CChar]

    init(_ entry: UnsafeMutablePointer<dirent>) {
        bytes = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                Array(UnsafeBufferPointer(start: name, count: strnlen(name, 255))) + [0]
            }
        }
    }

    /// For people: what is not UTF-8 becomes replacement characters.
    public var description: String {
        String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension Files {
    /// The names in an open directory, without `.` and `..`, in no order. Starts from the beginning whatever was read
    /// of it before.
    public static func names(in directory: borrowing Descriptor) throws(SystemError) -> [FileName] {
        let own = try Descriptor.open(".", O_RDONLY | O_DIRECTORY, at: directory.raw)
        guard let stream = fdopendir(own.release()) else { throw SystemError("opendir") }
        defer { closedir(stream) }
        var names: [FileName] = []
        while let entry = Glibc.readdir(stream) {
            let name = FileName(entry)
            if name.bytes != [0x2e, 0], name.bytes != [0x2e, 0x2e, 0] { names.append(name) }
        }
        return names
    }
}
