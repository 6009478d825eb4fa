import Glibc

/// A moment as RocketMQ's tools print it.
enum WallTime {
    /// Milliseconds since 1970 as `yyyy-MM-dd#HH:mm:ss:SSS`, in the broker's time zone.
    static func text(_ milliseconds: Int64) -> String {
        // Rounded down: -1 says "none", and is the end of 1969.
        let fraction = (milliseconds % 1000 + 1000) % 1000
        var seconds = time_t((milliseconds - fraction) / 1000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        func digits(_ value: some BinaryInteger, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        let day = [digits(parts.tm_year + 1900, 4), digits(parts.tm_mon + 1, 2), digits(parts.tm_mday, 2)]
        let clock = [digits(parts.tm_hour, 2), digits(parts.tm_min, 2), digits(parts.tm_sec, 2), digits(fraction, 3)]
        return day.joined(separator: "-") + "#" + clock.joined(separator: ":")
    }
}
