import MQWire
import NIOCore
import Synchronization

@testable import MQStore

/// What happens while the store is open.
extension StoreSimulation {
    /// The answer to something that was asked for; `nil` while it is awaited.
    final class Outcome: Sendable {
        private let stored = Mutex<StoreError??>(nil)
        var value: StoreError?? { stored.withLock { $0 } }
        func set(_ error: StoreError?) { stored.withLock { $0 = .some(error) } }
    }

    /// What readers were served. @unchecked: touched by whoever has the turn.
    final class Readings: @unchecked Sendable {
        /// A reading, and whether nothing was in its way that excuses a place where nothing stands.
        var all: [(key: QueueKey, reading: QueueReading, start: Int64)] = []
        func forget() { all = [] }
    }

    mutating func step(_ store: SteppedStore) throws {
        switch random.below(100) {
        case ..<36: send(store)
        case ..<43: index(store)
        case ..<61: turn("writer", if: store.store.writer.hasWork) { store.write() }
        case ..<76: turn("flusher") { store.flush() }
        case ..<86: keep(store)
        case ..<88: clock.advance(Int64(random.below(300)))
        case ..<91: store.answerOverdue()
        case ..<93: disk.change { $0.blockLimit = nil }
        case ..<94: delete(store)
        default: read(store)
        }
        if random.percent(50) { clock.advance(1) }
        try settle(store)
    }

    /// Gives a thread the turn, for all that it does or for some operations of the disk: on with what it is at, else with
    /// this.
    private mutating func turn(_ name: String, if hasWork: Bool = true, _ body: @escaping () -> Void) {
        let thread = threads[name]
        guard thread.isBusy || hasWork else { return }
        let operations = random.percent(50) ? Int.max : random.below(10)
        trace(
            "\(name) \(thread.isBusy ? "goes on" : "begins"), \(operations == .max ? "to the end" : "for \(operations)")"
        )
        let others = threads.stopped.filter { $0 !== thread }
        if thread.isBusy { thread.go(on: operations) } else { thread.begin(operations: operations, body) }
        if thread.wanted != nil { meet(.lockAwaited) }
        for other in others { meet(SimulationEvent.overlap(name, in: other.name)) }
    }

    private mutating func send(_ store: SteppedStore) {
        let count = random.percent(80) ? 1 : 2 + random.below(4)
        let topic = Self.topics[random.below(Self.topics.count)]
        let queueID = Int32(random.below(2))
        let ids = ledger.number(count)
        trace("send \(ids) to \(topic)/\(queueID)")
        let drafts = ids.map { Self.draft($0, topic: topic, queueID: queueID) }
        ledger.add(ids, drafts, store.append(drafts))
    }

    private mutating func index(_ store: SteppedStore) {
        let commits = random.percent(50)
        turn("indexer") {
            store.index()
            if commits { store.commitIndex() }
        }
    }

    /// One of the housekeeper's chores.
    private mutating func keep(_ store: SteppedStore) {
        switch random.below(10) {
        case ..<6: turn("keeper") { store.writeCheckpoint() }
        case ..<8: turn("keeper") { store.prepareNextSegment() }
        case 8: turn("keeper") { store.lookForSpace() }
        default:
            // The log's first segment goes, when all of it is synced.
            let end = store.store.minimumLogOffset + configuration.segmentBytes
            guard end < store.store.flushedLogOffset, !threads["keeper"].isBusy else { return }
            trace("remove what is before \(end)")
            ledger.removed = max(ledger.removed, end)
            meet(.removedSegment)
            if threads["reader"].isBusy { meet(.readWhileRemoved) }
            turn("keeper") { store.removeBeginning(before: end) }
        }
    }

    private mutating func delete(_ store: SteppedStore) {
        guard deletion == nil else { return }
        // What was sent before is written before, so that one place says what the deletion covers.
        threads.finish(threads["writer"])
        while store.store.writer.hasWork, !disk.isOff { store.write() }
        guard !disk.isOff else { return }
        let topic = Self.topics[random.below(Self.topics.count)]
        trace("delete \(topic)")
        let outcome = Outcome()
        deletion = (topic, outcome)
        hasDeleted = true
        ledger.beginDeletion(of: topic, logEnd: store.store.maximumLogOffset)
        store.store.deleteTopic(topic) { outcome.set($0) }
        turn("writer") { store.write() }
    }

