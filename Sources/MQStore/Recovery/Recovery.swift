import MQWire
import NIOCore
import SystemPackage

/// Brings a store's log and consume queues into agreement before it opens.
///
/// 1. After a clean stop the last megabyte is walked, to find the end.
/// 2. After a crash everything before the end of the checkpoint's reach is synced, or, in a store that another
///    implementation wrote, everything before the last record older than the checkpoint. Queue entries of later records
///    are forgotten and written anew. The walk begins there, or a megabyte before a reach's end.
/// 3. The walk ends where nothing sound follows any more, or before a piece that was never written (``LogSurvey``). What is
///    there is zeroed, or a later crash could take a stale record for a new one; but what was synced, and after a clean
///    stop what the queues know of, was whole once. Damage before that is kept, named, and its places in the queues are
///    made such that no reader is served from them.
/// 4. A queue that lacks entries from before the walk (its files were lost) makes the walk begin at the log's start. Such a
///    queue shows by a record of its that comes later, or by where it is noted to have ended (``QueueEnds``). What the log
///    has no more of it either becomes places without a message: no offset is given twice.
/// 5. After a crash what was not known to be synced is written over with itself: the process before may have met a failed
///    sync, after which pages are called clean that the disk does not have.
/// 6. Before any entry is forgotten the checkpoint is taken back to where the walk begins: a crash in the middle, or
///    before the entries made anew are synced, must lead to a walk that begins no later.
/// 7. Records of topics that were deleted later are passed over.
/// 8. A sector of the log that cannot be read is damage, and is left as it is. A queue that cannot be read is made anew.
/// 9. A log that is to end somewhere is cut there first; what queues and index know beyond goes with it.
struct Recovery {
    let configuration: StoreConfiguration
    let log: SegmentChain
    let queues: QueueTable
    let wasCleanStop: Bool
    let notes: StoreNotes
    let deleted: DeletedTopics
    /// Where the log is to end, whatever stands behind it.
    let cut: Int64?
    /// The wall clock, in milliseconds.
    let now: Int64
    /// A monotonic clock in nanoseconds.
    let uptime: @Sendable () -> Int64
    /// Told about once a second how far the walk is.
    let told: (RecoveryProgress) -> Void

    /// How often progress is told, in nanoseconds, and after how many records the clock is looked at.
    private static let newsInterval: Int64 = 1_000_000_000
    private static let recordsPerLook = 4096

    /// What the walk found, and the store time of the last record.
    struct Outcome {
        var report: RecoveryReport
        var lastStoreTimestamp: Int64
        /// Up to where the log is known to be on the disk.
        var flushedTo: Int64
        /// How many records the damaged places may have held.
        var lostAtMost: Int64 = 0
        /// Records that say that they are the first of their queue, which another one is: in a slave's log the topic may
        /// have been made anew.
        var takenBeginnings: [CopiedPlaces.Doubt] = []

        mutating func doubt(_ record: StoredRecord, _ configuration: StoreConfiguration) {
            guard takenBeginnings.count < CopiedPlaces.mostDoubts else { return }
            takenBeginnings.append(
                CopiedPlaces.Doubt(
                    key: QueueKey(topic: record.topic, queueID: record.queueID), queueOffset: 0,
                    entry: QueueEntry(
                        record, delayLevelMilliseconds: configuration.delayLevelMilliseconds)))
        }
    }

    /// A queue had no entry for a message from before the walk.
    private struct MissingEntries: Error {}

    /// Does the work and says what it found.
    ///
    /// A queue that cannot be read is taken for lost, and all begins again: what there is of it is not looked at then.
    func run() throws -> Outcome {
        var lost: Set<QueueKey> = []
        while true {
            do {
                let outcome = try bringIntoAgreement()
                if !outcome.report.lackingQueues.isEmpty { try queues.forgetGivenUp() }
                return outcome
            } catch let error as StoreError where error.code == .unreadable {
                guard let queue = queues.all.first(where: { error.path.map($0.owns) ?? false }),
                    lost.insert(queue.key).inserted
                else { throw error }
                queue.lose()
            }
        }
    }

