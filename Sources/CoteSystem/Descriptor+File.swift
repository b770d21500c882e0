import Glibc

extension Descriptor {
    /// Reads into `buffer`, from its byte `start` to its end, what the file has from `offset` on, without moving the
    /// file's own position; gives the bytes read, 0 at the end of the file.
    public func read(
        into buffer: inout [UInt8], from start: Int, at offset: UInt64
    ) throws(SystemError) -> Int {
        try check("pread") {
            buffer.withUnsafeMutableBytes {
                let rest = UnsafeMutableRawBufferPointer(rebasing: $0[start...])
                return pread(raw, rest.baseAddress, rest.count, off_t(clamping: offset))
            }
        }
    }

    /// The size of an open file now.
    public func fileSize() throws(SystemError) -> UInt64 {
        var status = stat()
        try check("fstat") { fstat(raw, &status) }
        return UInt64(max(status.st_size, 0))
    }

    /// Cuts an open file, or lengthens it with zeros.
    public func truncate(to size: UInt64) throws(SystemError) {
        try check("ftruncate") { ftruncate(raw, off_t(clamping: size)) }
    }
}

extension Descriptor {
    /// Writes all of `bytes` from `offset` on, without moving the file's own position.
    public func write(all bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
            written += try check("pwrite") {
                pwrite(raw, rest.baseAddress, rest.count, off_t(clamping: offset + UInt64(written)))
            }
        }
    }
}
