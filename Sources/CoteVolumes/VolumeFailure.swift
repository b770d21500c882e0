import CoteModel
import CoteSystem
import Glibc

/// What a failed call means to whoever asked for a volume.
enum VolumeFailure {
    /// - Parameter doing: what was being done, with the artifact's name.
    static func translated(_ doing: String, _ error: SystemError) -> CoteError {
        switch error.code {
        case ENOSPC, EDQUOT:
            CoteError(.diskFull, "\(doing): \(error.reason)", hint: "cote prune frees what has ended")
        case EACCES, EPERM:
            CoteError(
                .noPermission, "\(doing): \(error)", hint: geteuid() == 0 ? nil : "run cote as root")
        case EIO, EUCLEAN, EROFS:
            CoteError(.damagedVolumes, "\(doing): \(error)", hint: "the kernel's log says more (dmesg)")
        default: CoteError(.internal, "\(doing): \(error)")
        }
    }

    static func taken(_ name: VolumeName) -> CoteError {
        CoteError(.nameTaken, "there is a volume '\(name)' already", hint: "remove it first")
    }

    static func inUse(_ name: VolumeName, _ path: String) -> CoteError {
        CoteError(.wrongState, "volume '\(name)' is in use: \(path)", hint: "stop its sandbox first")
    }

    static func missing(_ name: VolumeName, _ place: String, hint: String? = nil) -> CoteError {
        CoteError(.unknownVolume, "no volume '\(name)' in \(place)", hint: hint)
    }
}

extension VolumeTree {
    /// Runs one step on a volume; what fails names it and where it is.
    func translate<Value>(
        _ doing: String, _ name: VolumeName, _ body: () throws(SystemError) -> Value
    ) throws(CoteError) -> Value {
        do { return try body() } catch {
            if error.code == EEXIST { throw VolumeFailure.taken(name) }
            throw VolumeFailure.translated("cannot \(doing) volume '\(name)' in \(root)", error)
        }
    }
}

/// What is left on the file system of a path.
enum Room {
    /// So much of the host's disk stays free of new volumes: Cote's own records need some.
    static let reserve = ByteCount.mebibytes(16)

    /// Bytes that are free for root.
    static func free(at path: String) throws(SystemError) -> UInt64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw SystemError("statvfs", subject: path) }
        return UInt64(status.f_bfree) * UInt64(status.f_frsize)
    }

    /// - Throws: `diskFull` where a new volume on `path` would soon fail.
    static func check(_ path: String) throws(CoteError) {
        let free: UInt64
        do { free = try Self.free(at: path) } catch { throw VolumeFailure.translated("cannot look at \(path)", error) }
        guard free >= reserve.bytes else {
            throw CoteError(
                .diskFull, "no room for a volume: \(path) has \(free >> 20) MiB left",
                hint: "cote prune frees what has ended")
        }
    }
}
