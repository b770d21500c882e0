import CoteModel
import CoteSystem
import Glibc

/// The file that a pool is in: how it is made, what is wrong with it, and how it gets out of the way.
struct PoolFile: Sendable {
    let path: String
    /// What the file appears to be when it is made; as much as the disk could hold where absent.
    let firstSize: ByteCount?
    let watch: StepWatch

    /// The least that a pool is worth making for.
    static let smallest = ByteCount.mebibytes(192)

    private var directory: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/" }
    private var unfinished: String { path + ".new" }

    /// What the file can become: what it has of the disk now and what is free, less a part that is for others.
    func possibleSize() throws(SystemError) -> UInt64 {
        let free = try Room.free(at: directory)
        let own = (try? Files.status(path)).map { UInt64(max($0.st_blocks, 0)) * 512 } ?? 0
        let kept = max(Room.reserve.bytes, free / 20)
        return ((own + (free > kept ? free - kept : 0)) >> 20) << 20
    }

    /// Makes the file, which is not there. Whoever calls is alone.
    func make() throws(CoteError) {
        discardUnfinished()
        let size: UInt64
        do throws(SystemError) {
            try Files.makeDirectories(directory)
            if let firstSize { size = firstSize.bytes } else { size = try possibleSize() }
        } catch { throw VolumeFailure.translated("cannot make the pool \(path)", error) }
        guard size >= Self.smallest.bytes, let free = try? Room.free(at: directory), free >= Self.smallest.bytes else {
            throw CoteError(
                .diskFull, "cannot make the pool \(path): it needs \(Self.smallest) on its disk",
                hint: "cote prune frees what has ended")
        }
        do throws(SystemError) {
            try Files.create(unfinished, [])
            try Descriptor.open(unfinished, O_RDWR).truncate(to: size)
            watch(.poolSized)
        } catch { throw failed(error) }
        do throws(CoteError) {
            // One copy of metadata: two on one disk protect from little, and each costs every commit.
            try FormatProgram.btrfs.run(["-q", "-K", "-m", "single", "-d", "single", unfinished], on: unfinished)
        } catch {
            discardUnfinished()
            throw error
        }
        watch(.poolFormatted)
        do { try Files.publish(unfinished, as: path) } catch { throw failed(error) }
        watch(.poolPublished)
    }

    private func failed(_ error: SystemError) -> CoteError {
        discardUnfinished()
        return VolumeFailure.translated("cannot make the pool \(path)", error)
    }

    /// What somebody who died has left.
    func discardUnfinished() { try? Files.remove(unfinished) }

    /// Gives a file that is no pool, or none any more, another name; a person may still want it.
    /// - Returns: that name.
    func setAside() throws(CoteError) -> String {
        var number = 1
        while Files.exists("\(asidePrefix)\(number)") { number += 1 }
        let name = "\(asidePrefix)\(number)"
        do { try Files.publish(path, as: name) } catch {
            throw VolumeFailure.translated("cannot set the damaged pool \(path) aside", error)
        }
        watch(.setAside)
        return name
    }

    private var asidePrefix: String { path + ".damaged-" }

    /// Files that have been set aside, oldest first.
    func asides() -> [String] {
        ((try? Files.list(directory)) ?? []).map { "\(directory)/\($0)" }
            .compactMap { path in Int(path.dropFirst(asidePrefix.count)).map { (path, $0) } }
            .filter { $0.0.hasPrefix(asidePrefix) }.sorted { $0.1 < $1.1 }.map(\.0)
    }

    /// What a look at the superblock shows to be wrong, if it does.
    func flaw() -> String? {
        // btrfs on-disk format: the first superblock is at 64 KiB, with the magic at its byte 64, the size at 112.
        var block = [UInt8](repeating: 0, count: 4096)
        guard let file = try? Descriptor.open(path, O_RDONLY), let size = try? file.fileSize() else {
            return "it cannot be read"
        }
        guard let count = try? file.read(into: &block, from: 0, at: 65_536), count == block.count else {
            return "it has been cut to \(size) bytes"
        }
        guard Array(block[64..<72]) == Array("_BHRfS_M".utf8) else { return "it is not a btrfs file system" }
        let total = block[112..<120].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return size < total ? "it has been cut from \(total) to \(size) bytes" : nil
    }
}