    private func bringIntoAgreement() throws -> Outcome {
        try finishDeletions()
        if let cut, cut < log.endOffset {
            try notes.endLog(at: cut)
            try log.cut(at: cut, durably: true)
            // What is cut comes anew, to the same places: a place that was given up for lost must not stand in its way.
            for queue in queues.all { try queue.forget(fromLogOffset: cut) }
        }
        var lacking = try headlessQueues()
        let early = Set(endlessQueues().map(\.key))
        var outcome =
            try lacking.isEmpty ? walkFromEnd(shortened: early) : walkAll(vouchedTo: beginning().distrusted ?? 0)
        // What a crash in recovery took from a queue is back by now, and what was not synced when it was noted.
        let late = endlessQueues()
        if !late.isEmpty {
            // A damaged place may have been the last one of its queue, and then the log knows no more than this.
            let places = late.reduce(0) { $0 + $1.end - (queues.queue($1.key)?.maximumOffset ?? 0) }
            if lacking.isEmpty, places > outcome.lostAtMost || late.contains(where: { early.contains($0.key) }) {
                let vouched = outcome.flushedTo
                outcome = try walkAll(vouchedTo: vouched)
                outcome.flushedTo = max(outcome.flushedTo, vouched)
            }
            lacking += late.map(\.key).filter { !lacking.contains($0) }
            try raise(late, logEnd: outcome.report.logEnd)
        }
        outcome.report.lackingQueues = lacking
        outcome.report.unreadablePlaces = log.places.ranges
        outcome.report.lostPieces = lostBeginning() + log.lostPieces
        if !wasCleanStop {
            outcome.flushedTo = min(max(outcome.flushedTo, notes.syncedTo ?? 0), outcome.report.logEnd)
            let unsure = outcome.flushedTo..<outcome.report.logEnd
            do throws(StoreError) { try log.rewrite(unsure) } catch {
                // What was cut off gives its blocks back once the file system has written that down.
                guard error.code == .diskFull else { throw error }
                try log.sync(log.firstOffset..<log.endOffset)
                try log.rewrite(unsure)
            }
        }
        return outcome
    }

    /// What the walk may make of a place that is not sound. Where nothing was noted of syncs, everything may have been
    /// synced, and a hole is damage: to end the log there could take acknowledged messages.
    private func past(vouchedTo vouched: Int64) -> LogSurvey.Past {
        if wasCleanStop { return .stopped }
        // What lies before a file that was lost is as old as that, and was synced with it.
        let known = max(vouched, log.lostEnd)
        if let synced = notes.syncedTo { return .died(syncedTo: max(synced, known)) }
        return notes.checkpoint != nil && vouched > log.firstOffset ? .died(syncedTo: known) : .unknown(syncedTo: 0)
    }

    /// What a clean stop left at the log's beginning and is not there. After a crash retention may have taken it.
    private func lostBeginning() -> [Range<Int64>] {
        guard wasCleanStop, let start = notes.queueEnds?.logStart, start < log.firstOffset else { return [] }
        return [start..<log.firstOffset]
    }

    /// The queues that lost their last entries.
    private func endlessQueues() -> [QueueEnds.Entry] {
        notes.queueEnds?.lacking(in: queues, deleted, logStart: log.firstOffset) ?? []
    }

    /// The queues that lost what is before others, their first files or some in the middle.
    private func headlessQueues() throws -> [QueueKey] {
        try loseShortened()
        let beheaded = notes.queueEnds?.beheaded(in: queues, deleted, logStart: log.firstOffset) ?? []
        return Set(beheaded.map(\.key) + queues.all.filter(\.isLost).map(\.key))
            .sorted { ($0.topic, $0.queueID) < ($1.topic, $1.queueID) }
    }

