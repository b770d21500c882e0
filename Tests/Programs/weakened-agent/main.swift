import CoteGuest
import CoteModel
import Glibc

// The agent without the guards that its environment names, with commas between them. Only the security suite's own
// keeper gives it such an environment.

let left = getenv("COTE_WITHOUT_GUARDS").map { String(cString: $0) } ?? ""
let guards = left.split(separator: ",").compactMap { Guard(rawValue: String($0)) }
exit(Agent.main(CommandLine.arguments, guards: GuardSet(without: Set(guards))))
