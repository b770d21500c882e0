import CoteSystem
import Testing

@Suite struct EventLoopTests {
    @Test func `deadlines fire in their order and a cancelled one does not`() throws {
        let loop = try EventLoop()
        var fired: [Int] = []
        // Far enough apart for a thread that is kept from going on between one line and the next.
        loop.schedule(after: 400_000_000) { fired.append(2) }
        loop.schedule(after: 100_000_000) { fired.append(1) }
        let never = loop.schedule(after: 200_000_000) { fired.append(0) }
        loop.schedule(after: 600_000_000) { loop.stop() }
        loop.cancel(never)
        try loop.run()
        #expect(fired == [1, 2])
    }

    @Test func `a handler that removes another descriptor keeps it from being called`() throws {
        let loop = try EventLoop()
        var one = try Descriptor.pipe()
        var two = try Descriptor.pipe()
        try one.takeSecond().write(all: [1])
        try two.takeSecond().write(all: [1])
        let watched = Watched(first: one.takeFirst(), second: two.takeFirst())
        var calls = 0
        for isFirst in [true, false] {
            let handler: EventLoop.Handler = { _ in
                calls += 1
                loop.remove(watched.first)
                loop.remove(watched.second)
                loop.stop()
            }
            try isFirst ? loop.add(watched.first, .read, handler) : loop.add(watched.second, .read, handler)
        }
        try loop.run()
        #expect(calls == 1)
    }

    private final class Watched {
        let first: Descriptor
        let second: Descriptor
        init(first: consuming Descriptor, second: consuming Descriptor) {
            self.first = first
            self.second = second
        }
    }
}
