/// Who of a master's slaves has what of its log, and who waits for that. Pure.
///
/// A message is copied when one slave has it (`SYNC_MASTER` of RocketMQ 4.9). One report answers all who wait for what it
/// covers; they stand in the order of their offsets, so that a sweep looks at none but those it answers.
struct Acknowledgements<Waiter> {
    /// What became of a wait.
    enum Outcome: Sendable, Equatable {
        /// A slave has it.
        case copied
        /// No slave said so in time.
        case timedOut
        /// No slave is there, or none that is anywhere near.
        case unavailable
    }

    private struct Waiting {
        var end: Int64
        var deadline: Int64
        var waiter: Waiter
    }

    /// A slave this far behind is as good as none, in bytes (`haSlaveFallbehindMax`).
    let furthestBehind: Int64
    /// What each connection's slave has said to have; a connection that has not reported yet has said nothing.
    private var reports: [Int: Int64] = [:]
    /// Rising in `end`.
    private var waiting: [Waiting] = []

    init(furthestBehind: Int64) { self.furthestBehind = furthestBehind }

    /// How far the foremost slave is; `nil` while none is there.
    var foremost: Int64? { reports.values.max() }
    /// How many slaves are there.
    var slaves: Int { reports.count }
    /// How many wait.
    var count: Int { waiting.count }

    /// Whether a slave is there that a message at this end of the log may wait for.
    func isNear(_ end: Int64) -> Bool {
        guard let foremost else { return false }
        return end - foremost < furthestBehind
    }

    /// Has somebody wait for a slave to have all before `end`; what can be said at once is given back.
    mutating func wait(for end: Int64, until deadline: Int64, _ waiter: Waiter) -> Outcome? {
        guard isNear(end) else { return .unavailable }
        if let foremost, foremost >= end { return .copied }
        // Nearly always the last one.
        var place = waiting.endIndex
        while place > 0, waiting[place - 1].end > end { place -= 1 }
        waiting.insert(Waiting(end: end, deadline: deadline, waiter: waiter), at: place)
        return nil
    }

    /// Takes a slave's report; gives those whose wait is over.
    mutating func report(_ offset: Int64, from connection: Int) -> [Waiter] {
        // Two threads of a slave report: the smaller one of two may come later.
        reports[connection] = max(reports[connection] ?? 0, offset)
        let covered = waiting.prefix { $0.end <= offset }
        waiting.removeFirst(covered.count)
        return covered.map(\.waiter)
    }

    /// Takes the end of a connection; gives all who wait when it was the last one: whoever sends now is told at once that
    /// no slave is there, and they need not wait to hear the same.
    mutating func left(_ connection: Int) -> [Waiter] {
        reports[connection] = nil
        return reports.isEmpty ? giveUp() : []
    }

    /// Gives those whose time is up.
    mutating func expire(now: Int64) -> [Waiter] {
        guard waiting.contains(where: { $0.deadline <= now }) else { return [] }
        let late = waiting.filter { $0.deadline <= now }.map(\.waiter)
        waiting.removeAll { $0.deadline <= now }
        return late
    }

    /// Gives all who wait.
    mutating func giveUp() -> [Waiter] {
        defer { waiting = [] }
        return waiting.map(\.waiter)
    }
}
