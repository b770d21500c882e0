import CLinux
import Glibc
import Synchronization

/// Threads that take turns at one event loop, so that a call that takes long does not stop it: the thread that makes
/// such a call is relieved by another and, when the call returns, waits for a turn of its own again.
///
/// The thread that waits for its turn looks after the other 5 ms after a call began; most calls have returned by then.
final class Relay: Sendable {
    private struct State {
        /// Goes up whenever another thread takes over.
        var turn: UInt64 = 0
        /// Since when the thread that has the turn is in a call, by the monotonic clock.
        var callBegan: UInt64?
        var isTimerSet = false
        /// Threads that wait for a turn.
        var waiting = 0
        /// What is to be done on the loop after calls whose thread was relieved.
        var finished: [Handover] = []
        var end: Result<Void, SystemError>?
    }

    /// Something of the loop's on its way from one thread to another.
    private struct Handover: @unchecked Sendable {
        // INVARIANT: the loop, and all that its handlers own, is touched by the thread alone that has the turn.
        let loop: EventLoop
        var action: () -> Void = {}
    }

    /// After so many nanoseconds in a call a thread is relieved.
    private static let patience: UInt64 = 5_000_000

    private let timer: SharedDescriptor
    private let wake: SharedDescriptor
    private let state = Mutex(State())

    /// For `loop`, which this thread has made and will run.
    init(_ loop: EventLoop) throws(SystemError) {
        timer = SharedDescriptor(Descriptor(owning: try check("timerfd_create") { cl_timer() }))
        wake = SharedDescriptor(try .event())
        try loop.add(wake.descriptor, .read) { [wake, weak self] _ in
            var count: UInt64 = 0
            read(wake.descriptor.raw, &count, 8)
            for handover in self?.takeFinished() ?? [] { handover.action() }
        }
    }

    /// Runs the loop, on this thread and those that relieve it, until it is stopped.
    func run(_ loop: EventLoop) throws(SystemError) {
        takeTurns(at: Handover(loop: loop), isFirst: true)
        try state.withLock { $0.end }?.get()
    }

    /// Makes a call that may take long.
    /// - Returns: false when another thread has the loop since, and will do what is to be done then.
    func make(_ call: () -> Void, for loop: EventLoop, then done: @escaping () -> Void) throws(SystemError) -> Bool {
        // Without one there would be nobody to relieve this thread.
        if state.withLock({ $0.waiting }) == 0 { try enlist(loop) }
        let now = SystemClock.monotonic()
        let (turn, mustSetTimer) = state.withLock { state in
            state.callBegan = now
            defer { state.isTimerSet = true }
            return (state.turn, !state.isTimerSet)
        }
        if mustSetTimer { setTimer(Self.patience) }
        call()
        let handover = Handover(loop: loop, action: done)
        let isRelieved = state.withLock { state in
            if state.turn == turn {
                state.callBegan = nil
                return false
            }
            state.finished.append(handover)
            return true
        }
        if isRelieved {
            var one: UInt64 = 1
            write(wake.descriptor.raw, &one, 8)
        }
        return !isRelieved
    }

    private func enlist(_ loop: EventLoop) throws(SystemError) {
        let handover = Handover(loop: loop)
        state.withLock { $0.waiting += 1 }
        do { try Thread { [self] in takeTurns(at: handover, isFirst: false) }.start() } catch {
            state.withLock { $0.waiting -= 1 }
            throw error
        }
    }

    /// - Parameter isFirst: for the thread that has the turn to begin with, and comes back from here at the very end.
    private func takeTurns(at handover: Handover, isFirst: Bool) {
        var hasTurn = isFirst
        while true {
            if hasTurn {
                do throws(SystemError) {
                    guard try handover.loop.runTurn() else { return finish(.success(())) }
                } catch {
                    return finish(.failure(error))
                }
                // One is enough to wait, and the first cannot leave.
                let others = state.withLock { state in
                    defer { if isFirst || state.waiting == 0 { state.waiting += 1 } }
                    return state.waiting
                }
                if others > 0 {
                    guard isFirst else { return }
                    setTimer(1)
                }
            }
            var count: UInt64 = 0
            read(timer.descriptor.raw, &count, 8)
            guard state.withLock({ $0.end }) == nil else { return setTimer(1) }
            hasTurn = relieve()
            if !hasTurn, !isFirst, leave() { return }
        }
    }

    /// Whether a thread that waits may go because another does too.
    private func leave() -> Bool {
        state.withLock { state in
            guard state.waiting > 1 else { return false }
            state.waiting -= 1
            return true
        }
    }

    /// Takes the turn if the thread that has it has been in a call for too long.
    private func relieve() -> Bool {
        let now = SystemClock.monotonic()
        let rest: UInt64? = state.withLock { state in
            state.isTimerSet = false
            guard let began = state.callBegan else { return nil }
            let passed = now - min(began, now)
            if passed < Self.patience {
                state.isTimerSet = true
                return Self.patience - passed
            }
            state.callBegan = nil
            state.turn += 1
            state.waiting -= 1
            return 0
        }
        if let rest, rest > 0 { setTimer(rest) }
        return rest == 0
    }

    /// The others learn it from the timer, one from the other.
    private func finish(_ end: Result<Void, SystemError>) {
        state.withLock { $0.end = end }
        setTimer(1)
    }

    private func takeFinished() -> [Handover] {
        state.withLock { state in
            defer { state.finished = [] }
            return state.finished
        }
    }

    private func setTimer(_ nanoseconds: UInt64) { _ = cl_timer_set(timer.descriptor.raw, Int(nanoseconds)) }
}