    /// A queue's file between others that is too short lost what was in it; one that a power cut kept short has nothing
    /// behind it that was synced, and what it lacks comes with the walk.
    private func loseShortened() throws {
        let shortened = queues.all.filter { $0.shortMiddleEnd != nil && !$0.isLost }
        guard !shortened.isEmpty else { return }
        let distrusted = try beginning().distrusted ?? .max
        for queue in shortened {
            guard let place = queue.shortMiddleEnd, let next = try queue.entries(from: place, count: 1).first,
                next.logOffset < distrusted
            else { continue }
            queue.lose()
        }
    }

    /// Where a walk begins that need not be whole, and from where on entries are distrusted: `nil` after a clean stop.
    private func beginning() throws -> (start: Int64, distrusted: Int64?) {
        let place = RecoveryStart(log: log, queues: queues, wasCleanStop: wasCleanStop, checkpoint: notes.checkpoint)
        var start = try place.offset()
        if let known = place.knownEnd {
            if start != known, !(try isRecord(at: start)) { start = known }
        } else if start != (try place.segmentStart()), !(try isRecord(at: start)) {
            start = try place.segmentStart()
        }
        return (start, wasCleanStop ? nil : place.knownEnd ?? start)
    }

    private func walkFromEnd(shortened: Set<QueueKey>) throws -> Outcome {
        let (start, distrusted) = try beginning()
        do {
            return try walk(
                from: start, distrustingQueuesFrom: distrusted, isWholeLog: false, vouchedTo: distrusted ?? 0,
                shortened: shortened)
        } catch is MissingEntries {
            var outcome = try walkAll(vouchedTo: distrusted ?? 0)
            if let distrusted { outcome.flushedTo = distrusted }
            return outcome
        }
    }

    private func walkAll(vouchedTo vouched: Int64) throws -> Outcome {
        let outcome = try walk(
            from: log.firstOffset, distrustingQueuesFrom: log.firstOffset, isWholeLog: true, vouchedTo: vouched)
        // A queue of whose messages the log has none any more goes on counting where it was, also after the next start.
        for queue in queues.all where queue.maximumOffset == queue.minimumOffset {
            try queue.keepEnd(logOffset: outcome.report.logEnd)
        }
        return outcome
    }

    /// Makes queues end where they are known to have ended, after all that the log has of them is back.
    private func raise(_ lacking: [QueueEnds.Entry], logEnd: Int64) throws(StoreError) {
        for entry in lacking where QueueKey.isTopicName(entry.key.topic) {
            let queue = try queues.makeIfMissing(entry.key)
            if queue.maximumOffset < entry.end { try queue.raise(to: entry.end, logOffset: logEnd) }
        }
    }

    /// A crash may have come between a deletion's note and the removal of the queues.
    private func finishDeletions() throws(StoreError) {
        var gone: Set<String> = []
        for queue in queues.all {
            guard let first = try queue.entries(from: queue.minimumOffset, count: 1).first else { continue }
            if deleted.covers(queue.key.topic, at: first.logOffset) { gone.insert(queue.key.topic) }
        }
        for topic in gone.sorted() { try queues.remove(topic: topic) }
    }

    /// Whether a record stands at an offset that a queue names.
    private func isRecord(at offset: Int64) throws(StoreError) -> Bool {
        var reader = LogReader(log.source, position: offset)
        switch try reader.next() {
        case .record, .damaged: return true
        case .nextSegment, .unwritten, .torn: return false
        }
    }

