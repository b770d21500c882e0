import CoteSystem
import Glibc

// An agent that means harm. The fault tests write the name of what it does behind a copy of this program, as there is
// no other way to tell it: an agent gets neither arguments nor environment.

let program = (try? Files.read(CommandLine.arguments[0], limit: 1 << 30)) ?? []
let word = String(decoding: program.reversed().prefix { $0 != 0x0a }.reversed(), as: UTF8.self)
Misdeed(rawValue: word)?.commit()
exit(3)
