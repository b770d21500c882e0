import Glibc

extension ArchiveEntry {
    /// The header blocks, an extended one first where something does not fit a plain one. Where `data` is given, the
    /// map of it follows, and then come only those bytes.
    package var blocks: [UInt8] {
        var records = ArchiveRecords()
        var header = ArchiveHeader(kind: letter)
        let name = kind == .directory ? FilePath(path.bytes + [FilePath.slash]) : path
        let map = data.map { Self.map($0, size: size) } ?? []
        if data != nil { addSparse(name, &records) }
        let stored = data == nil ? name : FilePath("GNUSparseFile.0/file")
        if !header.setName(stored) { records.add("path", stored.bytes) }
        if !header.setLink(link) { records.add("linkpath", link.bytes) }
        put(storedSize(map), "size", ArchiveHeader.Field.size, &header, &records)
        put(UInt64(user), "uid", ArchiveHeader.Field.user, &header, &records)
        put(UInt64(group), "gid", ArchiveHeader.Field.group, &header, &records)
        let seconds = UInt64(exactly: modified.tv_sec)
        let fits = header.setNumber(seconds ?? 0, ArchiveHeader.Field.modified)
        if !fits || seconds == nil || modified.tv_nsec != 0 {
            records.add("mtime", Array(ArchiveTime.decimal(modified).utf8))
        }
        for attribute in attributes { records.add("SCHILY.xattr." + attribute.name, attribute.value) }
        _ = header.setNumber(UInt64(mode), ArchiveHeader.Field.mode)
        header.seal()
        return extendedHeader(records) + header.block + map
    }

    /// Bytes of the member that the archive has, the map of a sparse file among them.
    package var storedSize: UInt64 { storedSize(data.map { Self.map($0, size: size) } ?? []) }

    private func storedSize(_ map: [UInt8]) -> UInt64 {
        data.map { $0.reduce(UInt64(map.count)) { $0 + $1.length } } ?? size
    }

    private var letter: UInt8 {
        switch kind {
        case .regular: UInt8(ascii: "0")
        case .hardLink: UInt8(ascii: "1")
        case .symbolicLink: UInt8(ascii: "2")
        case .directory: UInt8(ascii: "5")
        case .fifo: UInt8(ascii: "6")
        }
    }

    // MARK: Sparse files, in format 1.0 of GNU tar

    private func addSparse(_ name: FilePath, _ records: inout ArchiveRecords) {
        records.add("GNU.sparse.major", Array("1".utf8))
        records.add("GNU.sparse.minor", Array("0".utf8))
        records.add("GNU.sparse.name", name.bytes)
        records.add("GNU.sparse.realsize", Array(String(size).utf8))
    }

    /// How many pieces, then the offset and length of each, a line each, filled up to a whole block.
    /// A piece of nothing at the end is how GNU tar knows that a hole is last.
    private static func map(_ data: [ArchiveExtent], size: UInt64) -> [UInt8] {
        let isWhole = data.last.map { $0.offset + $0.length == size } ?? false
        let data = isWhole ? data : data + [ArchiveExtent(offset: size, length: 0)]
        let lines = [UInt64(data.count)] + data.flatMap { [$0.offset, $0.length] }
        let text = lines.flatMap { Array("\($0)\n".utf8) }
        let rest = text.count % ArchiveHeader.blockSize
        return text + [UInt8](repeating: 0, count: rest == 0 ? 0 : ArchiveHeader.blockSize - rest)
    }

    // MARK: Extended headers

    private func put(
        _ value: UInt64, _ key: String, _ field: Range<Int>, _ header: inout ArchiveHeader,
        _ records: inout ArchiveRecords
    ) {
        if header.setNumber(value, field) { return }
        _ = header.setNumber(0, field)
        records.add(key, Array(String(value).utf8))
    }

    private func extendedHeader(_ records: ArchiveRecords) -> [UInt8] {
        if records.bytes.isEmpty { return [] }
        var all = records
        let isText = [path, link].allSatisfy { $0.isUTF8 }
        let hasText = records.values.keys.contains { ["path", "linkpath", "GNU.sparse.name"].contains($0) }
        if hasText && !isText {
            all = ArchiveRecords()
            all.add("hdrcharset", Array("BINARY".utf8))
            for (key, value) in records.values.sorted(by: { $0.key < $1.key }) { all.add(key, value) }
        }
        var header = ArchiveHeader(kind: UInt8(ascii: "x"))
        _ = header.setName(FilePath("PaxHeaders/entry"))
        _ = header.setNumber(0o644, ArchiveHeader.Field.mode)
        for field in [ArchiveHeader.Field.user, ArchiveHeader.Field.group, ArchiveHeader.Field.modified] {
            _ = header.setNumber(0, field)
        }
        _ = header.setNumber(UInt64(all.bytes.count), ArchiveHeader.Field.size)
        header.seal()
        let rest = all.bytes.count % ArchiveHeader.blockSize
        let padding = rest == 0 ? 0 : ArchiveHeader.blockSize - rest
        return header.block + all.bytes + [UInt8](repeating: 0, count: padding)
    }
}
