import CoteArchive
import CoteSystem
import CoteWorker
import Glibc
import Synchronization

/// Owner, mode, extended attributes and time of what a layer makes.
enum FileAttributes {
    /// Whether a directory of this image has had a list that its new members inherit.
    private static let hasPresets = Atomic(false)

    /// Everything but the time. In this order: a change of owner takes set-user bits and capabilities away.
    /// - Parameter isNew: nothing has been set that the entry does not have.
    static func apply(_ entry: ArchiveEntry, to descriptor: CInt, isNew: Bool) throws(UnpackFailure) {
        let path = entry.path
        if !isNew { try clear(descriptor, path) }
        // Root's too: a directory with its set-group bit has given it another group.
        try attempt("fchown", path) { fchown(descriptor, entry.user, entry.group) }
        let isDirectory = entry.kind == .directory
        try dropPresets(descriptor, path, isDirectory: isDirectory, mode: entry.mode)
        if !isNew || isDirectory || entry.mode & 0o7000 != 0 {
            try attempt("fchmod", path) { fchmod(descriptor, entry.mode) }
        }
        for attribute in entry.attributes { try set(attribute, on: descriptor, path) }
    }

    static func setTime(_ descriptor: CInt, _ entry: ArchiveEntry) throws(UnpackFailure) {
        let times = (timespec.unchanged, entry.modified)
        try withUnsafeBytes(of: times) { bytes throws(UnpackFailure) in
            let pointer = bytes.assumingMemoryBound(to: timespec.self).baseAddress
            try attempt("futimens", entry.path) { futimens(descriptor, pointer) }
        }
    }

    /// What a new file inherited from its directory, the image does not say.
    static func dropPresets(
        _ descriptor: CInt, _ entry: FilePath, isDirectory: Bool, mode: UInt32
    ) throws(UnpackFailure) {
        guard hasPresets.load(ordering: .relaxed) else { return }
        let names = [ExtendedAttributes.access] + (isDirectory ? [ExtendedAttributes.preset] : [])
        for name in names {
            try named(entry) { () throws(SystemError) in try FileAttribute.remove(name, from: descriptor) }
        }
        try attempt("fchmod", entry) { fchmod(descriptor, mode) }
    }

    private static func set(
        _ attribute: ArchiveAttribute, on descriptor: CInt, _ entry: FilePath
    ) throws(UnpackFailure) {
        do { try FileAttribute.set(attribute.name, attribute.value, on: descriptor) } catch {
            if [EINVAL, EPERM, ERANGE, E2BIG, EACCES].contains(error.code) {
                throw .refused(.badAttribute, entry, "has the attribute \(attribute.name), which is not well formed")
            }
            throw .failed("fsetxattr", entry, code: error.code)
        }
        if attribute.name == ExtendedAttributes.preset { hasPresets.store(true, ordering: .relaxed) }
    }

    /// The host's own labels stay.
    private static func clear(_ descriptor: CInt, _ entry: FilePath) throws(UnpackFailure) {
        for name in try names(descriptor, entry) where ExtendedAttributes.isPacked(name) {
            try named(entry) { () throws(SystemError) in try FileAttribute.remove(name, from: descriptor) }
        }
    }

    static func names(_ descriptor: CInt, _ entry: FilePath) throws(UnpackFailure) -> [String] {
        try named(entry) { () throws(SystemError) in try FileAttribute.names(of: descriptor) }
    }

    static func value(_ name: String, of descriptor: CInt, _ entry: FilePath) throws(UnpackFailure) -> [UInt8]? {
        try named(entry) { () throws(SystemError) in try FileAttribute.value(name, of: descriptor) }
    }

    private static func named<Value>(
        _ entry: FilePath, _ body: () throws(SystemError) -> Value
    ) throws(UnpackFailure) -> Value {
        do { return try body() } catch { throw .failed(error.call, entry, code: error.code) }
    }
}
