import MQWire
import Synchronization
import SystemPackage

@testable import MQStore

/// A store on a simulated disk whose threads' turns the test takes: one process, one thread, one order of events.
final class SteppedStore {
    let store: MessageStore
    private let loop: LogWriteLoop
    private let indexLoop: IndexLoop

    init(
        _ configuration: StoreConfiguration, on disk: SimulatedDisk, clock: SimulatedClock
    ) throws {
        store = try MessageStore(
            configuration: configuration, now: { clock.milliseconds }, uptime: { clock.milliseconds * 1_000_000 },
            io: disk,
            arrivals: { _ in })
        guard let loop = store.writeLoop.take() else { preconditionFailure("the write loop was taken before") }
        self.loop = loop
        guard let indexLoop = store.indexLoop?.take() else { preconditionFailure("the store keeps no index") }
        self.indexLoop = indexLoop
    }

    func write() { if store.writer.hasWork { _ = store.writer.turn(loop) } }
    func flush() { store.flusher.round() }
    var isSafe: Bool { store.housekeeper.isSafe }
    func answerOverdue() { store.flusher.answerOverdue() }
    func writeCheckpoint() { store.housekeeper.writeCheckpoint() }
    func index() { _ = indexLoop.turn() }
    func indexAll() { while indexLoop.turn() {} }
    func commitIndex() { indexLoop.commit() }
    func lookForSpace() { store.housekeeper.lookWhetherWritable() }
    func removeBeginning(before offset: Int64) { store.housekeeper.removeBeginning(before: offset) }
    func prepareNextSegment() { store.housekeeper.prepareNextSegment() }

    /// Appends; gives the answer once it is there.
    func append(_ drafts: [RecordDraft], isPatient: Bool = true) -> Answer {
        let answer = Answer()
        store.append(drafts, isPatient: isPatient) { answer.set($0) }
        return answer
    }

    func close() {
        while store.writer.hasWork { write() }
        flush()
        store.indexer?.finish(indexLoop)
        writeCheckpoint()
        store.close()
    }

    /// What an append came to; `nil` while it waits.
    final class Answer: Sendable {
        private let answered = Mutex<AppendOutcome?>(nil)
        var outcome: AppendOutcome? { answered.withLock { $0 } }
        var result: Result<AppendReceipt, StoreError>? { outcome?.result }
        func set(_ outcome: AppendOutcome) { answered.withLock { $0 = outcome } }
    }
}

/// A clock that the test sets.
final class SimulatedClock: Sendable {
    private let time = Atomic<Int64>(1_700_000_000_000)
    var milliseconds: Int64 { time.load(ordering: .relaxed) }
    func advance(_ milliseconds: Int64) { time.wrappingAdd(milliseconds, ordering: .relaxed) }
}
