import CoteDriverOCI
import CoteKeeper
import CoteModel
import CoteSandbox
import CoteSystem
import Glibc

// The keeper without the guards that the file `without-guards` beside this program names, one a line. The security
// suite makes a directory of programs for each set, and tells the agent in its environment.

/// The driver, with a word to the agent.
struct WeakenedDriver: SandboxDriver {
    let left: [String]
    private let driver = OCIDriver()

    init(left: [String]) { self.left = left }

    func start(
        _ plan: SandboxPlan, _ loop: KeeperLoop, completion: @escaping (Result<Int32, StartFailure>) -> Void
    ) {
        var plan = plan
        plan.environment.append("COTE_WITHOUT_GUARDS=" + left.joined(separator: ","))
        driver.start(plan, loop, completion: completion)
    }

    func cleanUp(_ plan: SandboxPlan) { driver.cleanUp(plan) }
}

let program = try Files.linkTarget("/proc/self/exe")
let list = program[...(program.lastIndex(of: "/") ?? program.startIndex)] + "without-guards"
let left = try Files.readText(String(list)).split(separator: "\n").map(String.init)
let guards = Set(left.compactMap(Guard.init(rawValue:)))
guard guards.count == left.count else { exit(2) }
exit(Keeper.main(driver: WeakenedDriver(left: left), guards: GuardSet(without: guards)))
