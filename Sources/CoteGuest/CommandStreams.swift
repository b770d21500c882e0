import CoteModel
import CoteSystem
import CoteWire
import Glibc

/// The reading end of a command's stdout, stderr or terminal.
final class CommandOutput {
    /// Nobody has credit for it: it is not watched.
    private(set) var isPaused = false
    /// Read until nothing was left, after which nothing has been seen.
    private(set) var isEmpty = false
    private(set) var isAtEnd = false
    let kind: Frame.Kind
    private let descriptor: SharedDescriptor
    private let loop: EventLoop

    /// Not watched yet.
    /// - Parameter descriptor: does not block.
    init(_ kind: Frame.Kind, _ descriptor: SharedDescriptor, on loop: EventLoop) {
        self.kind = kind
        self.descriptor = descriptor
        self.loop = loop
    }

    /// Calls `ready` whenever there is something to read. False where the kernel has no room to watch it: it ends here.
    func watch(_ ready: @escaping (CommandOutput) -> Void) -> Bool {
        let added: Void? = try? loop.add(descriptor.descriptor, isPaused ? [] : .read) { [weak self] _ in
            guard let self else { return }
            self.isEmpty = false
            ready(self)
        }
        if added == nil { (isEmpty, isAtEnd) = (true, true) }
        return added != nil
    }

    /// Reads what is there; 0 when nothing is.
    func read(into buffer: inout ReadBuffer, limit: Int) -> Int {
        switch (try? buffer.read(descriptor.descriptor, limit: limit)) ?? .end {
        case .bytes(let count):
            return count
        case .wouldBlock:
            isEmpty = true
        case .end:
            isEmpty = true
            isAtEnd = true
            close()
        }
        return 0
    }

    func pause() {
        guard !isPaused, !isAtEnd else { return }
        isPaused = true
        loop.change(descriptor.descriptor, [])
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        loop.change(descriptor.descriptor, .read)
    }

    func close() { loop.remove(descriptor.descriptor) }
}

/// The writing end of a command's stdin or terminal. Holds at most one window of bytes that the command has not read.
final class CommandInput {
    private var descriptor: SharedDescriptor?
    private let isTerminal: Bool
    private let loop: EventLoop
    private let taken: (Int) -> Void
    private var waiting: [UInt8] = []
    private var ends = false

    /// - Parameter descriptor: does not block.
    /// - Parameter taken: called with the number of bytes that the command's side has accepted.
    init(
        _ descriptor: SharedDescriptor, isTerminal: Bool, on loop: EventLoop, taken: @escaping (Int) -> Void
    ) {
        self.descriptor = descriptor
        self.isTerminal = isTerminal
        self.loop = loop
        self.taken = taken
    }

    func write(_ bytes: [UInt8]) {
        guard descriptor != nil, !ends else { return taken(bytes.count) }
        let wasWaiting = !waiting.isEmpty
        waiting += bytes
        if !wasWaiting { drain() }
    }

    /// No more comes: a pipe is closed; a terminal is sent its end-of-file character.
    func end() {
        guard !ends else { return }
        if isTerminal { return write([4]) }
        ends = true
        if waiting.isEmpty { close() }
    }

    func close() {
        guard let descriptor else { return }
        loop.remove(descriptor.descriptor)
        if !isTerminal { self.descriptor = nil }
        waiting = []
        ends = true
    }

    private func drain() {
        guard let descriptor else { return }
        do {
            let count = try waiting.withUnsafeBytes { try descriptor.descriptor.write(some: $0) }
            waiting.removeFirst(count)
            taken(count)
        } catch {
            // The command has closed its stdin: what comes is taken and thrown away, as a pipe would break.
            let count = waiting.count
            close()
            return taken(count)
        }
        if !waiting.isEmpty {
            try? loop.add(descriptor.descriptor, .write) { [weak self] _ in self?.becameWritable() }
        } else if ends {
            close()
        }
    }

    private func becameWritable() {
        if let descriptor { loop.remove(descriptor.descriptor) }
        drain()
    }
}

/// The controlling side of a command's pseudo-terminal.
final class Terminal {
    private let controller: SharedDescriptor
    init(_ controller: SharedDescriptor) { self.controller = controller }

    func resize(_ size: TerminalSize) {
        Terminals.resize(controller.descriptor, rows: size.rows, columns: size.columns)
    }
}
