import Glibc

/// The kernel's clocks, in nanoseconds.
public enum SystemClock {
    /// Never jumps; counts while the machine sleeps too. For durations and deadlines.
    public static func monotonic() -> UInt64 { now(CLOCK_BOOTTIME) }

    /// Time since 1970 UTC; may jump. For what people read.
    public static func wall() -> UInt64 { now(CLOCK_REALTIME) }

    private static func now(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
