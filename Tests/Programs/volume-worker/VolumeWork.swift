import CoteModel
import CoteVolumes
import Glibc

/// What this program is told to do.
struct VolumeWork {
    private let kind: VolumeKind
    private let store: any VolumeStore
    private let runtime: String
    private let verb: String
    private let operands: [String]

    init?(_ words: [String]) {
        guard words.count > 4, let kind = VolumeKind(rawValue: words[2]) else { return nil }
        self.kind = kind
        (runtime, verb, operands) = (words[1], words[4], Array(words[5...]))
        let end = VolumeStep(rawValue: words[3])
        // What a machine may do to this process at any time it does to itself.
        let watch: @Sendable (VolumeStep) -> Void = { if $0 == end { kill(getpid(), SIGKILL) } }
        let size = getenv("COTE_POOL_SIZE").flatMap { ByteCount(parsing: String(cString: $0)) }
        store =
            switch kind {
            case .btrfs: PoolVolumes(home: words[0], runtime: words[1], firstSize: size, watch: watch)
            case .ext4: ImageVolumes(home: words[0], watch: watch)
            case .directory: DirectoryVolumes(home: words[0], watch: watch)
            }
    }

    func run() throws(CoteError) {
        switch verb {
        case "create":
            let limit = operands.count > 1 ? ByteCount(parsing: operands[1]) : nil
            try store.create(name(0), owner: 70_000, limit: limit)
        case "snapshot": try store.snapshot(of: name(0), as: name(1))
        case "fork": try store.fork(of: name(0), as: name(1))
        case "remove": try store.remove(name(0))
        case "recover": try store.recover()
        case "many": print(try createMany())
        case "measure": try Measurement(kind, store, runtime).run()
        default: exit(2)
        }
    }

    private func name(_ index: Int) -> VolumeName {
        guard index < operands.count, let name = VolumeName(operands[index]) else { exit(2) }
        return name
    }

    /// Wants names that another process wants too, one after the other; gives how many it got.
    private func createMany() throws(CoteError) -> Int {
        var made = 0
        for number in 0..<(Int(operands[1]) ?? 0) {
            guard let name = VolumeName("\(operands[0])-\(number)") else { exit(2) }
            do throws(CoteError) {
                try store.create(name, owner: 70_000, limit: kind == .directory ? nil : .mebibytes(32))
                made += 1
            } catch { if error.code != .nameTaken { throw error } }
        }
        return made
    }
}
