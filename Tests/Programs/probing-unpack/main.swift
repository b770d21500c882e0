import CoteSystem
import CoteUnpack
import Glibc

// probing-unpack BASE|- [GUARD]: gives up what the unpacker gives up, but for one guard, and then says what it can do
// that it must not, a word each. Descriptor 3 is named in the request, 4 is not.
let arguments = CommandLine.arguments
var confinement = Confinement(userBase: arguments.count > 1 ? UInt32(arguments[1]) : nil, descriptors: [3])
if arguments.count > 2, let left = Confinement.Guard(rawValue: arguments[2]) { confinement.without = [left] }
do { try confinement.apply() } catch {
    print("not confined: \(error)")
    exit(1)
}
print(Misdeed.done().joined(separator: " "))
