import CoteContent
public import CoteModel
import CoteSystem
import CoteWorker
import Glibc
import Synchronization

/// The root of an environment's sandboxes, whole and unchanged.
public struct EnvironmentRoot: Hashable, Sendable {
    /// How its files are there.
    public enum Form: Hashable, Sendable {
        /// An erofs image, whose owners begin with 0.
        case image(String)
        /// A directory, whose owners begin with `userBase`.
        case directory(String, userBase: UInt32)
    }

    /// Where and how.
    public var form: Form
    /// What the image says of commands.
    public var use: SandboxImage
}

extension EnvironmentStore {
    /// The root of an environment, made now where there is none yet, or where what there is has changed.
    ///
    /// One program at a time makes an environment; others wait for it. Until it is whole it has no name that anybody
    /// looks for.
    public func root(
        of digest: Digest, progress: @escaping EnvironmentProgress.Listener = { _ in }
    ) throws(CoteError) -> EnvironmentRoot {
        if let root = sound(digest) { return root }
        let lock = try FileLock.exclusive("\(environments)/locks/\(digest.hex)")
        return try withExtendedLifetime(lock) { () throws(CoteError) in
            if let root = sound(digest) { return root }
            if let root = soundAgain(digest, progress) { return root }
            let hold = try content.hold()
            return try withExtendedLifetime(hold) { () throws(CoteError) in
                try make(try image(digest), progress)
            }
        }
    }

    /// The root of an environment that was made before, if it still is what was made; takes no time.
    public func sound(_ digest: Digest) -> EnvironmentRoot? {
        let place = directory(digest)
        guard let record = EnvironmentRecord.read(place), record.digest == digest else { return nil }
        switch record.form {
        case .directory:
            guard !configuration.mountsImages || ErofsTool.find(configuration) == nil,
                Files.exists("\(place)/\(EnvironmentRecord.rootName)")
            else { return nil }
        case .erofs:
            guard configuration.mountsImages, let file = record.file,
                let status = try? Files.status("\(place)/\(EnvironmentRecord.imageName)"), file.isStill(status)
            else { return nil }
        }
        return root(record)
    }

    private func root(_ record: EnvironmentRecord) -> EnvironmentRoot {
        let place = directory(record.digest)
        switch record.form {
        case .erofs:
            return EnvironmentRoot(form: .image("\(place)/\(EnvironmentRecord.imageName)"), use: record.use)
        case .directory:
            let path = "\(place)/\(EnvironmentRecord.rootName)"
            return EnvironmentRoot(form: .directory(path, userBase: record.userBase), use: record.use)
        }
    }

    /// An image from before the last boot, or that was copied here: right if its bytes are.
    private func soundAgain(_ digest: Digest, _ progress: EnvironmentProgress.Listener) -> EnvironmentRoot? {
        let place = directory(digest)
        let path = "\(place)/\(EnvironmentRecord.imageName)"
        guard configuration.mountsImages, var record = EnvironmentRecord.read(place), record.digest == digest,
            let file = record.file, let hashed = try? hash(path, progress), hashed == file.digest,
            let status = try? Files.status(path)
        else { return nil }
        record.file = FileIdentity(status, digest: file.digest)
        return (try? record.write(place)) == nil ? nil : root(record)
    }

    func hash(_ path: String, _ progress: EnvironmentProgress.Listener) throws(SystemError) -> Digest {
        let total = try Files.status(path).st_size
        var done: UInt64 = 0
        return try ContentHash.digest(of: try Descriptor.open(path, O_RDONLY | O_NOFOLLOW)) { count in
            done += count
            progress(EnvironmentProgress("verifying the root", done, of: UInt64(clamping: total)))
        }
    }

    // MARK: Making

    private func make(
        _ image: Image, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) -> EnvironmentRoot {
        clearHalfMade(image.digest)
        let place = "\(environments)/.new-\(image.digest.hex)"
        var isMade = false
        defer { if !isMade { discard(place) } }
        try CoteError.hosting("cannot write to \(environments)") { () throws(SystemError) in
            try Files.makeDirectory(place)
            try Files.makeDirectory(place + "/tree")
        }
        let record: EnvironmentRecord
        if let tool = configuration.mountsImages ? ErofsTool.find(configuration) : nil {
            try unpackForImage(image, place + "/tree", progress)
            record = try makeImage(image, place, tool, progress)
        } else {
            try unpack(image, into: place + "/tree", progress)
            record = try keepTree(image, place)
        }
        try CoteError.hosting("cannot write to \(environments)") { () throws(SystemError) in
            try record.write(place)
            try Files.rename(place, to: directory(image.digest))
        }
        isMade = true
        return root(record)
    }

    /// Into memory where there is enough of it: the tree lasts a moment, and a disk takes most of a second for every
    /// thousand files. What does not work there, for want of room or of attributes, does on the disk.
    private func unpackForImage(
        _ image: Image, _ tree: String, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) {
        let room = Self.freeMemory / 2
        if image.size < room / 8, mountMemory(tree, room) {
            do throws(CoteError) { return try unpack(image, into: tree, progress) } catch {
                try? Mounts.unmount(tree)
                guard error.code == .diskFull || error.code == .internal else { throw error }
            }
        }
        try unpack(image, into: tree, progress)
    }

    private func mountMemory(_ place: String, _ room: UInt64) -> Bool {
        // With a limit of inodes, attributes count too.
        let options = "size=\(room),nr_inodes=\(room >> 12),mode=0700"
        do {
            try Mounts.mountNew("tmpfs", at: place, options: options, flags: [.noSetuid, .noDevices, .noExecution])
            return true
        } catch { return false }
    }

