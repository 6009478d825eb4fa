import Synchronization

/// What had been counted when today and yesterday began, in UTC. Pure: time is passed in.
struct DayTotals: Sendable, Equatable {
    /// One count's values.
    struct Mornings: Sendable, Equatable {
        var todayMorning: Int64 = 0
        var yesterdayMorning: Int64 = 0
    }

    private(set) var puts = Mornings()
    private(set) var gets = Mornings()
    private var day: Int64

    private static let dayMilliseconds: Int64 = 86_400_000

    /// - Parameter now: milliseconds since 1970.
    init(now: Int64) { day = now / Self.dayMilliseconds }

    /// Takes the counts; to be called more often than once a day.
    mutating func update(puts: Int64, gets: Int64, now: Int64) {
        let today = now / Self.dayMilliseconds
        guard today > day else { return }
        day = today
        self.puts = Mornings(todayMorning: puts, yesterdayMorning: self.puts.todayMorning)
        self.gets = Mornings(todayMorning: gets, yesterdayMorning: self.gets.todayMorning)
    }

    /// One that is shared by threads.
    final class Box: Sendable {
        private let value: Mutex<DayTotals>

        init(now: Int64) { value = Mutex(DayTotals(now: now)) }

        var totals: DayTotals { value.withLock { $0 } }

        func update(puts: Int64, gets: Int64, now: Int64) {
            value.withLock { $0.update(puts: puts, gets: gets, now: now) }
        }
    }
}
