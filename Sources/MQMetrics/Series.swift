import CoreMetrics
import Synchronization

/// A count that only grows, until its process ends.
final class CounterSeries: CounterHandler {
    private let total = Atomic<Int64>(0)

    var value: Int64 { total.load(ordering: .relaxed) }

    func increment(by amount: Int64) { total.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { total.store(0, ordering: .relaxed) }
}

/// The last value of something that goes up and down.
final class GaugeSeries: RecorderHandler {
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
}

/// How often something took how long: counts by upper limit, and their sum.
final class HistogramSeries: TimerHandler {
    /// The upper limits in nanoseconds: steps of 1, 2.5 and 5 from 50 µs to 10 s, below and above what a disk takes.
    static let limits: [Int64] = [
        50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
        100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]

    /// One more than the limits: what is above the last.
    private let buckets: [Cell]
    private let sum = Atomic<Int64>(0)

    /// An atomic that an array can hold.
    private final class Cell: Sendable {
        let count = Atomic<Int64>(0)
    }

    init() { buckets = (0...Self.limits.count).map { _ in Cell() } }

    func recordNanoseconds(_ duration: Int64) {
        let index = Self.limits.firstIndex { duration <= $0 } ?? Self.limits.count
        buckets[index].count.wrappingAdd(1, ordering: .relaxed)
        sum.wrappingAdd(max(0, duration), ordering: .relaxed)
    }

    /// The counts by bucket, not added up, and the sum in nanoseconds.
    var snapshot: (counts: [Int64], sumNanoseconds: Int64) {
        (buckets.map { $0.count.load(ordering: .relaxed) }, sum.load(ordering: .relaxed))
    }
}