    /// Somebody reads from a queue.
    private mutating func read(_ store: SteppedStore) {
        let key = QueueKey(topic: Self.topics[random.below(Self.topics.count)], queueID: Int32(random.below(2)))
        let maximum = store.store.maximumOffset(of: key)
        guard maximum > 0 else { return }
        let request = QueueRequest(key: key, offset: Int64(random.below(Int(maximum))), maximumCount: 8)
        let readings = readings
        turn("reader") {
            // An error of the disk is one: nothing was served.
            guard let reading = try? store.store.read(request) else { return }
            readings.all.append((key, reading, store.store.minimumLogOffset))
        }
    }

    /// Takes in the answers that came while the machine was on, what is synced, and what was read.
    mutating func settle(_ store: SteppedStore) throws {
        guard !disk.isOff else { return }
        if let objection = ledger.settle(flushedTo: store.store.flushedLogOffset) { throw violation(objection) }
        if let (topic, outcome) = deletion, let answer = outcome.value {
            if answer == nil {
                ledger.deletionDone(of: topic)
                meet(.deleted)
            }
            deletion = nil
        }
        for reading in readings.all { try judge(reading.reading, of: reading.key, store) }
        readings.forget()
    }

    /// What a reader was served beside the store's threads.
    private mutating func judge(_ reading: QueueReading, of key: QueueKey, _ store: SteppedStore) throws {
        guard let records = StoredRecord.readAll(reading.body), records.count == reading.count else {
            throw violation("\(key): a reader was served what are no sound records")
        }
        for record in records where !ledger.damaged.contains(record.logOffset) {
            if !threads.stopped.isEmpty { meet(.servedToReader) }
            guard let id = Self.id(of: record), let message = ledger.sent[id] else {
                throw violation("\(key)@\(record.queueOffset): a reader was served a message that nobody sent")
            }
            guard record.body == message.draft.body, record.encodedProperties == message.draft.properties,
                record.topic == key.topic, record.queueID == key.queueID, message.topic == key.topic
            else { throw violation("\(key)@\(record.queueOffset): message \(id) was served as what it is not") }
            guard message.state != .refused else {
                throw violation("message \(id) was served, at \(record.logOffset), and answered with an error")
            }
        }
        // What was lost before this start is known to it; a deletion takes the files from under a reader.
        guard !hasDeleted, !mayHaveHoles(store) else { return }
        let led = reading.damagedLogOffsets.filter { $0 < 0 || $0 >= store.store.minimumLogOffset }
        guard led.isEmpty else { throw violation("\(key): a reader was led to \(led), where nothing stands") }
    }

    /// Whether the log had damaged places when the store was opened, or queues places without a message.
    private func mayHaveHoles(_ store: SteppedStore) -> Bool {
        !ledger.damaged.isEmpty || !store.store.recovery.damagedOffsets.isEmpty || ledger.holesFrom != .max
    }

    // MARK: Messages

    /// The message of a number; all of it follows from the number.
    static func draft(_ id: Int, topic: String, queueID: Int32) -> RecordDraft {
        var random = SeededRandom(seed: UInt64(id))
        let padding = random.percent(80) ? random.below(200) : random.below(1500)
        var body = ByteBuffer(string: "\(id):")
        body.writeRepeatingByte(UInt8(truncatingIfNeeded: random.next()), count: padding)
        body.writeInteger(random.next())
        var properties = "UNIQ_KEY\u{1}U\(id)\u{2}"
        if random.percent(20) { properties += "P\u{1}" + String(repeating: "p", count: random.below(600)) + "\u{2}" }
        return RecordDraft(
            topic: topic, queueID: queueID, bornTimestamp: Int64(id), bornHost: .loopback, storeHost: .loopback,
            body: body, properties: ByteBuffer(string: properties))
    }

    static func id(of record: StoredRecord) -> Int? {
        String(buffer: record.body).split(separator: ":", maxSplits: 1).first.flatMap { Int($0) }
    }
}
