public import CoteModel
import CoteSystem
import Glibc
import Synchronization

/// What a store holds, for people.
public struct ContentUsage: Hashable, Sendable, Codable {
    /// Whole blobs.
    public var blobs: Int
    /// Their bytes.
    public var bytes: UInt64
    /// Bytes of what is half fetched.
    public var partial: UInt64
    /// Blobs that were found changed.
    public var quarantined: Int
}

extension ContentStore {
    /// What is here now.
    public func usage() -> ContentUsage {
        let whole = sizes("sha256")
        return ContentUsage(
            blobs: whole.count, bytes: whole.reduce(0, +), partial: (sizes("partial") + sizes("incoming")).reduce(0, +),
            quarantined: sizes("quarantine").count)
    }

    private func sizes(_ folder: String) -> [UInt64] {
        let place = "\(directory)/\(folder)"
        return ((try? Files.list(place)) ?? []).compactMap { name in
            (try? Files.status("\(place)/\(name)")).map { UInt64(clamping: $0.st_size) }
        }
    }

    /// Hashes blobs again, on all processors, the largest first.
    /// - Parameter progress: told, from any thread, how many bytes have been hashed since the last call.
    /// - Returns: those that have changed or are not here, in the order given.
    public func verify(_ digests: [Digest], progress: @escaping @Sendable (UInt64) -> Void = { _ in }) -> [Digest] {
        let order = digests.sorted { (size($0) ?? 0) > (size($1) ?? 0) }
        let bad = Mutex<Set<Digest>>([])
        Crew.share(order.count) { index in
            if !isWhole(order[index], progress) { _ = bad.withLock { $0.insert(order[index]) } }
        }
        return bad.withLock { bad in digests.filter { bad.contains($0) } }
    }

    func isWhole(_ digest: Digest, _ progress: (UInt64) -> Void = { _ in }) -> Bool {
        guard let file = try? open(digest) else { return false }
        let hashed = try? Self.hash(file) { bytes, _ throws(SystemError) in progress(UInt64(bytes.count)) }
        return hashed?.content == digest
    }

    /// Takes a blob out of use, but keeps what there is of it.
    public func quarantine(_ digest: Digest) throws(CoteError) {
        guard size(digest) != nil else { return }
        try CoteError.hosting("cannot set blob \(digest) aside") { () throws(SystemError) in
            try Files.rename(path(digest), to: "\(directory)/quarantine/\(digest.hex)")
        }
    }

    /// Removes every blob but those in `needed`, and all that is half fetched. Asks for what is needed while nobody
    /// can add anything.
    /// - Returns: what went; `nil`, and nothing done, while the store is being used.
    public func collect(
        dryRun: Bool, _ needed: () throws(CoteError) -> Set<Digest>
    ) throws(CoteError) -> (blobs: [Digest], bytes: UInt64)? {
        guard let lock = try FileLock.exclusiveNow(directory + "/lock") else { return nil }
        return try withExtendedLifetime(lock) { () throws(CoteError) in
            let needed = try needed()
            let loose = digests().filter { !needed.contains($0) }.sorted()
            var bytes = loose.reduce(0) { $0 + (size($1) ?? 0) }
            for digest in loose where !dryRun { try? Files.remove(path(digest)) }
            for folder in ["partial", "incoming"].map({ "\(directory)/\($0)" }) {
                for file in ((try? Files.list(folder)) ?? []).map({ "\(folder)/\($0)" }) {
                    bytes += UInt64(clamping: (try? Files.status(file))?.st_size ?? 0)
                    if !dryRun { try? Files.removeTree(file) }
                }
            }
            return (loose, bytes)
        }
    }
}
