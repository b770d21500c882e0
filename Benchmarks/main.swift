import Glibc

if CommandLine.arguments.dropFirst().first == PeerSide.word {
    PeerSide.main(hiding: Array(CommandLine.arguments.dropFirst(2)))
} else {
    do {
        let options = try Options(CommandLine.arguments.dropFirst())
        let report = try await Benchmark(options).run()
        print(report.table)
        if let path = options.json { try report.write(to: path) }
        exit(report.isMet || !options.mustHold ? 0 : 1)
    } catch {
        say("error: bench: \(error)")
        exit(2)
    }
}
