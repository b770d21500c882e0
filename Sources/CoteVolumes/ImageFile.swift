import CoteModel
import CoteSystem
import Glibc

/// A file that is an ext4 file system, without a journal: whoever loses the machine loses the sandbox anyway.
enum ImageFile {
    private static let block: UInt64 = 4096
    /// One inode for so many bytes; its table is not written before it is needed.
    private static let bytesPerInode: UInt64 = 8192
    private static let inode: UInt64 = 256
    /// Blocks described by one block of bitmap, which is a group; each has one for blocks and one for inodes.
    private static let groupBlocks: UInt64 = 8 * block
    /// What the kernel sets aside when it mounts (`ext4_calculate_resv_clusters`): a fiftieth, up to 4096 blocks.
    private static let largestReserve: UInt64 = 4096 * block

    /// The size at which about `limit` bytes are left for data, and never less.
    static func size(for limit: ByteCount) -> UInt64 {
        let reserved = min(limit.bytes / 48, largestReserve)
        let groups = limit.bytes / (groupBlocks * block) + 1
        let fixed = reserved + groups * 3 * block + (512 << 10)
        // Tables take their part of the whole, themselves included.
        let data = limit.bytes + fixed
        let whole = data + data / (bytesPerInode / inode - 1)
        return ((whole + (1 << 20) - 1) >> 20) << 20
    }

    /// The limit, in whole mebibytes, for which `size(for:)` gives this size or, where it gives none such, less.
    static func limit(ofSize size: UInt64) -> ByteCount {
        var (low, high): (UInt64, UInt64) = (0, size >> 20)
        while low < high {
            let middle = (low + high + 1) / 2
            if self.size(for: .mebibytes(middle)) <= size { low = middle } else { high = middle - 1 }
        }
        return .mebibytes(low)
    }

    static let options = "noinit_itable,discard,errors=remount-ro"

    /// Makes an empty image. Its times and identifiers do not matter, as nobody shares it.
    static func format(_ path: String, _ limit: ByteCount) throws(CoteError) {
        let arguments = [
            "-q", "-F", "-t", "ext4", "-b", "\(block)", "-I", "\(inode)", "-i", "\(bytesPerInode)", "-m", "0", "-E",
            "lazy_itable_init=1,nodiscard,root_owner=0:0", "-O",
            "none,extent,64bit,filetype,dir_index,sparse_super2,large_file,huge_file,dir_nlink,extra_isize,flex_bg"
                + ",metadata_csum",
            path,
        ]
        try FormatProgram.ext4.run(arguments, on: path)
    }
}
