import ArgumentParser
import CoteEngine
import CoteModel

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Say what works on this host, each line tried now.")

    @OptionGroup var output: OutputOptions

    @MainThread
    func run() async throws {
        let engine = try Engine()
        let findings = try await Progress.during("trying what works here") { () async throws(CoteError) in
            await engine.doctor()
        }
        if output.json {
            Terminal.print(json: findings)
        } else {
            for finding in findings {
                Terminal.print(
                    "\(finding.isGood ? "ok  " : "FAIL")  \(finding.subject): \(Terminal.oneLine(finding.detail))")
                if let fix = finding.fix { Terminal.print("      fix: \(fix)") }
            }
        }
        if findings.contains(where: { !$0.isGood }) { throw ProgramEnd(code: 1) }
    }
}

struct ClassCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "class", abstract: "The ways a sandbox can be isolated on this host.",
        subcommands: [List.self, Show.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the sandbox classes.")
        @OptionGroup var output: OutputOptions

        @MainThread
        func run() async throws {
            let engine = try Engine()
            let reports = try await Progress.during("trying every class") { () async throws(CoteError) in
                await engine.classes()
            }
            if output.json { return Terminal.print(json: reports) }
            let rows = reports.map {
                [$0.sandboxClass.rawValue, $0.driver, $0.isAvailable ? "available" : "unavailable", $0.program ?? "-"]
            }
            Terminal.print(table: [["CLASS", "DRIVER", "STATE", "PROGRAM"]] + rows)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what a class has been proved to do here.")
        @Argument(help: ArgumentHelp("The class.", valueName: "class"))
        var name: String
        @OptionGroup var output: OutputOptions

        @MainThread
        func run() async throws {
            let engine = try Engine()
            let report = try await Progress.during("trying class \(name)") { () async throws(CoteError) in
                try await engine.showClass(name)
            }
            if output.json { return Terminal.print(json: report) }
            Terminal.print(table: [
                ["class", report.sandboxClass.rawValue], ["driver", report.driver],
                ["program", report.program ?? "-"], ["version", report.version ?? "-"],
            ])
            let rows = report.capabilities.map {
                [$0.name, $0.root.rawValue, $0.rootless.rawValue, Terminal.oneLine($0.detail)]
            }
            Terminal.print(table: [["CAPABILITY", "ROOT", "ROOTLESS", "DETAIL"]] + rows)
            let other = report.privilege == .root ? "another user than root" : "root"
            Terminal.note("untried is what the same command tries as \(other)")
        }
    }
}
