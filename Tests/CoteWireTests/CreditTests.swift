import CoteTestSupport
import CoteWire
import Testing

@Suite struct CreditTests {
    @Test func `a stream starts with a whole window`() {
        #expect(Credit().available == Credit.window)
    }

    @Test func `taking up to a count never takes more than is left`() {
        var credit = Credit()
        #expect(credit.take(upTo: Credit.window - 10) == Credit.window - 10)
        #expect(credit.take(upTo: 64) == 10)
        #expect(credit.take(upTo: 64) == 0)
        #expect(credit.available == 0)
    }

    @Test func `taking exactly takes all of it or nothing`() {
        var credit = Credit()
        #expect(credit.take(exactly: Credit.window + 1) == false)
        #expect(credit.available == Credit.window)
        #expect(credit.take(exactly: Credit.window) == true)
        #expect(credit.take(exactly: 1) == false)
        #expect(credit.take(exactly: 0) == true)
    }

    @Test func `giving back more than was taken is refused and changes nothing`() {
        var credit = Credit()
        #expect(credit.give(1) == false)
        #expect(credit.take(exactly: 100) == true)
        #expect(credit.give(101) == false)
        #expect(credit.available == Credit.window - 100)
        #expect(credit.give(100) == true)
        #expect(credit == Credit())
    }

    @Test(arguments: [-1, .min]) func `a negative count makes no credit`(count: Int) {
        var credit = Credit()
        #expect(credit.take(exactly: 50) == true)
        #expect(credit.take(upTo: count) == 0)
        #expect(credit.take(exactly: count) == false)
        #expect(credit.give(count) == false)
        #expect(credit.available == Credit.window - 50)
    }

    @Test func `whatever two sides do, taken and left make one window`() {
        var random = SeededRandom(seed: Fuzzing.seed)
        var credit = Credit()
        var taken = 0
        for _ in 0..<10_000 {
            let count = random.below(Credit.window / 2)
            switch random.below(3) {
            case 0: taken += credit.take(upTo: count)
            case 1: if credit.take(exactly: count) { taken += count }
            default: if credit.give(count) { taken -= count }
            }
            #expect(taken + credit.available == Credit.window)
            #expect((0...Credit.window).contains(credit.available))
        }
    }
}
