import Glibc

/// The clock for time-outs: it goes on evenly whatever is done to the wall clock.
public enum MonotonicClock {
    /// Milliseconds since some moment before the process began.
    public static let milliseconds: @Sendable () -> Int64 = { nanoseconds() / 1_000_000 }

    /// Nanoseconds since the same moment.
    public static let nanoseconds: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
