import MQReplication
import Testing

@Suite struct EpochTests {
    private static func epoch(_ number: Int64, _ mark: UInt64 = 1) -> Epoch { Epoch(number: number, mark: mark) }

    private static func span(_ end: Int64, _ entries: (Epoch, Int64)...) throws -> LogSpan {
        let table = try #require(EpochTable(entries.map { EpochTable.Entry(epoch: $0.0, start: $0.1) }))
        return LogSpan(end: end, epochs: table)
    }

    @Test func aByteHasTheEpochThatWroteIt() {
        var table = EpochTable()
        #expect(table.epoch(at: 0) == .none && table.last == .none)
        table.begin(Self.epoch(1), at: 0)
        table.begin(Self.epoch(2), at: 100)
        #expect(table.epoch(at: 99) == Self.epoch(1) && table.epoch(at: 100) == Self.epoch(2))
        // Nothing was written in the second one.
        table.begin(Self.epoch(3), at: 100)
        #expect(table.entries.map(\.epoch) == [Self.epoch(1), Self.epoch(3)])
        // What was known of a master's log and never came.
        table.begin(Self.epoch(4), at: 60)
        #expect(table.entries.map(\.epoch) == [Self.epoch(1), Self.epoch(4)])
        table.forget(before: 60)
        #expect(table.entries.map(\.epoch) == [Self.epoch(4)])
    }

    @Test func aTableThatDoesNotRiseIsNone() {
        let (one, two) = (Self.epoch(1), Self.epoch(2))
        #expect(EpochTable([.init(epoch: two, start: 0), .init(epoch: one, start: 5)]) == nil)
        #expect(EpochTable([.init(epoch: one, start: 5), .init(epoch: two, start: 5)]) == nil)
        #expect(EpochTable([.init(epoch: .none, start: 0)]) == nil)
        #expect(EpochTable([.init(epoch: one, start: 0), .init(epoch: two, start: 5)]) != nil)
    }

    /// By epoch and offset, and never because two logs happen to be long.
    @Test func theCommonEndIsThatOfTheLastSharedEpoch() throws {
        let (one, two, three) = (Self.epoch(1), Self.epoch(2), Self.epoch(3))
        func common(_ one: LogSpan, _ other: LogSpan) -> Int64 {
            #expect(one.commonEnd(with: other) == other.commonEnd(with: one))
            return one.commonEnd(with: other)
        }
        // A slave that lags.
        #expect(common(try Self.span(50, (one, 0)), try Self.span(80, (one, 0))) == 50)
        // An old master that wrote on while a new one had begun.
        #expect(common(try Self.span(120, (one, 0)), try Self.span(150, (one, 0), (two, 90))) == 90)
        // Two that both called themselves the second.
        let other = Self.epoch(2, 7)
        #expect(common(try Self.span(120, (one, 0), (two, 90)), try Self.span(150, (one, 0), (other, 80))) == 80)
        // A table that leads the log it describes.
        #expect(common(try Self.span(60, (one, 0), (two, 100)), try Self.span(90, (one, 0), (three, 80))) == 60)
        #expect(common(try Self.span(60, (one, 0), (two, 100)), try Self.span(150, (one, 0), (two, 100))) == 60)
        // Nothing in common.
        #expect(common(try Self.span(60, (one, 0)), try Self.span(60, (other, 0))) == 0)
        #expect(common(LogSpan(), try Self.span(60, (one, 0))) == 0)
        // From before there were epochs.
        #expect(common(LogSpan(end: 70), try Self.span(90, (one, 80))) == 70)
        #expect(common(LogSpan(end: 90), try Self.span(90, (one, 80))) == 80)
        #expect(common(LogSpan(end: 90), LogSpan(end: 70)) == 70)
    }

    @Test func theNewerEpochIsAheadOfTheLongerLog() throws {
        let (one, two) = (Self.epoch(1), Self.epoch(2))
        let (long, new) = (try Self.span(500, (one, 0)), try Self.span(100, (one, 0), (two, 90)))
        #expect(new.isAhead(of: long) && !long.isAhead(of: new))
        // An epoch of which it has nothing does not count.
        let announced = try Self.span(90, (one, 0), (two, 90))
        #expect(announced.lastEpoch == one && long.isAhead(of: announced))
    }
}
