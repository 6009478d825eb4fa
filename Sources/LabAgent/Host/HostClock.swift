import Glibc

/// The kernel's clocks.
enum HostClock {
    /// `CLOCK_REALTIME` in nanoseconds since 1970.
    static func realtimeNanoseconds() -> Int64 { read(CLOCK_REALTIME) }
    /// `CLOCK_MONOTONIC` in nanoseconds.
    static func monotonicNanoseconds() -> Int64 { read(CLOCK_MONOTONIC) }
    /// `CLOCK_BOOTTIME` in nanoseconds: goes on in suspend and is never set.
    static func bootNanoseconds() -> Int64 { read(CLOCK_BOOTTIME) }

    /// The kernel's name for this boot: what `CLOCK_BOOTTIME` counts from.
    static func bootID() -> String {
        String(ProcessTable.text("/proc/sys/kernel/random/boot_id")?.split(separator: "\n").first ?? "")
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        let result = clock_gettime(clock, &time)
        precondition(result == 0, "clock_gettime(\(clock)) failed: errno \(errno)")
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
