import MQWire
import NIOCore

@testable import MQStore

/// What is held against a store that has just been opened; the numbers are those of ``StoreSimulation``.
extension StoreSimulation {
    mutating func check(_ stepped: SteppedStore) throws {
        let store = stepped.store
        note(store)
        try checkReport(store)
        ledger.logEnds(at: store.recovery.logEnd)
        var found: [Int: StoredRecord] = [:]
        for key in store.queueKeys.sorted(by: { ($0.topic, $0.queueID) < ($1.topic, $1.queueID) }) {
            var next = store.minimumOffset(of: key)
            let end = store.maximumOffset(of: key)
            while next < end {
                let reading = try patiently {
                    try store.read(QueueRequest(key: key, offset: next, maximumCount: 64))
                }
                guard reading.nextOffset > next else {
                    throw violation("\(key): a reader stands still at \(next): \(reading.status)")
                }
                guard let records = StoredRecord.readAll(reading.body), records.count == reading.count else {
                    throw violation("\(key)@\(next): what is served are no sound records")
                }
                for record in records { try admit(record, from: key, &found) }
                next = reading.nextOffset
            }
        }
        for id in ledger.ids { try checkPresence(of: id, found, store) }
        let inLog = try patiently { try checkAgreement(store, found) }
        try checkKeys(stepped, found)
        if let objection = ledger.found(found, inLog: inLog, start: starts) { throw violation(objection) }
    }

    /// Which branches recovery took.
    private mutating func note(_ store: MessageStore) {
        let report = store.recovery
        meet(report.wasCleanStop ? .cleanStart : .crashStart)
        if report.tornReason != nil { meet(.cutTail) }
        if !report.damagedOffsets.isEmpty { meet(.keptDamage) }
        if !report.unreadablePlaces.isEmpty { meet(.passedUnreadable) }
        if report.rebuiltEntries > 0 { meet(.rebuiltEntries) }
        guard !report.wasCleanStop, report.logEnd > store.minimumLogOffset else { return }
        meet(report.walkedFrom > store.minimumLogOffset ? .believedCheckpoint : .walkedAll)
    }

    /// 5: what recovery says of the log is true.
    private func checkReport(_ store: MessageStore) throws {
        let report = store.recovery
        guard report.logEnd == store.maximumLogOffset else {
            throw violation(
                "recovery says that the log ends at \(report.logEnd), and it does at \(store.maximumLogOffset)")
        }
        for offset in report.damagedOffsets where offset < ledger.holesFrom && !ledger.isDamaged(offset) {
            throw violation("recovery calls \(offset) damaged, and nothing ever was; \(report)")
        }
        for place in report.unreadablePlaces where !ledger.hasRuined(place) {
            throw violation("recovery calls \(place) unreadable, and it never was; \(report)")
        }
        // What was noted of a queue was on the disk with it: without a loss from outside none can lack anything.
        if !isHarmed, !report.lackingQueues.isEmpty {
            throw violation("queues lack entries, and no file was lost; \(report)")
        }
        // A last record that is damaged counts as torn after a crash.
        guard ledger.damaged.isEmpty, report.logEnd < ledger.syncedEnd else { return }
        throw violation("the log ends at \(report.logEnd), and was synced to \(ledger.syncedEnd); \(report)")
    }

    /// 2: a record that is served was sent, once, and is what was sent.
    private func admit(_ record: StoredRecord, from key: QueueKey, _ found: inout [Int: StoredRecord]) throws {
        // What the test has damaged may say anything of itself that no sum covers; what matters is everybody else.
        if ledger.damaged.contains(record.logOffset) { return }
        let place = "\(key)@\(record.queueOffset)"
        guard let id = Self.id(of: record), let message = ledger.sent[id] else {
            throw violation("\(place): a message that nobody sent")
        }
        let draft = message.draft
        guard record.topic == draft.topic, record.queueID == draft.queueID, record.body == draft.body,
            record.encodedProperties == draft.properties,
            record.bornTimestamp == draft.bornTimestamp || message.mayBeTorn, record.topic == key.topic,
            record.queueID == key.queueID
        else { throw violation("\(place): message \(id) is not what was sent: \(record)") }
        if let other = found[id] {
            throw violation("message \(id) is there twice, at \(other.logOffset) and \(record.logOffset)")
        }
        if message.state == .refused {
            throw violation("message \(id) was answered with an error and is there, at \(record.logOffset)")
        }
        if let deleted = ledger.deletions[message.topic], record.logOffset < deleted {
            throw violation("message \(id) of a deleted topic is back")
        }
        try checkReturn(of: id, record)
        found[id] = record
    }

    /// 2: what an earlier start did not show is gone for good.
    private func checkReturn(of id: Int, _ record: StoredRecord) throws {
        guard let message = ledger.sent[id], let start = message.goneSince,
            !ledger.isExempt(record.logOffset, message.topic)
        else { return }
        throw violation("message \(id), which start \(start) did not show, is back, at \(record.logOffset)")
    }

