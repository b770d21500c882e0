import CoteModel
import CoteSystem
import CoteVolumes
import Glibc

/// What the steps of a volume's life take, for the record of decisions.
struct Measurement {
    private let kind: VolumeKind
    private let store: any VolumeStore
    private let place: String
    private static let rounds = 60

    init(_ kind: VolumeKind, _ store: any VolumeStore, _ runtime: String) {
        self.kind = kind
        self.store = store
        place = runtime + "/measured"
    }

    func run() throws(CoteError) {
        let limit: ByteCount? = kind == .directory ? nil : .mebibytes(1024)
        let first = try timed { () throws(CoteError) in try make("first", limit) }
        print("first volume, with all that it needs: \(first)")
        try print("again after an unmount: \(remount())")
        var (create, attach, mount, remove): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        for round in 0..<Self.rounds {
            let name = volume("round-\(round)")
            create.append(try timed { () throws(CoteError) in try store.create(name, owner: 70_000, limit: limit) })
            do {
                var attachment: VolumeAttachment?
                attach.append(try timed { () throws(CoteError) in attachment = try store.attach(name) })
                mount.append(try timed { () throws(CoteError) in try use(attachment) { _ throws(SystemError) in } })
            }
            remove.append(try timed { () throws(CoteError) in try store.remove(name) })
        }
        print(
            "create \(median(create)) attach \(median(attach)) mount+unmount \(median(mount)) remove \(median(remove))")
        try copies(limit)
    }

    private func copies(_ limit: ByteCount?) throws(CoteError) {
        do {
            let attachment = try store.attach(volume("first"))
            try use(attachment) { path throws(SystemError) in
                let file = try Descriptor.open(path + "/upper/data", O_WRONLY | O_CREAT, mode: 0o600)
                let chunk = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
                for _ in 0..<500 { try file.write(all: chunk) }
            }
        }
        sync()
        var (snapshot, fork): ([Double], [Double]) = ([], [])
        for round in 0..<(kind == .btrfs ? 20 : 3) {
            let (frozen, copy) = (volume("frozen-\(round)"), volume("fork-\(round)"))
            snapshot.append(try timed { () throws(CoteError) in try store.snapshot(of: volume("first"), as: frozen) })
            fork.append(try timed { () throws(CoteError) in try store.fork(of: frozen, as: copy) })
        }
        print(
            "500 MiB: snapshot \(median(snapshot)) fork \(median(fork)) worst \(snapshot.max() ?? 0) \(fork.max() ?? 0)"
        )
    }

    private func make(_ name: String, _ limit: ByteCount?) throws(CoteError) {
        try store.create(volume(name), owner: 70_000, limit: limit)
    }

    private func remount() throws(CoteError) -> Double {
        guard let pool = store as? PoolVolumes else { return 0 }
        try pool.unmountPool()
        return try timed { () throws(CoteError) in try make("second", .mebibytes(1024)) }
    }

    private func use(
        _ attachment: VolumeAttachment?, _ body: (String) throws(SystemError) -> Void
    ) throws(CoteError) {
        do throws(SystemError) {
            try Files.makeDirectories(place)
            try attachment?.source.mount(at: place, owner: 70_000)
            try body(place)
            try Mounts.unmount(place)
        } catch { throw CoteError(.internal, "\(error)") }
    }

    private func volume(_ text: String) -> VolumeName {
        guard let name = VolumeName(text) else { exit(2) }
        return name
    }

    /// In milliseconds.
    private func timed(_ body: () throws(CoteError) -> Void) throws(CoteError) -> Double {
        let start = SystemClock.monotonic()
        try body()
        return Double((SystemClock.monotonic() - start) / 1000) / 1000
    }

    private func median(_ times: [Double]) -> Double { times.sorted()[times.count / 2] }
}
