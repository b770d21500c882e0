public import CoteContent
public import CoteModel
import CoteSystem
import Glibc
import Synchronization

/// What `env verify` found and did.
public struct VerifyReport: Hashable, Sendable, Codable {
    /// Blobs and roots that were hashed.
    public var verified = 0
    /// Bytes of them.
    public var bytes: UInt64 = 0
    /// Blobs that had changed, and have been set aside.
    public var quarantined: [Digest] = []
    /// Blobs that were missing or set aside and are here again, from another source.
    public var repaired: [Digest] = []
    /// Blobs that are still missing.
    public var missing: [Digest] = []
    /// Environments whose root had changed; it is made again at the next use.
    public var roots: [Digest] = []
    /// Why a source gave nothing.
    public var notes: [String] = []

    /// Whether everything is here and right now.
    public var isSound: Bool { missing.isEmpty }
}

/// What `prune` took of environments.
public struct CollectReport: Hashable, Sendable, Codable {
    /// Blobs that nothing needed.
    public var blobs: [Digest] = []
    /// Roots that nothing needed.
    public var environments: [Digest] = []
    /// Bytes that came free.
    public var bytes: UInt64 = 0
    /// Whether somebody was using the store, so that nothing was taken.
    public var isBusy = false
    /// Why no blob was taken: what says which are needed cannot be read.
    public var problem: String?

    /// Nothing taken.
    public init() {}
}

extension EnvironmentStore {
    // MARK: Verifying

    /// Hashes every blob and root of some environments, sets aside what has changed, and gets it again from where it
    /// came from, or from `source`.
    /// - Parameters:
    ///   - texts: names or digests; all that is here where empty.
    ///   - source: a layout or archive with the same image, asked first.
    ///   - access: how to speak with a registry that an image came from; `nil`: not at all.
    public func verify(
        _ texts: [String], source: String? = nil,
        access: ((ImageReference) throws(CoteError) -> RegistryAccess)? = nil,
        progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) throws(CoteError) -> VerifyReport {
        let hold = try content.hold()
        return try withExtendedLifetime(hold) { () throws(CoteError) in
            var report = VerifyReport()
            var digests: [Digest] = []
            for text in texts { digests.append(try resolve(text)) }
            let tags = names().filter { texts.isEmpty || digests.contains($0.digest) }
            let images = Set(digests + tags.map(\.digest))
            let blobs =
                texts.isEmpty ? Set(content.digests()).union(images.flatMap(needed)) : Set(images.flatMap(needed))
            let bad = check(blobs.sorted(), &report, progress)
            for digest in bad where content.size(digest) != nil {
                try content.quarantine(digest)
                report.quarantined.append(digest)
            }
            // A damaged manifest hides what else it needs.
            let wanted = Set(bad).union(images.flatMap(needed)).filter { content.size($0) == nil }
            if !wanted.isEmpty { repair(tags, source, access, &report, progress) }
            let stillNeeded = Set(images.flatMap(needed)).union(bad)
            report.missing = stillNeeded.filter { content.size($0) == nil }.sorted()
            report.repaired = wanted.filter { content.size($0) != nil }.sorted()
            checkRoots(texts.isEmpty ? made() : Array(images), &report, progress)
            return report
        }
    }

    /// The blobs of an environment, as far as its documents can be read.
    private func needed(_ digest: Digest) -> [Digest] {
        guard let bytes = try? content.read(digest), let manifest = try? Image.manifest(bytes, digest) else {
            return [digest]
        }
        return [digest, manifest.config.digest] + manifest.layers.map(\.digest)
    }

    private func check(
        _ blobs: [Digest], _ report: inout VerifyReport, _ progress: @escaping EnvironmentProgress.Listener
    ) -> [Digest] {
        let total = blobs.reduce(0) { $0 + (content.size($1) ?? 0) }
        report.verified += blobs.count
        report.bytes += total
        let counter = ProgressCounter("verifying \(blobs.count) blobs", of: total, progress)
        return content.verify(blobs) { counter.add($0) }
    }

