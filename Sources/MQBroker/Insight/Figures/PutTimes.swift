/// How long stores of messages took, over the minute that runs and the one before. Pure: time is passed in.
///
/// Said as RocketMQ says it (`StoreStatsService`): counts by spans of time, and the time that 99 % did not exceed.
struct PutTimes: Sendable {
    /// RocketMQ's spans, by the milliseconds at which each ends.
    private static let spans: [(name: String, end: Int64)] = [
        ("[<=0ms]", 1), ("[0~10ms]", 10), ("[10~50ms]", 50), ("[50~100ms]", 100), ("[100~200ms]", 200),
        ("[200~500ms]", 500), ("[500ms~1s]", 1000), ("[1~2s]", 2000), ("[2~3s]", 3000), ("[3~4s]", 4000),
        ("[4~5s]", 5000), ("[5~10s]", 10_000), ("[10s~]", .max),
    ]
    private static let minuteMilliseconds: Int64 = 60_000

    private struct Minute: Sendable {
        var began: Int64
        var counts = [Int64](repeating: 0, count: PutTimes.spans.count)
        /// By fourths of powers of two of microseconds, so that a time is known to a fifth.
        var fine = [Int64](repeating: 0, count: 4 * 48)
        var times: Int64 = 0
    }

    private var current = Minute(began: .min)
    private var last: Minute?

    /// Counts a store that took so long.
    mutating func add(nanoseconds: Int64, now: Int64) {
        turn(now: now)
        let milliseconds = nanoseconds / 1_000_000
        let span = Self.spans.firstIndex { milliseconds < $0.end } ?? Self.spans.count - 1
        current.counts[span] += 1
        current.fine[Self.place(of: nanoseconds / 1000)] += 1
        current.times += 1
    }

    /// Ends the minute when it is over.
    mutating func turn(now: Int64) {
        if current.began == .min { current.began = now }
        guard now - current.began >= Self.minuteMilliseconds else { return }
        last = now - current.began < 2 * Self.minuteMilliseconds ? current : nil
        current = Minute(began: now)
    }

    /// `[<=0ms]:17 [0~10ms]:3 …` of the minute that runs.
    var distribution: String {
        zip(Self.spans, current.counts).map { "\($0.name):\($1)" }.joined(separator: " ") + " "
    }

    /// The milliseconds that a share of the stores did not exceed, in the last whole minute or else in this one.
    func latency(share: Double) -> Double {
        let minute = last ?? current
        guard minute.times > 0 else { return 0 }
        var rest = Int64((Double(minute.times) * share).rounded(.up))
        for (place, count) in minute.fine.enumerated() {
            rest -= count
            if rest <= 0 { return Double(Self.end(of: place)) / 1000 }
        }
        return 0
    }

    private static func place(of microseconds: Int64) -> Int {
        guard microseconds >= 4 else { return Int(max(0, microseconds)) }
        let octave = 63 - microseconds.leadingZeroBitCount
        return min(4 * 48 - 1, 4 * (octave - 1) + Int(microseconds >> Int64(octave - 2)) & 3)
    }

    private static func end(of place: Int) -> Int64 {
        guard place >= 4 else { return Int64(place + 1) }
        return Int64(5 + place % 4) << Int64(place / 4 - 1)
    }
}