    /// - Parameter distrusted: from where on entries are forgotten and made anew: after a crash those that need not be
    ///   synced, and all when queues are made anew.
    /// - Parameter vouched: the log before it is known to be synced, besides what the notes say.
    private func walk(
        from start: Int64, distrustingQueuesFrom distrusted: Int64?, isWholeLog: Bool, vouchedTo vouched: Int64,
        shortened: Set<QueueKey> = []
    ) throws -> Outcome {
        if let distrusted {
            try takeBackCheckpoint(to: distrusted, isWholeLog: isWholeLog)
            for queue in queues.all {
                guard isWholeLog else {
                    try cut(queue, behind: distrusted)
                    continue
                }
                // One whose messages are all gone goes on counting where it was, also when another crash comes first.
                try queue.removeBeginning(beforeLogOffset: log.firstOffset)
                if queue.minimumOffset == queue.maximumOffset {
                    try queue.keepEnd(logOffset: log.firstOffset)
                } else {
                    try queue.beginAnew(at: queue.minimumOffset)
                }
            }
        }
        var outcome = Outcome(
            report: RecoveryReport(wasCleanStop: wasCleanStop, walkedFrom: start, logEnd: start),
            lastStoreTimestamp: 0, flushedTo: distrusted ?? start)
        var survey = LogSurvey(log.source, from: start, past: past(vouchedTo: vouched))
        var times = LastStoreTime()
        var isTakenBack = (distrusted ?? .max) <= start
        var rebuild = QueueRebuild(
            queues: queues, log: log, isWholeLog: isWholeLog, shortened: shortened
        ) { () throws(StoreError) in
            if !isTakenBack { try takeBackCheckpoint(to: start, isWholeLog: isWholeLog) }
            isTakenBack = true
        }
        var lastNews = uptime()
        walking: while true {
            switch try survey.next() {
            case .record(let record):
                outcome.report.walkedRecords += 1
                times.saw(record.storeTimestamp)
                switch try dispatch(record, into: &rebuild) {
                case .astray: outcome.report.damagedOffsets.append(record.logOffset)
                case .taken where record.queueOffset == 0: outcome.doubt(record, configuration)
                case .added, .taken, .missing: break
                }
                if outcome.report.walkedRecords % Self.recordsPerLook == 0, uptime() - lastNews >= Self.newsInterval {
                    lastNews = uptime()
                    told(
                        RecoveryProgress(
                            walkedBytes: record.logOffset - start, atMostBytes: log.endOffset - start,
                            records: outcome.report.walkedRecords))
                }
            case .damage(let range, let record):
                outcome.report.damagedOffsets.append(range.lowerBound)
                try passOver(range, record, in: &rebuild)
            case .end(let end, let reason):
                outcome.report.logEnd = end
                outcome.report.tornReason = reason
                outcome.report.letGoRecords = survey.letGoRecords
                break walking
            }
        }
        try rebuild.finish()
        // Where a last segment is gone, and its owner goes on without it, the log ends with what there is. A clean stop
        // wrote down where the log ended; without that an entry tells, which may have gone bad.
        let stopped = wasCleanStop && notes.reach == nil ? try queuesEnd() ?? 0 : 0
        let wholeTo = min(log.endOffset, max(notes.syncedTo ?? 0, vouched, stopped))
        if wholeTo > outcome.report.logEnd {
            // It was whole once, synced or stopped: what cannot be read of it any more is damage, and not a torn tail.
            outcome.report.damagedOffsets.append(outcome.report.logEnd)
            rebuild.passOver(outcome.report.logEnd..<wholeTo, smallestRecord: RecordLayout.minimumSize)
            outcome.report.logEnd = wholeTo
            outcome.report.tornReason = nil
        }
        // A part of a sector that cannot be read cannot be written either: the log goes on behind it.
        outcome.report.logEnd = log.places.readable(from: outcome.report.logEnd)
        if wasCleanStop { outcome.flushedTo = outcome.report.logEnd }
        outcome.lastStoreTimestamp = times.value(known: notes.reach?.lastTimestamp ?? 0, now: now)
        outcome.lostAtMost = rebuild.lostAtMost
        outcome.report.rebuiltEntries = rebuild.writtenEntries
        if !wasCleanStop || outcome.report.tornReason != nil { try log.cut(at: outcome.report.logEnd, durably: true) }
        for queue in queues.all {
            try cutIfAhead(queue, logEnd: outcome.report.logEnd)
            try queue.removeBeginning(beforeLogOffset: log.firstOffset)
        }
        return outcome
    }

