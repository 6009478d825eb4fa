import MQWire
import SystemPackage
import Testing

@testable import MQStore

/// Appends that wait for a writer that does not come to them: refused in time, and then never stored.
@Suite struct LatenessTests {
    private func store(_ clock: SimulatedClock, limit: Int64?) throws -> SteppedStore {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 1 << 16
        configuration.entriesPerQueueFile = 64
        configuration.indexSlots = 64
        configuration.indexEntries = 1024
        configuration.maximumWaitMilliseconds = limit
        return try SteppedStore(configuration, on: SimulatedDisk(seed: 1), clock: clock)
    }

    private func isBusy(_ answer: SteppedStore.Answer) -> Bool {
        if case .failure(let error)? = answer.result { error.code == .overloaded } else { false }
    }

    private func isStored(_ answer: SteppedStore.Answer) -> Bool {
        if case .success? = answer.result { true } else { false }
    }

    @Test func theWriterPassesOverWhatIsLate() throws {
        let clock = SimulatedClock()
        let store = try store(clock, limit: 200)
        let late = store.append([message("t", 0, body: "late")], isPatient: false)
        clock.advance(150)
        let early = store.append([message("t", 0, body: "early")], isPatient: false)
        clock.advance(60)
        store.write()
        #expect(isBusy(late) && isStored(early))
        #expect(store.store.maximumOffset(of: QueueKey(topic: "t", queueID: 0)) == 1)
    }

    /// The writer hangs in an earlier batch: whoever waits is told, and whoever comes is refused at once.
    @Test func nobodyWaitsForAWriterThatHangs() throws {
        let clock = SimulatedClock()
        let store = try store(clock, limit: 200)
        let first = store.append([message("t", 0, body: "first")], isPatient: false)
        clock.advance(200)
        store.store.refuseOverdue()
        #expect(first.result == nil, "not late yet")
        clock.advance(1)
        let next = store.append([message("t", 0, body: "next")], isPatient: false)
        #expect(isBusy(next), "there is no hope for it")
        store.store.refuseOverdue()
        #expect(isBusy(first))
        #expect(store.store.waitingAppends.count == 0)
        // The writer is back, and so is the service.
        let later = store.append([message("t", 0, body: "later")], isPatient: false)
        store.write()
        #expect(isStored(later))
        #expect(store.store.maximumOffset(of: QueueKey(topic: "t", queueID: 0)) == 1)
    }

    /// The end of a transaction, a delayed message on its way: nobody is there to send it again.
    @Test func whatIsPatientIsWrittenHoweverLate() throws {
        let clock = SimulatedClock()
        let store = try store(clock, limit: 200)
        let patient = store.append([message("t", 0, body: "patient")])
        let hasty = store.append([message("t", 0, body: "hasty")], isPatient: false)
        clock.advance(300)
        let another = store.append([message("t", 0, body: "another")])
        store.store.refuseOverdue()
        #expect(isBusy(hasty) && patient.result == nil && another.result == nil)
        store.write()
        #expect(isStored(patient) && isStored(another))
    }

    @Test func withoutALimitAllAreWritten() throws {
        let clock = SimulatedClock()
        let store = try store(clock, limit: nil)
        let answer = store.append([message("t", 0, body: "m")])
        clock.advance(60_000)
        store.store.refuseOverdue()
        store.write()
        #expect(isStored(answer))
    }
}
