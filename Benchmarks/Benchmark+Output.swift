import CoteEngine
import CoteJournal
import CoteModel
import CoteSystem
import Glibc

extension Benchmark {
    private static let outputSize = 1 << 30

    /// A command that writes a gibibyte, read by a client and kept in the journal, beside `cat > file`.
    func outputRow() async throws -> Row {
        let text = try Transcript(directory + "/transcript", size: Self.outputSize)
        var cote = Samples("cote, journalled")
        var host = Samples("command | cat > file")
        var file = Samples("cat file > file")
        var peak = Samples("the keeper's peak")
        for round in 0..<options.runs {
            let kept = { try await self.journalled(text, &cote, &peak) }
            let plain = {
                Self.touchFreeMemory()
                host.add(try self.copied(text, "/bin/cat \(text.path) | /bin/cat > \(self.directory)/copy"))
                file.add(try self.copied(text, "exec /bin/cat \(text.path) > \(self.directory)/copy"))
            }
            if round.isMultiple(of: 2) {
                try await kept()
                try plain()
            } else {
                try plain()
                try await kept()
            }
        }
        var row = Row(name: "output", unit: "MiB/s", cote: cote, peers: [host, file, peak])
        row.bar(.least(0.25), times: "command | cat > file")
        row.bars.append(Bar(peak.maximum, .most(32), "MiB of the keeper, the largest"))
        row.notes = [
            "1 GiB of text; a client reads all of it meanwhile; after each run the journal's bytes are compared "
                + "with the file's",
            "the same command's output through a pipe into cat > file; a copy from file to file moves no byte through "
                + "a program and is shown for comparison",
            "each side begins with free memory that the machine, where it is a virtual one, has been lent already",
            "the keeper's peak is its largest resident set, in MiB",
        ]
        return row
    }

    /// Makes sure that the kernel's free memory is there. A hypervisor lends a page when it is first touched, and takes
    /// it back when it has been free for some seconds; to lend a gibibyte takes longer than to copy it, and whose turn
    /// that falls into is chance.
    private static func touchFreeMemory() {
        let size = 2 << 30
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED else { return }
        madvise(memory, size, 14)  // MADV_HUGEPAGE
        madvise(memory, size, 23)  // MADV_POPULATE_WRITE
        munmap(memory, size)
    }

    private func journalled(_ text: Transcript, _ speed: inout Samples, _ peak: inout Samples) async throws {
        let limits = Limits(journal: .mebibytes(8192))
        let sandbox = try await engine.create(SandboxRequest(limits: limits))
        try await Self.fill(sandbox, text)
        Self.touchFreeMemory()
        let time = try await Self.read(sandbox, Self.outputSize)
        speed.add(text.speed(nanoseconds: time))
        guard let keeper = try engine.show(sandbox.id.text).state.keeper else {
            throw Stopwatch.Failure(description: "no keeper")
        }
        peak.add(Footprint.peak(keeper))
        try text.compare(with: try engine.journal(of: sandbox.id.text))
        try await sandbox.remove()
        _ = engine.prune()
    }

    /// Brings the text in as a command's input, which no journal keeps.
    @concurrent private static func fill(_ sandbox: Sandbox, _ text: Transcript) async throws {
        var command = Command(["/bin/sh", "-c", "cat > /workspace/transcript"])
        command.takesInput = true
        let execution = try sandbox.start(command)
        for piece in text.pieces { await execution.write(piece) }
        execution.closeInput()
        let result = try await execution.wait()
        guard result.shellCode == 0 else { throw Stopwatch.Failure(description: "\(result)") }
    }

    @concurrent private static func read(_ sandbox: Sandbox, _ size: Int) async throws -> UInt64 {
        let begin = SystemClock.monotonic()
        let execution = try sandbox.start(Command(["/bin/cat", "/workspace/transcript"]))
        var count = 0
        while let chunk = await execution.nextOutput() { count += chunk.bytes.count }
        let result = try await execution.wait()
        guard result.shellCode == 0, count == size else {
            throw Stopwatch.Failure(description: "\(result), \(count) bytes")
        }
        return SystemClock.monotonic() - begin
    }

    private func copied(_ text: Transcript, _ script: String) throws -> Double {
        defer { try? Files.remove(directory + "/copy") }
        return text.speed(nanoseconds: try Stopwatch.run(["/bin/sh", "-c", script], environment: []))
    }
}

/// A file like what builds and tests print: lines of words, some of them not ASCII.
struct Transcript {
    let path: String
    let size: Int
    private let block: [UInt8]

    init(_ path: String, size: Int) throws {
        self.path = path
        self.size = size
        block = Self.block()
        let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
        for piece in pieces { try file.write(all: Array(piece)) }
    }

    private static func block() -> [UInt8] {
        let words = [
            "Compiling", "warning:", "note:", "[12/340]", "Sources/Engine/Loop.swift:41:9", "\"quoted\"", "passed",
            "ok", "0.003s", "größer", "→", "日本", "\\path\\to", "=== RUN", "\u{1b}[32mPASS\u{1b}[0m", "\t",
        ]
        var bytes: [UInt8] = []
        var state: UInt64 = 42
        while bytes.count < 1 << 20 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes += Array(words[Int(state >> 60)].utf8)
            bytes.append((state >> 56) & 0xf == 0 ? 0x0a : 0x20)
        }
        // Whole characters, so that a block can follow itself.
        bytes.removeLast(bytes.count - (1 << 20))
        while let last = bytes.last, last >= 0x80 { bytes.removeLast() }
        return bytes + Array(repeating: 0x2e, count: (1 << 20) - bytes.count)
    }

    var pieces: some Sequence<ArraySlice<UInt8>> {
        stride(from: 0, to: size, by: block.count).lazy.map { block.prefix(size - $0) }
    }

    /// MiB a second.
    func speed(nanoseconds: UInt64) -> Double { Double(size) / 1_048_576 / (Double(nanoseconds) / 1e9) }

    /// Every byte of the last command's output, in order, or an error.
    func compare(with journal: JournalReader) throws {
        var position = 0
        while let record = try journal.next() {
            guard record.kind == "stdout", let data = record.data else { continue }
            guard position + data.count <= size, matches(data, at: position) else {
                throw Stopwatch.Failure(description: "the journal differs from the output after byte \(position)")
            }
            position += data.count
        }
        guard position == size, journal.damaged == 0 else {
            throw Stopwatch.Failure(description: "the journal has \(position) bytes of \(size)")
        }
    }

    private func matches(_ data: [UInt8], at position: Int) -> Bool {
        var rest = data[...]
        while !rest.isEmpty {
            let start = (position + data.count - rest.count) % block.count
            let part = rest.prefix(block.count - start)
            guard part.elementsEqual(block[start..<start + part.count]) else { return false }
            rest = rest.dropFirst(part.count)
        }
        return true
    }
}
