import Testing

@testable import MQClient

/// The places of a lite-pull consumer in one queue, input by input.
@Suite struct LitePullPlaceTests {
    @Test func itBeginsWhereTheGroupIs() {
        var place = LitePullPlace()
        #expect(place.position == nil && place.toCommit == nil)
        place.begin(at: 7, isCommitted: true)
        #expect(place.position == 7 && place.done == 7 && place.toCommit == nil)
        // A place that nobody knows yet has to be told.
        var new = LitePullPlace()
        new.begin(at: 7, isCommitted: false)
        #expect(new.toCommit == 7)
        new.didCommit(7)
        #expect(new.toCommit == nil)
    }

    @Test func aSeekBeforeTheBeginningIsKept() {
        var place = LitePullPlace()
        place.seek(to: 3)
        place.begin(at: 7, isCommitted: true)
        #expect(place.position == 3 && place.done == 3 && place.toCommit == 3)
    }

    @Test func whatIsGivenIsDoneWhenItIsFinished() {
        var place = LitePullPlace()
        place.begin(at: 0, isCommitted: true)
        place.give(upTo: 4)
        #expect(place.position == 4 && place.done == 0 && place.toCommit == nil)
        place.finish()
        #expect(place.done == 4 && place.toCommit == 4 && place.handed == nil)
        place.finish()
        #expect(place.done == 4)
    }

    @Test func whatNobodyWantsIsAsDoneAsWhatLiesBeforeIt() {
        var place = LitePullPlace()
        place.begin(at: 0, isCommitted: true)
        place.pass(to: 5)
        #expect(place.done == 5)
        place.give(upTo: 6)
        place.pass(to: 9)
        #expect(place.position == 9 && place.done == 5)
        place.finish()
        #expect(place.done == 9)
        // A log that lost its end.
        place.pass(to: 2)
        #expect(place.position == 2 && place.done == 2)
    }

    @Test func oneMessageIsDoneAndTheRestIsNot() {
        var place = LitePullPlace()
        place.begin(at: 0, isCommitted: true)
        place.give(upTo: 4)
        let first = place.finish(through: 1)
        #expect(first && place.done == 2 && place.handed == 4)
        let last = place.finish(through: 3)
        #expect(last && place.done == 4 && place.handed == nil)
        place.pass(to: 6)
        #expect(place.done == 6)
    }

    @Test func aSeekTakesEverythingBack() {
        var place = LitePullPlace()
        place.begin(at: 0, isCommitted: true)
        place.give(upTo: 4)
        place.seek(to: 1)
        place.finish()
        #expect(place.position == 1 && place.done == 1 && place.toCommit == 1)
    }

    /// What was in hands before the place was set back comes again: done with it moves nothing.
    @Test func whatLiesBehindThePlaceIsNotDone() {
        var place = LitePullPlace()
        let early = place.finish(through: 0)
        place.begin(at: 0, isCommitted: true)
        place.give(upTo: 4)
        place.seek(to: 1)
        let late = place.finish(through: 3)
        #expect(!early && !late && place.done == 1 && place.toCommit == 1)
        let before = place.finish(through: 0)
        #expect(before && place.done == 1)
    }
}