    /// Makes the checkpoint vouch for no entry from the record at `start` on; for none at all when the log is walked whole.
    private func takeBackCheckpoint(to start: Int64, isWholeLog: Bool) throws(StoreError) {
        guard notes.checkpoint != nil else { return }
        var timestamp: Int64 = 0
        if !isWholeLog {
            var reader = LogReader(log.source, position: start)
            switch try reader.next() {
            case .record(let record), .damaged(let record): timestamp = record.storeTimestamp
            case .nextSegment, .unwritten, .torn: break
            }
        }
        try notes.takeBackQueues(to: start, timestamp: timestamp)
    }

    private func dispatch(
        _ record: StoredRecord, into rebuild: inout QueueRebuild
    ) throws -> QueueRebuild.Outcome {
        guard let key = Self.queue(of: record), !deleted.covers(record.topic, at: record.logOffset) else {
            return .added
        }
        let entry = QueueEntry(record, delayLevelMilliseconds: configuration.delayLevelMilliseconds)
        let outcome = try rebuild.add(entry, to: key, at: record.queueOffset)
        if outcome == .missing { throw MissingEntries() }
        return outcome
    }

    /// The queue of a record; a half message and a rolled-back one are in the log but in no queue of their topic.
    static func queue(of record: StoredRecord) -> QueueKey? {
        let transaction = record.sysFlag.transaction
        if transaction == .transactionPrepared || transaction == .transactionRollback { return nil }
        // A half-written record, or one of another implementation's: it is in no queue.
        guard QueueKey.isTopicName(record.topic), record.queueID >= 0 else { return nil }
        return QueueKey(topic: record.topic, queueID: record.queueID)
    }

    private func passOver(
        _ range: Range<Int64>, _ record: StoredRecord?, in rebuild: inout QueueRebuild
    ) throws(StoreError) {
        if let record, let key = Self.queue(of: record),
            try rebuild.blank(key, at: record.queueOffset, logOffset: record.logOffset)
        {
            return
        }
        rebuild.passOver(range, smallestRecord: RecordLayout.minimumSize)
    }

    /// Forgets the entries of a queue that do not lead to a record before `start`.
    ///
    /// After a power cut entries that were not synced may be half there; one that leads to no record of its own place is
    /// none, wherever it points.
    private func cut(_ queue: ConsumeQueue, behind start: Int64) throws(StoreError) {
        let reading = EntryReading(log: log)
        try queue.cutTail(atLogOffset: start) { entry, offset throws(StoreError) in
            try reading.record(of: entry, in: queue.key, at: offset) != nil
        }
    }

    /// The end of the last record that the queues know of; `nil` when they know none. What an entry could not have said
    /// when it was written counts for nothing.
    private func queuesEnd() throws(StoreError) -> Int64? {
        var end: Int64?
        for queue in queues.all {
            guard let last = try queue.entries(from: queue.maximumOffset - 1, count: 1).first, !last.isBlank,
                last.logOffset >= log.firstOffset, last.end <= log.endOffset,
                last.logOffset / log.segmentBytes == (last.end - 1) / log.segmentBytes
            else { continue }
            end = max(end ?? 0, last.end)
        }
        return end
    }

    /// A queue may point behind the log's end when the log lost more than the queue.
    private func cutIfAhead(_ queue: ConsumeQueue, logEnd: Int64) throws(StoreError) {
        guard let last = try queue.entries(from: queue.maximumOffset - 1, count: 1).first, last.end > logEnd
        else { return }
        try queue.cut(atLogOffset: logEnd)
    }
}
