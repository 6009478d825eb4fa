import Testing

@testable import MQStore

/// When a sync waits for those whom the last one released.
@Suite struct GroupPatienceTests {
    private static let sync: Int64 = 1_000_000

    @Test func nobodyIsKeptWaitingForOthersWhenNobodyWaits() {
        var patience = GroupPatience()
        #expect(patience.patience(answered: 64, waiting: 0, syncNanoseconds: Self.sync) == 0)
        #expect(patience.patience(answered: 0, waiting: 64, syncNanoseconds: Self.sync) == 0)
        #expect(patience.patience(answered: 64, waiting: 64, syncNanoseconds: 0) == 0)
    }

    @Test func twoHalvesThatTakeTurnsBecomeOne() {
        var patience = GroupPatience()
        for _ in 0..<100 {
            let limit = patience.patience(answered: 32, waiting: 32, syncNanoseconds: Self.sync)
            #expect(limit == Self.sync / 2)
            patience.waited(answered: 32, arrived: 32, nanoseconds: Self.sync / 10, syncNanoseconds: Self.sync)
        }
        #expect(patience.cost < 0.11 && patience.returning == 1)
    }

    /// Producers on another continent: the wait is given up, and tried again now and then.
    @Test func whoeverDoesNotComeBackInTimeIsNotWaitedForLong() {
        var patience = GroupPatience()
        var waits = 0
        for _ in 0..<1000 where patience.patience(answered: 10, waiting: 10, syncNanoseconds: Self.sync) > 0 {
            waits += 1
            patience.waited(answered: 10, arrived: 0, nanoseconds: Self.sync / 2, syncNanoseconds: Self.sync)
        }
        #expect(waits > 1000 / GroupPatience.retryRounds - 2 && waits < 30)
        // They move nearer: from the next try on it pays again.
        var paid = 0
        for _ in 0..<1000 where patience.patience(answered: 10, waiting: 10, syncNanoseconds: Self.sync) > 0 {
            paid += 1
            patience.waited(answered: 10, arrived: 10, nanoseconds: Self.sync / 20, syncNanoseconds: Self.sync)
        }
        #expect(paid > 500)
    }

    /// One that comes back does not repay what hundreds wait for it.
    @Test func manyDoNotWaitForFew() {
        var patience = GroupPatience()
        #expect(patience.patience(answered: 1, waiting: 500, syncNanoseconds: Self.sync) == 0)
    }
}