    /// Bytes that programs could have without anything being taken from others.
    private static var freeMemory: UInt64 {
        let text = (try? Files.readText("/proc/meminfo")) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        return (line.flatMap { UInt64($0.filter(\.isNumber)) } ?? 0) << 10
    }

    private func unpack(
        _ image: Image, into tree: String, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) {
        var files: [SharedDescriptor] = []
        for layer in image.manifest.layers {
            guard content.size(layer.digest) == layer.size else {
                throw CoteError(
                    content.size(layer.digest) == nil ? .missingContent : .digestMismatch,
                    "layer \(layer.digest) is not in the store as the image has it",
                    hint: "cote env verify repairs it, or import or pull the image again")
            }
            files.append(SharedDescriptor(try content.open(layer.digest)))
        }
        let target = try CoteError.hosting("cannot open \(tree)") { () throws(SystemError) in
            try Files.setOwner(tree, configuration.workerBase)
            return try Descriptor.open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }
        let layers = image.manifest.layers.indices.map { index in
            UnpackRequest.Layer(
                descriptor: CInt(4 + index), size: image.manifest.layers[index].size,
                diffID: image.configuration.rootfs.diffIDs[index])
        }
        let step = "unpacking \(layers.count) layer\(layers.count == 1 ? "" : "s")"
        progress(EnvironmentProgress(step))
        try UnpackWorker(configuration: configuration).run(
            .layers(layers, into: 3), [target.raw] + files.map { $0.descriptor.raw },
            subject: "image \(image.digest)", layers: image.manifest.layers.map(\.digest),
            progress: { progress(EnvironmentProgress(step, $0)) })
    }

    private func makeImage(
        _ image: Image, _ place: String, _ tool: String, _ progress: @escaping EnvironmentProgress.Listener
    ) throws(CoteError) -> EnvironmentRecord {
        let path = "\(place)/\(EnvironmentRecord.imageName)"
        progress(EnvironmentProgress("making the root"))
        try writeImage(path, of: place + "/tree", tool, "image \(image.digest)")
        // Two things that need nothing of each other, for two processors.
        let digest = Mutex<Result<Digest, SystemError>?>(nil)
        Crew.share(2) { part in
            if part == 1 { return clear(place + "/tree") }
            let hashed: Result<Digest, SystemError>
            do throws(SystemError) { hashed = .success(try hash(path, progress)) } catch { hashed = .failure(error) }
            digest.withLock { $0 = hashed }
        }
        let content = try CoteError.hosting("cannot read \(path)") { () throws(SystemError) -> Digest? in
            try digest.withLock { $0 }?.get()
        }
        guard let content else { throw CoteError(.internal, "\(path) was not hashed") }
        // Whoever wrote it has its ids no more.
        try CoteError.hosting("cannot write \(path)") { () throws(SystemError) in try Files.setOwner(path, geteuid()) }
        let status = try CoteError.hosting("cannot read \(path)") { () throws(SystemError) in try Files.status(path) }
        return EnvironmentRecord(
            digest: image.digest, form: .erofs, file: FileIdentity(status, digest: content),
            size: UInt64(clamping: status.st_blocks) &* 512, userBase: 0, use: image.use)
    }

    private func writeImage(
        _ path: String, of tree: String, _ tool: String, _ subject: String
    ) throws(CoteError) {
        let output = try CoteError.hosting("cannot write \(path)") { () throws(SystemError) in
            try Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o400)
        }
        let source = try CoteError.hosting("cannot open \(tree)") { () throws(SystemError) in
            try Descriptor.open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }
        try UnpackWorker(configuration: configuration).run(
            .image(3, into: 4, program: tool), [source.raw, output.raw], subject: subject)
    }

    private func keepTree(_ image: Image, _ place: String) throws(CoteError) -> EnvironmentRecord {
        try CoteError.hosting("cannot write to \(environments)") { () throws(SystemError) in
            try Files.rename(place + "/tree", to: "\(place)/\(EnvironmentRecord.rootName)")
        }
        return EnvironmentRecord(
            digest: image.digest, form: .directory, file: nil, size: image.size,
            userBase: configuration.workerBase, use: image.use)
    }

    // MARK: Clearing

    /// What somebody who was killed left of making this one, and what is there but not sound any more.
    private func clearHalfMade(_ digest: Digest) {
        discard("\(environments)/.new-\(digest.hex)")
        discard(directory(digest))
    }

    /// Removes what was made here, and the memory that its tree may have been in.
    func discard(_ place: String) {
        clear(place + "/tree")
        try? Files.removeTree(place)
    }

    private func clear(_ tree: String) {
        if configuration.mountsImages { try? Mounts.unmount(tree) }
        try? Files.removeTree(tree)
    }
}

/// `mkfs.erofs`, from the operator's directories.
enum ErofsTool {
    /// `nil` where it is not installed, or the kernel cannot mount what it makes.
    static func find(_ configuration: EnvironmentConfiguration) -> String? {
        guard isMountable else { return nil }
        for directory in configuration.binaryDirectories {
            let path = directory + "/mkfs.erofs"
            guard let status = try? Files.status(path), status.st_mode & S_IFMT == S_IFREG,
                status.st_uid == 0, status.st_mode & 0o022 == 0, status.st_mode & 0o111 != 0
            else { continue }
            return path
        }
        return nil
    }

    /// Whether the kernel has erofs, or perhaps a module of it that it loads by itself.
    private static let isMountable: Bool = {
        let known = (try? Files.readText("/proc/filesystems")) ?? ""
        if known.split(separator: "\n").contains(where: { $0.hasSuffix("\terofs") }) { return true }
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return Files.exists("/lib/modules/\(release)/kernel/fs/erofs")
    }()
}
