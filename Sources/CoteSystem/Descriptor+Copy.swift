import CLinux
import Glibc

extension Descriptor {
    private static let largestCopy = 1 << 30

    /// Makes `target`, an empty file open for writing, a copy of this one: its size and data, with holes where this one
    /// has them. Shares the data where the file system can.
    public func copyContent(to target: borrowing Descriptor) throws(SystemError) {
        if cl_clone_file(raw, target.raw) == 0 { return }
        let size = Int64(clamping: try fileSize())
        try target.truncate(to: UInt64(size))
        var place: Int64 = 0
        while place < size {
            let start = cl_seek_data(raw, place)
            // Nothing but a hole is left.
            if start < 0, errno == ENXIO { return }
            guard start >= 0 else { throw SystemError("lseek") }
            let end = try check("lseek") { cl_seek_hole(raw, start) }
            try copyRange(start, min(end, size), to: target)
            place = max(end, start + 1)
        }
    }

    private func copyRange(_ start: Int64, _ end: Int64, to target: borrowing Descriptor) throws(SystemError) {
        var place = start
        let to = target.raw
        while place < end {
            let count = try check("copy_file_range") {
                cl_copy_range(raw, to, place, min(Int(end - place), Self.largestCopy))
            }
            // The file has become shorter.
            if count == 0 { return }
            place += Int64(count)
        }
    }
}
