import CoteGuest
import CoteModel
import Glibc

exit(Agent.main(CommandLine.arguments, guards: .all))
