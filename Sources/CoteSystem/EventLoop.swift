import CLinux
import Glibc

/// One thread's waiting: descriptors that become ready and deadlines that pass, each with a closure.
/// The agent, the keeper and the engine's connections all run on one of these.
public final class EventLoop {
    /// What a descriptor can be ready for.
    public struct Interest: OptionSet, Sendable {
        /// Bits as `epoll_event.events` has them.
        public let rawValue: UInt32
        /// Bits as `epoll_event.events` has them.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Bytes, a connection or the end of the stream can be taken.
        public static let read = Interest(rawValue: EPOLLIN.rawValue)
        /// Bytes can be given.
        public static let write = Interest(rawValue: EPOLLOUT.rawValue)
        /// A control file's content has changed.
        public static let priority = Interest(rawValue: EPOLLPRI.rawValue)
        /// The other side has gone or failed; always reported, never asked for.
        public static let hangUp = Interest(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue)
    }

    /// A deadline that has not passed yet; for `cancel`.
    public struct Timer: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    /// Gets what the descriptor is ready for now.
    public typealias Handler = (Interest) -> Void

    private struct Watch {
        let generation: UInt32
        let handler: Handler
    }

    private let epoll: Descriptor
    private var watches: [CInt: Watch] = [:]
    private var generation: UInt32 = 0
    private var timers: [(deadline: UInt64, timer: Timer, action: () -> Void)] = []
    private var timerCount: UInt64 = 0
    private var stopped = false
    private var calls: [(call: () -> Void, done: (SystemError?) -> Void)] = []
    private var relay: Relay?

    /// Called each time before waiting: the place to send what the handlers of one round have gathered.
    public var beforeWait: [ObjectIdentifier: () -> Void] = [:]

    /// Whether the process gives back memory once nothing has happened for a second: for one that may wait for hours.
    public var restsWhenIdle = false
    private static let restDelay: CInt = 1000

    /// A loop with nothing to wait for; it belongs to the thread that calls `run`.
    public init() throws(SystemError) {
        epoll = Descriptor(owning: try check("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) })
    }

    /// Calls `handler` whenever `descriptor` is ready for any of `interest`, until `remove`.
    public func add(
        _ descriptor: borrowing Descriptor, _ interest: Interest, _ handler: @escaping Handler
    ) throws(SystemError) {
        generation &+= 1
        var event = Self.event(descriptor.raw, interest, generation)
        let raw = descriptor.raw
        try check("epoll_ctl") { epoll_ctl(epoll.raw, EPOLL_CTL_ADD, raw, &event) }
        watches[raw] = Watch(generation: generation, handler: handler)
    }

    /// Waits for something else on a descriptor; one that was never added is left alone.
    public func change(_ descriptor: borrowing Descriptor, _ interest: Interest) {
        guard let watch = watches[descriptor.raw] else { return }
        var event = Self.event(descriptor.raw, interest, watch.generation)
        epoll_ctl(epoll.raw, EPOLL_CTL_MOD, descriptor.raw, &event)
    }

    /// Must come before the descriptor is closed. Events already fetched for it are not delivered.
    public func remove(_ descriptor: borrowing Descriptor) {
        guard watches.removeValue(forKey: descriptor.raw) != nil else { return }
        epoll_ctl(epoll.raw, EPOLL_CTL_DEL, descriptor.raw, nil)
    }

    /// Calls `action` once, from the loop, this long from now.
    @discardableResult
    public func schedule(after nanoseconds: UInt64, _ action: @escaping () -> Void) -> Timer {
        timerCount += 1
        let timer = Timer(number: timerCount)
        let (sum, overflow) = SystemClock.monotonic().addingReportingOverflow(nanoseconds)
        let deadline = overflow ? UInt64.max : sum
        let place = timers.firstIndex { $0.deadline > deadline } ?? timers.endIndex
        timers.insert((deadline, timer, action), at: place)
        return timer
    }

    /// A timer that has fired is left alone.
    public func cancel(_ timer: Timer) { timers.removeAll { $0.timer == timer } }

    /// From now on a call that takes long does not stop the loop: another thread goes on with it. Whatever is used in
    /// handlers may then be used by several threads, one after the other.
    public func standInForCalls() throws(SystemError) { relay = try Relay(self) }

    /// Makes a call that may take long, after this round of handlers, and then calls `done` on the loop.
    /// - Parameter done: gets why the call was not made.
    public func perform(_ call: @escaping () -> Void, then done: @escaping (SystemError?) -> Void) {
        calls.append((call, done))
    }

    /// Makes `run` return after the handler that is running now.
    public func stop() { stopped = true }

    /// Waits and calls handlers until `stop`.
    public func run() throws(SystemError) {
        stopped = false
        if let relay { try relay.run(self) } else { _ = try runTurn() }
    }

    /// Runs until `stop`, or until another thread goes on with this; says whether one does.
    func runTurn() throws(SystemError) -> Bool {
        while !stopped {
            guard makeCall() else { return true }
            try runOnce()
        }
        return false
    }

    /// One in each round, so that handlers wait for one at most.
    private func makeCall() -> Bool {
        guard !calls.isEmpty else { return true }
        let (call, done) = calls.removeFirst()
        do throws(SystemError) {
            if let relay {
                guard try relay.make(call, for: self, then: { done(nil) }) else { return false }
            } else {
                call()
            }
            done(nil)
        } catch {
            done(error)
        }
        return true
    }

    private func runOnce() throws(SystemError) {
        for action in beforeWait.values { action() }
        if stopped { return }
        var events = [epoll_event](repeating: epoll_event(), count: 32)
        let count = wait(&events)
        if count < 0, errno != EINTR { throw SystemError("epoll_wait") }
        fireTimers()
        for event in events.prefix(Int(max(count, 0))) where !stopped {
            let raw = CInt(truncatingIfNeeded: event.data.u64 & 0xffff_ffff)
            let generation = UInt32(truncatingIfNeeded: event.data.u64 >> 32)
            guard let watch = watches[raw], watch.generation == generation else { continue }
            watch.handler(Interest(rawValue: event.events))
        }
    }

    private func fireTimers() {
        guard !timers.isEmpty else { return }
        let now = SystemClock.monotonic()
        while !stopped, let first = timers.first, first.deadline <= now {
            timers.removeFirst()
            first.action()
        }
    }

    private func wait(_ events: inout [epoll_event]) -> CInt {
        let time = waitTime()
        guard restsWhenIdle, time < 0 || time > Self.restDelay else {
            return epoll_wait(epoll.raw, &events, CInt(events.count), time)
        }
        let count = epoll_wait(epoll.raw, &events, CInt(events.count), Self.restDelay)
        guard count == 0 else { return count }
        return cl_epoll_wait_resting(
            epoll.raw, &events, CInt(events.count), time < 0 ? time : time - Self.restDelay)
    }

    /// Milliseconds until the next deadline, rounded up, at most a minute; -1 with none, 0 while calls are to be made.
    private func waitTime() -> CInt {
        guard calls.isEmpty else { return 0 }
        guard let first = timers.first else { return -1 }
        let now = SystemClock.monotonic()
        guard first.deadline > now else { return 0 }
        return CInt(min((first.deadline - now + 999_999) / 1_000_000, 60_000))
    }

    private static func event(_ raw: CInt, _ interest: Interest, _ generation: UInt32) -> epoll_event {
        let tag = UInt64(generation) << 32 | UInt64(UInt32(bitPattern: raw))
        return epoll_event(events: interest.rawValue, data: epoll_data_t(u64: tag))
    }
}
