import CoteEngine
import CoteModel
import Glibc

// Becomes another program as root of a user namespace of its own, as `cote` does for a user without root. With the
// tests as that program, what they create has no more than such a user has.

guard CommandLine.arguments.count > 1 else {
    print("usage: as-rootless PROGRAM ARGUMENT…")
    exit(2)
}
do { try Privilege.acquire() } catch {
    print("as-rootless: \(error)\(error.hint.map { "\nhint: \($0)" } ?? "")")
    exit(125)
}
var arguments = CommandLine.arguments.dropFirst().map { strdup($0) } + [nil]
execv(CommandLine.arguments[1], &arguments)
perror("as-rootless: \(CommandLine.arguments[1])")
exit(126)