    private func checkRoots(
        _ digests: [Digest], _ report: inout VerifyReport, _ progress: @escaping EnvironmentProgress.Listener
    ) {
        let images = digests.compactMap { digest in
            EnvironmentRecord.read(directory(digest))?.file.map { (digest: digest, file: $0) }
        }
        let bad = Mutex<[Digest]>([])
        Crew.share(images.count) { index in
            let (digest, file) = images[index]
            let found = try? hash("\(directory(digest))/\(EnvironmentRecord.imageName)", progress)
            if found != file.digest { bad.withLock { $0.append(digest) } }
        }
        report.verified += images.count
        report.bytes += images.reduce(0) { $0 + $1.file.size }
        report.roots = bad.withLock { $0.sorted() }
        // Whoever has one mounted keeps it; nobody new gets it.
        for digest in report.roots { discard(directory(digest)) }
    }

    private func repair(
        _ tags: [EnvironmentTag], _ source: String?,
        _ access: ((ImageReference) throws(CoteError) -> RegistryAccess)?, _ report: inout VerifyReport,
        _ progress: @escaping EnvironmentProgress.Listener
    ) {
        if let source { note(&report) { () throws(CoteError) in _ = try bringBlobs(source, nil, progress) } }
        for tag in tags where needed(tag.digest).contains(where: { content.size($0) == nil }) {
            switch tag.origin {
            case .path(let path):
                note(&report) { () throws(CoteError) in _ = try bringBlobs(path, nil, progress) }
            case .registry(let text):
                guard let access else { continue }
                note(&report) { () throws(CoteError) in
                    let reference = try ImageReference(parsing: text)
                    // By its digest: the tag may mean another image by now.
                    guard
                        let exact = ImageReference(
                            registry: reference.registry, repository: reference.repository, digest: tag.digest)
                    else { return }
                    try fetchAll(exact, try access(reference), progress)
                }
            }
        }
    }

    private func note(_ report: inout VerifyReport, _ body: () throws(CoteError) -> Void) {
        do throws(CoteError) { try body() } catch { report.notes.append(error.message) }
    }

    // MARK: Collecting

    /// Removes the blobs and roots that no name, and nothing in `used`, needs.
    /// - Parameter used: environments of sandboxes; asked while nobody can add any.
    public func collect(
        dryRun: Bool, used: () throws(CoteError) -> Set<Digest>
    ) throws(CoteError) -> CollectReport {
        var report = CollectReport()
        var kept: Set<Digest> = []
        let blobs = try content.collect(dryRun: dryRun) { () throws(CoteError) in
            guard let names = allNames() else {
                throw CoteError(.badState, "a name in \(configuration.home)/tags cannot be read")
            }
            kept = Set(names.map(\.digest)).union(try used())
            collectRoots(keeping: kept, dryRun, &report)
            // What a damaged one needs is not known.
            if let damaged = kept.first(where: { (try? image($0)) == nil }) {
                report.problem = "environment \(damaged) is damaged; cote env verify repairs it"
                return Set(content.digests())
            }
            return Set(kept.flatMap(needed))
        }
        guard let blobs else {
            report.isBusy = true
            return report
        }
        report.blobs = blobs.blobs
        report.bytes += blobs.bytes
        return report
    }

    private func collectRoots(keeping kept: Set<Digest>, _ dryRun: Bool, _ report: inout CollectReport) {
        for digest in made() where !kept.contains(digest) {
            report.environments.append(digest)
            report.bytes += EnvironmentRecord.read(directory(digest))?.size ?? 0
            if !dryRun { discard(directory(digest)) }
        }
        // Nobody makes one now: whoever does holds the store.
        for name in (try? Files.list(environments)) ?? [] where name.hasPrefix(".new-") && !dryRun {
            discard("\(environments)/\(name)")
        }
    }
}

/// Adds up what several threads have done.
final class ProgressCounter: Sendable {
    private let step: String
    private let total: UInt64
    private let done = Mutex<UInt64>(0)
    private let listener: EnvironmentProgress.Listener

    init(_ step: String, of total: UInt64, _ listener: @escaping EnvironmentProgress.Listener) {
        self.step = step
        self.total = total
        self.listener = listener
    }

    func add(_ bytes: UInt64) {
        let now = done.withLock { done in
            done += bytes
            return done
        }
        listener(EnvironmentProgress(step, now, of: total))
    }
}
