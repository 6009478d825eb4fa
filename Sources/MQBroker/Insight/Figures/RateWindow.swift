/// How much was counted within the last minute, hour and day. Pure: time is passed in.
///
/// The count itself only grows; samples of it are kept, the nearer in time the denser, as RocketMQ's `StatsItem` keeps
/// them: every 10 s for a minute, every 10 min for an hour, every hour for a day.
struct RateWindow: Sendable, Equatable {
    /// What a window says.
    struct Figures: Sendable, Equatable {
        /// What was counted within the window.
        var sum: Int64
        /// By second.
        var perSecond: Double
        /// By time that something was counted.
        var average: Double

        static let none = Figures(sum: 0, perSecond: 0, average: 0)
    }

    /// The windows.
    enum Span: CaseIterable, Sendable {
        case minute, hour, day

        /// Between two samples, in milliseconds.
        var step: Int64 {
            switch self {
            case .minute: 10_000
            case .hour: 600_000
            case .day: 3_600_000
            }
        }

        /// The samples kept: one more than the steps of the window.
        var kept: Int {
            switch self {
            case .minute, .hour: 7
            case .day: 25
            }
        }
    }

    private struct Sample: Sendable, Equatable {
        var time: Int64
        var sum: Int64
        var times: Int64
    }

    private(set) var sum: Int64 = 0
    private(set) var times: Int64 = 0
    private var samples: [Span: [Sample]]

    /// A window that begins now, in milliseconds.
    init(now: Int64) {
        samples = Dictionary(
            uniqueKeysWithValues: Span.allCases.map { ($0, [Sample(time: now, sum: 0, times: 0)]) })
    }

    /// Counts.
    mutating func add(_ value: Int64, times count: Int64 = 1) {
        sum += value
        times += count
    }

    /// Takes the samples that are due.
    mutating func sample(now: Int64) {
        for span in Span.allCases {
            guard var taken = samples[span], let last = taken.last, now - last.time >= span.step else { continue }
            taken.append(Sample(time: now, sum: sum, times: times))
            if taken.count > span.kept { taken.removeFirst(taken.count - span.kept) }
            samples[span] = taken
        }
    }

    /// What was counted per second since the sample before the last: over one to two steps of the span.
    func recentPerSecond(_ span: Span, now: Int64) -> Double {
        guard let taken = samples[span], let first = taken.dropLast().last ?? taken.last, now > first.time
        else { return 0 }
        return Double(sum - first.sum) * 1000 / Double(now - first.time)
    }

    /// What the window says now: from its oldest sample to this moment.
    func figures(_ span: Span, now: Int64) -> Figures {
        guard let first = samples[span]?.first else { return .none }
        let counted = sum - first.sum
        let occasions = times - first.times
        let seconds = Double(now - first.time) / 1000
        return Figures(
            sum: counted, perSecond: seconds > 0 ? Double(counted) / seconds : 0,
            average: occasions > 0 ? Double(counted) / Double(occasions) : 0)
    }
}