    /// 1: what was promised is there, where it was said to be.
    private func checkPresence(of id: Int, _ found: [Int: StoredRecord], _ store: MessageStore) throws {
        guard let message = ledger.sent[id], message.isPromised, let place = message.place,
            place.logOffset >= ledger.removed
        else { return }
        guard let record = found[id] else {
            let key = QueueKey(topic: message.topic, queueID: message.queueID)
            trace("\(key) has \(store.minimumOffset(of: key)) to \(store.maximumOffset(of: key))")
            trace("\((try? store.entries(of: key, from: store.minimumOffset(of: key), count: 20)) ?? [])")
            throw violation(
                "message \(id) of \(message.topic)/\(message.queueID)@\(place.queueOffset) (\(message.state)) at "
                    + "\(place.logOffset) is lost; \(store.recovery)")
        }
        guard record.logOffset == place.logOffset, record.queueOffset == place.queueOffset else {
            throw violation("message \(id) moved from \(place) to \(record.logOffset), \(record.queueOffset)")
        }
    }

    /// What a reader is given who asks again after a while: at first a sector of the log is not taken for lost.
    private func patiently<Result>(_ body: () throws -> Result) throws -> Result {
        for _ in 0..<8 {
            do { return try body() } catch let error as StoreError where error.code == .unreadable {
                clock.advance(UnreadablePlaces.patienceNanoseconds / 1_000_000 + 1)
            }
        }
        return try body()
    }

    private func indexAll(_ stepped: SteppedStore) {
        stepped.indexAll()
        for _ in 0..<8 where stepped.store.unindexedBytes > 0 && !stepped.store.log.places.isEmpty {
            clock.advance(UnreadablePlaces.patienceNanoseconds / 1_000_000 + 1)
            stepped.indexAll()
        }
    }

    /// 4: the index leads to each message, and to it alone.
    private mutating func checkKeys(_ stepped: SteppedStore, _ found: [Int: StoredRecord]) throws {
        let store = stepped.store
        indexAll(stepped)
        if random.percent(50) {
            // A full file waits for the log's sync.
            stepped.flush()
            indexAll(stepped)
        }
        let isFlushed = store.flushedLogOffset == store.maximumLogOffset
        for id in ledger.ids {
            let places: [Int64]
            do {
                places = try patiently {
                    try store.records(
                        topic: ledger.sent[id]?.topic ?? "", key: "U\(id)", within: 0...Int64.max, limit: 64,
                        maximumBytes: 1 << 20
                    ).map(\.logOffset)
                }
            } catch let error as StoreError where error.code == .unreadable && ruinedIndex == error.path {
                // Nobody knows what the search would have found; the next start makes the file anew.
                ruinedIndex = nil
                meet(.searchFailed)
                return
            }
            guard let record = found[id] else {
                // One of a deleted topic, or of a damaged place in a queue, may still be in the log.
                if places.count > 1 { throw violation("the key of message \(id) leads to \(places)") }
                continue
            }
            let mayBeAbsent =
                record.logOffset < ledger.removed || !isFlushed && record.logOffset > store.indexEnd.logOffset
            if places.isEmpty, mayBeAbsent { continue }
            guard places == [record.logOffset] else {
                throw violation(
                    "the key of message \(id), at \(record.logOffset), leads to \(places); "
                        + "\(store.index?.all.map(\.header) ?? [])")
            }
        }
    }

    /// Whether a record's place in its queue is an earlier one's: the sector with the rest of its header was torn, and the
    /// format has no sum over headers. Nobody was promised it, or (1) would miss it.
    private func hasLostItsPlace(_ record: StoredRecord, among found: [Int: StoredRecord]) -> Bool {
        found.values.contains {
            $0.topic == record.topic && $0.queueID == record.queueID && $0.queueOffset == record.queueOffset
                && $0.logOffset < record.logOffset
        }
    }

    /// 3: every sound record of the log is in its queue. Gives all that the log has.
    private func checkAgreement(_ store: MessageStore, _ found: [Int: StoredRecord]) throws -> Set<Int> {
        var survey = LogSurvey(store.log.source, from: store.log.firstOffset, past: .stopped)
        var inLog: Set<Int> = []
        while true {
            switch try survey.next() {
            case .record(let record):
                guard let id = Self.id(of: record), let message = ledger.sent[id] else {
                    throw violation("the log holds at \(record.logOffset) what nobody sent")
                }
                inLog.insert(id)
                // A crash may come between the removal of entries and that of their segment.
                if ledger.isExempt(record.logOffset, message.topic) { continue }
                if ledger.damaged.contains(record.logOffset) { continue }
                try checkReturn(of: id, record)
                if found[id] == nil, hasLostItsPlace(record, among: found) { continue }
                guard found[id]?.logOffset == record.logOffset else {
                    throw violation(
                        "message \(id) of \(record.topic)/\(record.queueID)@\(record.queueOffset) is in the log "
                            + "at \(record.logOffset) and not in its queue; \(store.recovery)")
                }
            case .damage(let range, _):
                // Reordered writes leave holes too; those were never promised, and (1) has looked at the others.
                if range.isEmpty { throw violation("an empty place is called damaged") }
            case .end(let end, _):
                if end > store.maximumLogOffset {
                    throw violation("the log goes on to \(end) behind its end \(store.maximumLogOffset)")
                }
                return inLog
            }
        }
    }
}
