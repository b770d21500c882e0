import Glibc

extension ArchiveEntry {
    /// The header blocks, an extended one first where something does not fit a plain one.
    var blocks: [UInt8] {
        var records = ArchiveRecords()
        var header = ArchiveHeader(kind: letter)
        let stored = kind == .directory ? FilePath(path.bytes + [FilePath.slash]) : path
        if !header.setName(stored) { records.add("path", stored.bytes) }
        if !header.setLink(link) { records.add("linkpath", link.bytes) }
        put(size, "size", ArchiveHeader.Field.size, &header, &records)
        put(UInt64(user), "uid", ArchiveHeader.Field.user, &header, &records)
        put(UInt64(group), "gid", ArchiveHeader.Field.group, &header, &records)
        let seconds = UInt64(exactly: modified.tv_sec)
        let fits = header.setNumber(seconds ?? 0, ArchiveHeader.Field.modified)
        if !fits || seconds == nil || modified.tv_nsec != 0 {
            records.add("mtime", Array(modified.decimal().utf8))
        }
        _ = header.setNumber(UInt64(mode), ArchiveHeader.Field.mode)
        header.seal()
        return extendedHeader(records) + header.block
    }

    private var letter: UInt8 {
        switch kind {
        case .regular: UInt8(ascii: "0")
        case .hardLink: UInt8(ascii: "1")
        case .symbolicLink: UInt8(ascii: "2")
        case .directory: UInt8(ascii: "5")
        }
    }

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
        let hasText = records.values.keys.contains { $0 == "path" || $0 == "linkpath" }
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
