import CoteArchive
import Glibc

/// The bytes of a file as they come out of an archive.
enum FileContent {
    /// All of the current member, with zeros where it is sparse.
    static func write(_ entry: ArchiveEntry, to file: CInt, _ layer: LayerReader) throws(UnpackFailure) {
        guard let extents = entry.data else {
            while true {
                let piece = try layer.piece()
                if piece.isEmpty { return }
                try write(piece, to: file, entry.path)
            }
        }
        for extent in extents {
            try attempt("lseek", entry.path) { lseek(file, off_t(clamping: extent.offset), SEEK_SET) }
            var left = extent.length
            while left > 0 {
                let piece = try layer.piece(Int(clamping: left))
                left -= UInt64(piece.count)
                try write(piece, to: file, entry.path)
            }
        }
        try attempt("ftruncate", entry.path) { ftruncate(file, off_t(clamping: entry.size)) }
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to file: CInt, _ entry: FilePath) throws(UnpackFailure) {
        var rest = bytes
        while !rest.isEmpty {
            let count = try attempt("write", entry) { Glibc.write(file, rest.baseAddress, rest.count) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}
