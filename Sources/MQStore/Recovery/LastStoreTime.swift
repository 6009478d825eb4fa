/// The store time of a log's last message, as its last records tell it. Pure.
///
/// Store times never go backwards, so the last record's is the latest; but a header may have gone bad, over which the
/// format has no sum, and a time in the far future would hold the store's clock there for ever. A time is believed that
/// the clock, or the process before, has reached; one beyond only beside a neighbour that is there, too: then the clock
/// was ahead, and not one record.
struct LastStoreTime {
    private var last: Int64 = 0
    private var previous: Int64 = 0

    /// How far apart neighbours may be, in milliseconds, whose clock was ahead.
    private static let neighbourhood: Int64 = 86_400_000

    /// Takes the times of the log's records, in its order.
    mutating func saw(_ timestamp: Int64) {
        previous = last
        last = timestamp
    }

    /// The last store time.
    ///
    /// - Parameters:
    ///   - known: what the process before wrote down, which has a sum; 0 when it did not.
    ///   - now: the clock.
    func value(known: Int64, now: Int64) -> Int64 {
        let limit = max(known, now)
        if last <= limit { return max(known, last, previous <= limit ? previous : 0) }
        if previous <= limit { return max(known, previous) }
        return last >= previous && last - previous < Self.neighbourhood ? last : min(last, previous)
    }
}
