import CoteSystem
import Glibc
import Testing

/// A loop whose threads stand in for each other.
@Suite struct RelayTests {
    /// What the loop's handlers leave behind; they run on one thread at a time.
    private final class Notes {
        var texts: [String] = []
        var threads: Set<pthread_t> = []
    }

    @Test func `a call that takes long does not stop the loop`() throws {
        let (loop, notes) = (try EventLoop(), Notes())
        try loop.standInForCalls()
        loop.perform {
            usleep(300_000)
        } then: { error in
            notes.texts.append(error == nil ? "called" : "\(error!)")
            loop.stop()
        }
        loop.schedule(after: 100_000_000) { notes.texts.append("meanwhile") }
        try loop.run()
        #expect(notes.texts == ["meanwhile", "called"])
    }

    @Test func `calls that take long at once take as long as one`() throws {
        let (loop, notes) = (try EventLoop(), Notes())
        try loop.standInForCalls()
        let begin = SystemClock.monotonic()
        for _ in 0..<8 {
            loop.perform {
                usleep(500_000)
            } then: { _ in
                notes.texts.append("called")
                if notes.texts.count == 8 { loop.stop() }
            }
        }
        try loop.run()
        #expect(SystemClock.monotonic() - begin < 2_000_000_000)
    }

    @Test func `what is called and what is done then come in order, however long each takes`() throws {
        let (loop, notes) = (try EventLoop(), Notes())
        try loop.standInForCalls()
        var random = SystemRandomNumberGenerator()
        var left = 200
        func next() {
            left -= 1
            // About as long as it takes until another thread takes over, so that both happen, and at once.
            let time = UInt32.random(in: 3000...7000, using: &random)
            loop.perform {
                usleep(time)
                notes.threads.insert(pthread_self())
            } then: { _ in
                notes.texts.append("\(left)")
                left == 0 ? loop.stop() : next()
            }
        }
        next()
        try loop.run()
        #expect(notes.texts == (0..<200).reversed().map { "\($0)" })
        #expect(notes.threads.count > 1)
    }

    @Test func `without anybody to stand in a call stops the loop and is made all the same`() throws {
        let (loop, notes) = (try EventLoop(), Notes())
        loop.perform {
            usleep(100_000)
        } then: { _ in
            notes.texts.append("called")
        }
        loop.schedule(after: 1_000_000) {
            notes.texts.append("late")
            loop.stop()
        }
        try loop.run()
        #expect(notes.texts == ["called", "late"])
    }
}
