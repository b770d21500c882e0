import CoteModel
import CoteSandbox
import CoteSystem
import CoteVolumes
import Glibc

extension Store {
    /// Reserves everything a new sandbox needs on disk, intent first. Nothing is left of it when a step fails.
    func create(
        _ spec: SandboxSpec, _ rollback: inout Rollback
    ) throws(CoteError) -> (spec: SandboxSpec, lock: SandboxLock) {
        var spec = spec
        let directory = sandbox(spec.id)
        do {
            try Files.makeDirectory(directory)
            rollback.push { [self] in forget(spec.id) }
            let lock = SandboxLock(try lockFile(directory))
            try Files.create(mark(spec.id), Array("\(spec.id)\n".utf8))
            spec.userBase = try reserveRange(spec.id, &rollback)
            try make(journal(spec.id), &rollback)
            try make(runtime(spec.id), &rollback)
            try reserveName(spec, &rollback)
            // Before the volume: who finds the one without the other knows what to remove.
            try write(spec)
            return (try makeVolume(spec), lock)
        } catch let error as CoteError {
            throw error
        } catch let error as SystemError {
            if error.call == "name" {
                throw CoteError(
                    .nameTaken, "the name '\(error.subject)' is taken", hint: "cote remove \(error.subject)")
            }
            if error.call == "range" {
                throw CoteError(.tooManySandboxes, "all \(UserRanges.count) sandboxes are in use")
            }
            throw Self.translated("cannot create a sandbox below \(configuration.home)", error)
        } catch {
            throw CoteError(.internal, "cannot create a sandbox: \(error)")
        }
    }

    var volumes: VolumeStores { VolumeStores(home: configuration.home, runtime: configuration.runtime) }

    private func makeVolume(_ spec: SandboxSpec) throws(CoteError) -> SandboxSpec {
        try volumes.store(spec.volume).create(VolumeName(spec.id), owner: spec.userBase, limit: spec.limits.disk)
        return spec
    }

    /// What a keeper mounts. Comes before the keeper is started, which then sees a pool that was mounted just now.
    func attachVolume(_ spec: SandboxSpec) throws(CoteError) -> VolumeAttachment {
        try volumes.store(spec.volume).attach(VolumeName(spec.id))
    }

    private func make(_ directory: String, _ rollback: inout Rollback) throws(SystemError) {
        try Files.makeDirectory(directory)
        rollback.push { try? Files.removeTree(directory) }
    }

    private func lockFile(_ directory: String) throws(SystemError) -> Descriptor {
        let file = try Descriptor.open(directory + "/lock", O_RDWR | O_CREAT, mode: 0o600)
        guard flock(file.raw, LOCK_EX | LOCK_NB) == 0 else { throw SystemError("flock", subject: directory) }
        return file
    }

    /// Takes the hold, or `nil` while somebody else has it.
    /// - Parameter patiently: tries for two seconds. A keeper says how it ended a moment before it lets go, and a
    ///   program that is being started has copies of all descriptors, this one's too, until its exec.
    func lock(_ id: SandboxID, patiently: Bool = false) -> SandboxLock? {
        for _ in 0..<(patiently ? 2000 : 1) {
            do { return SandboxLock(try lockFile(sandbox(id))) } catch {
                guard patiently, error.code == EWOULDBLOCK else { return nil }
                usleep(1000)
            }
        }
        return nil
    }

    /// Does something to a sandbox that nobody keeps; `nil`, and nothing done, where somebody does.
    func whileUnkept<Value>(
        _ id: SandboxID, patiently: Bool = false, _ body: () throws(CoteError) -> Value
    ) throws(CoteError) -> Value? {
        guard let lock = lock(id, patiently: patiently) else { return nil }
        // Closing would not do: a program that is being started may hold a copy.
        defer { flock(lock.descriptor.raw, LOCK_UN) }
        return try body()
    }

    /// The file that names and user ranges of a sandbox are further links to, with its id in it.
    private func mark(_ id: SandboxID) -> String { sandbox(id) + "/id" }

    /// Makes a name or a range a sandbox's own. It has its content from the first: without, it would be nobody's, and
    /// nobody would free it if its creator died between the two.
    private func claim(_ path: String, for id: SandboxID) throws(SystemError) {
        try Files.link(mark(id), as: path)
    }

    private func reserveName(_ spec: SandboxSpec, _ rollback: inout Rollback) throws(SystemError) {
        guard let name = spec.name else { return }
        let path = self.name(name)
        do { try claim(path, for: spec.id) } catch {
            throw error.code == EEXIST ? SystemError("name", code: EEXIST, subject: name.text) : error
        }
        rollback.push { try? Files.remove(path) }
    }

    private func reserveRange(_ id: SandboxID, _ rollback: inout Rollback) throws(SystemError) -> UInt32 {
        if Privilege.current == .rootless { return UserRanges.shared }
        let start = UInt32.random(in: 0..<UserRanges.count)
        for step in 0..<UserRanges.count {
            let base = UserRanges.base((start + step) % UserRanges.count)
            guard let path = range(base) else { continue }
            do { try claim(path, for: id) } catch {
                if error.code == EEXIST { continue }
                throw error
            }
            rollback.push { try? Files.remove(path) }
            return base
        }
        throw SystemError("range", code: ENOSPC)
    }

    /// Frees the names and user ranges of sandboxes that are not there: their creator died on the way. A sandbox's
    /// directory is made before it reserves anything, so one that is being created keeps what it has.
    func releaseOrphans() {
        for folder in ["names", "ranges"].map({ "\(configuration.home)/\($0)" }) {
            for file in ((try? Files.list(folder)) ?? []).map({ "\(folder)/\($0)" }) {
                guard let text = try? Files.readText(file, limit: 64), let id = SandboxID(String(text.prefix(12))),
                    !Files.exists(sandbox(id))
                else { continue }
                try? Files.remove(file)
            }
        }
    }

    /// Removes every trace of a sandbox but its journal. The caller holds its lock, or made it just now.
    func forget(_ id: SandboxID) {
        if let spec = try? spec(id) {
            if let name = spec.name, (try? resolve(name.text)) == id { try? Files.remove(self.name(name)) }
            if let range = range(spec.userBase) { try? Files.remove(range) }
            try? volumes.store(spec.volume).remove(VolumeName(id))
        } else {
            // Whatever it was to be.
            for kind in VolumeKind.allCases { try? volumes.store(kind).remove(VolumeName(id)) }
        }
        Cgroup(id).remove()
        try? Files.removeTree(runtime(id))
        try? Files.removeTree(sandbox(id))
    }
}

/// The exclusive hold on one sandbox: whoever has it, or inherited its descriptor, is the one that may act on it.
final class SandboxLock: Sendable {
    let descriptor: Descriptor
    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}
