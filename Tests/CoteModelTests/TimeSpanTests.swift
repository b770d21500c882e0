import CoteModel
import Testing

@Suite struct TimeSpanTests {
    @Test(
        arguments: [
            (0, 0), (1, 1_000_000), (18_446_744_073_709, 18_446_744_073_709_000_000), (18_446_744_073_710, .max),
            (.max, .max),
        ] as [(UInt64, UInt64)])
    func `a time too long for the clock is the longest, never a short one`(milliseconds: UInt64, nanoseconds: UInt64) {
        #expect(TimeSpan(milliseconds: milliseconds).nanoseconds == nanoseconds)
    }
}
