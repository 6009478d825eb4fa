import MQWire
import NIOCore
import SystemPackage

/// Brings a store's log and consume queues into agreement before it opens.
///
/// 1. After a clean stop the last megabyte is walked, to find the end.
/// 2. After a crash the walk begins with the last record older than the checkpoint: everything before is synced. Queue
///    entries of walked records are forgotten and written anew.
/// 3. The walk ends where nothing sound follows any more (``LogSurvey``). What is there is zeroed, or a later crash could
///    take a stale record for a new one; but after a clean stop, what the queues know of was whole once. Damage before
///    that is kept, named, and its places in the queues are made such that no reader is served from them.
/// 4. A queue that lacks entries from before the walk (its files were lost) makes the walk begin at the log's start.
/// 5. After a crash what was walked is written over with itself: the process before may have met a failed sync, after
///    which pages are called clean that the disk does not have.
/// 6. Before any entry is forgotten the checkpoint is taken back to where the walk begins: a crash in the middle, or
///    before the entries made anew are synced, must lead to a walk that begins no later.
/// 7. Records of topics that were deleted later are passed over.
/// 8. A log that is to end somewhere is cut there first; what queues and index know beyond goes with it.
struct Recovery {
    let configuration: StoreConfiguration
    let log: SegmentChain
    let queues: QueueTable
    let wasCleanStop: Bool
    let checkpoint: Checkpoint?
    let deleted: DeletedTopics
    /// Where the log is to end, whatever stands behind it.
    let cut: Int64?
    let io: any StorageIO
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
    }

    /// A queue had no entry for a message from before the walk.
    private struct MissingEntries: Error {}

    /// Does the work and says what it found.
    func run() throws -> Outcome {
        try finishDeletions()
        if let cut, cut < log.endOffset { try log.cut(at: cut, durably: true) }
        let place = RecoveryStart(log: log, queues: queues, wasCleanStop: wasCleanStop, checkpoint: checkpoint)
        let start = try place.offset()
        var outcome: Outcome
        do {
            if start != (try place.segmentStart()), !(try isRecord(at: start)) {
                outcome = try walk(from: place.segmentStart(), rebuildsQueues: !wasCleanStop, isWholeLog: false)
            } else {
                outcome = try walk(from: start, rebuildsQueues: !wasCleanStop, isWholeLog: false)
            }
        } catch is MissingEntries {
            outcome = try walk(from: log.firstOffset, rebuildsQueues: true, isWholeLog: true)
        }
        if !wasCleanStop {
            outcome.flushedTo = min(start, outcome.report.logEnd)
            try log.rewrite(outcome.flushedTo..<outcome.report.logEnd)
        }
        return outcome
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

    private func walk(from start: Int64, rebuildsQueues: Bool, isWholeLog: Bool) throws -> Outcome {
        // After a crash, and when queues are made anew, entries of walked records are not trusted.
        if rebuildsQueues {
            try takeBackCheckpoint(to: isWholeLog ? nil : start)
            for queue in queues.all {
                // One whose messages are all gone goes on counting where it was.
                if isWholeLog { try queue.beginAnew(at: queue.minimumOffset) } else { try cut(queue, behind: start) }
            }
        }
        var outcome = Outcome(
            report: RecoveryReport(
                wasCleanStop: wasCleanStop, walkedFrom: start, logEnd: start, walkedRecords: 0, rebuiltEntries: 0,
                tornReason: nil, damagedOffsets: []),
            lastStoreTimestamp: 0, flushedTo: start)
        var survey = LogSurvey(log.source, from: start, keepsTail: wasCleanStop)
        var isTakenBack = rebuildsQueues
        var rebuild = QueueRebuild(queues: queues, log: log, isWholeLog: isWholeLog) { () throws(StoreError) in
            if !isTakenBack { try takeBackCheckpoint(to: start) }
            isTakenBack = true
        }
        var lastNews = uptime()
        walking: while true {
            switch try survey.next() {
            case .record(let record):
                outcome.report.walkedRecords += 1
                outcome.lastStoreTimestamp = max(outcome.lastStoreTimestamp, record.storeTimestamp)
                if try dispatch(record, into: &rebuild) == .astray {
                    outcome.report.damagedOffsets.append(record.logOffset)
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
                break walking
            }
        }
        try rebuild.finish()
        if wasCleanStop, let end = try queuesEnd(), end > outcome.report.logEnd {
            // It was whole when the store stopped: what cannot be read of it any more is damage, and not a torn tail.
            outcome.report.damagedOffsets.append(outcome.report.logEnd)
            outcome.report.logEnd = end
            outcome.report.tornReason = nil
        }
        outcome.flushedTo = outcome.report.logEnd
        outcome.report.rebuiltEntries = rebuild.writtenEntries
        if !wasCleanStop || outcome.report.tornReason != nil { try log.cut(at: outcome.report.logEnd, durably: true) }
        for queue in queues.all {
            try cutIfAhead(queue, logEnd: outcome.report.logEnd)
            try queue.removeBeginning(beforeLogOffset: log.firstOffset)
        }
        return outcome
    }

    /// Makes the checkpoint vouch for nothing from the record at `start` on; for nothing at all without one.
    private func takeBackCheckpoint(to start: Int64?) throws(StoreError) {
        guard let checkpoint else { return }
        var timestamp: Int64 = 0
        if let start {
            var reader = LogReader(log.source, position: start)
            switch try reader.next() {
            case .record(let record), .damaged(let record): timestamp = record.storeTimestamp
            case .nextSegment, .unwritten, .torn: break
            }
        }
        guard timestamp < checkpoint.safeTimestamp else { return }
        do throws(StoreError) {
            try Checkpoint(
                logTimestamp: min(checkpoint.logTimestamp, timestamp),
                queueTimestamp: min(checkpoint.queueTimestamp, timestamp), indexTimestamp: checkpoint.indexTimestamp
            ).write(to: configuration.checkpointFile, io: io)
        } catch {
            // A full disk must not keep the broker from starting, and from making room: no checkpoint vouches for nothing.
            guard error.code == .diskFull else { throw error }
            try io.removeFile(configuration.checkpointFile)
            try io.syncDirectory(configuration.root)
        }
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
