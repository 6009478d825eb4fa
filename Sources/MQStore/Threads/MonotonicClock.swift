import Glibc

/// The clock for time-outs: it goes on evenly whatever is done to the wall clock.
public enum MonotonicClock {
    /// Milliseconds since some moment before the process began.
    public static let milliseconds: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
