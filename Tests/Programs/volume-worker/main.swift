import CoteModel
import CoteSystem
import CoteVolumes
import Glibc

// One operation on a volume in a process of its own, which the volume tests end in the middle.
//
//     volume-worker <home> <runtime> <kind> <step to die at, or -> <verb> <argument>…

let arguments = CommandLine.arguments
guard arguments.count > 5, let kind = VolumeKind(rawValue: arguments[3]) else { exit(2) }
let (home, runtime, end, verb) = (arguments[1], arguments[2], VolumeStep(rawValue: arguments[4]), arguments[5])
let operands = Array(arguments[6...])

/// What a test may do to this process at any time it does to itself.
@Sendable func watch(_ step: VolumeStep) {
    if step == end { kill(getpid(), SIGKILL) }
}

let poolSize = getenv("COTE_POOL_SIZE").flatMap { ByteCount(parsing: String(cString: $0)) }
let store: any VolumeStore =
    switch kind {
    case .btrfs: PoolVolumes(home: home, runtime: runtime, firstSize: poolSize, watch: watch)
    case .ext4: ImageVolumes(home: home, watch: watch)
    case .directory: DirectoryVolumes(home: home, watch: watch)
    }

func name(_ index: Int) -> VolumeName {
    guard index < operands.count, let name = VolumeName(operands[index]) else { exit(2) }
    return name
}

do throws(CoteError) {
    switch verb {
    case "create":
        try store.create(name(0), owner: 70_000, limit: operands.count > 1 ? ByteCount(parsing: operands[1]) : nil)
    case "snapshot": try store.snapshot(of: name(0), as: name(1))
    case "fork": try store.fork(of: name(0), as: name(1))
    case "remove": try store.remove(name(0))
    case "recover": try store.recover()
    case "many":
        // Both of two processes want the same names, one after the other.
        var made = 0
        for number in 0..<(Int(operands[1]) ?? 0) {
            guard let name = VolumeName("\(operands[0])-\(number)") else { exit(2) }
            do throws(CoteError) {
                try store.create(name, owner: 70_000, limit: kind == .directory ? nil : .mebibytes(32))
                made += 1
            } catch { if error.code != .nameTaken { throw error } }
        }
        print(made)
    case "bench": try Measurement(kind, store, runtime).run()
    default: exit(2)
    }
} catch {
    Terminal.complain("\(error.code.rawValue) \(error.message)")
    exit(1)
}
