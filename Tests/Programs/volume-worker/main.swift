import CoteModel
import Glibc

// One operation on a volume in a process of its own, which the volume tests end in the middle.
//
//     volume-worker <home> <runtime> <kind> <step to die at, or -> <verb> <argument>…

guard let work = VolumeWork(Array(CommandLine.arguments.dropFirst())) else { exit(2) }
do throws(CoteError) { try work.run() } catch {
    print("\(error.code.rawValue) \(error.message)")
    exit(1)
}
