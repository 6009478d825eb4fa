import MQWire
import NIOCore
import SystemPackage

/// Brings a store's log and consume queues into agreement before it opens.
///
/// 1. After a clean stop the last few megabytes are walked, to find the end.
/// 2. After a crash the walk begins with the last record older than the checkpoint: everything before is synced. Queue
///    entries of walked records are forgotten and written anew.
/// 3. The walk ends at the first thing that is no sound record. What follows is zeroed, or a later crash could take a
///    stale record for a new one.
/// 4. A queue that lacks entries from before the walk (its files were lost) makes the walk begin at the log's start.
struct Recovery {
    let configuration: StoreConfiguration
    let log: SegmentChain
    let queues: QueueTable
    let wasCleanStop: Bool
    let checkpoint: Checkpoint?

    /// What the walk found, and the store time of the last record.
    struct Outcome {
        var report: RecoveryReport
        var lastStoreTimestamp: Int64
    }

    /// A queue had no entry for a message from before the walk.
    private struct MissingEntries: Error {}

    /// Does the work and says what it found.
    func run() throws -> Outcome {
        let place = RecoveryStart(log: log, queues: queues, wasCleanStop: wasCleanStop, checkpoint: checkpoint)
        let start = try place.offset()
        do {
            if start != (try place.segmentStart()), !(try isRecord(at: start)) {
                return try walk(
                    from: place.segmentStart(), rebuildsQueues: !wasCleanStop, acceptsLaterBeginning: false)
            }
            return try walk(from: start, rebuildsQueues: !wasCleanStop, acceptsLaterBeginning: false)
        } catch is MissingEntries {
            return try walk(from: log.firstOffset, rebuildsQueues: true, acceptsLaterBeginning: true)
        }
    }

    /// Whether a record stands at an offset that a queue names.
    private func isRecord(at offset: Int64) throws(StoreError) -> Bool {
        var reader = reader(from: offset)
        switch try reader.next() {
        case .record, .damaged: return true
        case .nextSegment, .unwritten, .torn: return false
        }
    }

    private func reader(from position: Int64) -> LogReader {
        LogReader(segmentBytes: log.segmentBytes, position: position) { [log] offset, count throws(StoreError) in
            var buffer = ByteBuffer()
            try log.read(at: offset, count: count, into: &buffer)
            return buffer
        }
    }

    private func walk(from start: Int64, rebuildsQueues: Bool, acceptsLaterBeginning: Bool) throws -> Outcome {
        // After a crash, and when queues are made anew, entries of walked records are not trusted.
        if rebuildsQueues {
            for queue in queues.all { try queue.cut(atLogOffset: start) }
        }
        var outcome = Outcome(
            report: RecoveryReport(
                wasCleanStop: wasCleanStop, walkedFrom: start, logEnd: start, walkedRecords: 0, rebuiltEntries: 0,
                tornReason: nil, damagedOffsets: []),
            lastStoreTimestamp: 0)
        var reader = reader(from: start)
        var rebuild = QueueRebuild(queues: queues)
        walking: while true {
            let position = reader.position
            switch try reader.next() {
            case .record(let record):
                outcome.report.walkedRecords += 1
                outcome.lastStoreTimestamp = max(outcome.lastStoreTimestamp, record.storeTimestamp)
                try dispatch(record, into: &rebuild, acceptsLaterBeginning: acceptsLaterBeginning)
            case .damaged(let record):
                guard wasCleanStop else {
                    outcome.report.tornReason = "the body does not have its sum"
                    outcome.report.logEnd = position
                    break walking
                }
                outcome.report.damagedOffsets.append(record.logOffset)
                try dispatch(record, into: &rebuild, acceptsLaterBeginning: acceptsLaterBeginning)
            case .nextSegment: break
            case .unwritten:
                outcome.report.logEnd = position
                break walking
            case .torn(let reason):
                outcome.report.tornReason = reason
                outcome.report.logEnd = position
                break walking
            }
        }
        try rebuild.finish()
        outcome.report.rebuiltEntries = rebuild.writtenEntries
        if !wasCleanStop || outcome.report.tornReason != nil { try log.cut(at: outcome.report.logEnd, durably: true) }
        for queue in queues.all { try cutIfAhead(queue, logEnd: outcome.report.logEnd) }
        return outcome
    }

    private func dispatch(
        _ record: StoredRecord, into rebuild: inout QueueRebuild, acceptsLaterBeginning: Bool
    ) throws {
        // A half message and a rolled-back one are in the log but in no queue of their topic.
        let transaction = record.sysFlag.transaction
        if transaction == .transactionPrepared || transaction == .transactionRollback { return }
        let key = QueueKey(topic: record.topic, queueID: record.queueID)
        let entry = QueueEntry(
            logOffset: record.logOffset, size: record.totalSize,
            tagCode: QueueEntry.tagCode(
                topic: record.topic, sysFlag: record.sysFlag, properties: record.encodedProperties,
                storeTimestamp: record.storeTimestamp,
                delayLevelMilliseconds: configuration.delayLevelMilliseconds))
        let isThere = try rebuild.add(
            entry, to: key, at: record.queueOffset, acceptsLaterBeginning: acceptsLaterBeginning)
        if !isThere { throw MissingEntries() }
    }

    /// A queue may point behind the log's end when the log lost more than the queue.
    private func cutIfAhead(_ queue: ConsumeQueue, logEnd: Int64) throws(StoreError) {
        guard let last = try queue.entries(from: queue.maximumOffset - 1, count: 1).first,
            last.logOffset + Int64(last.size) > logEnd
        else { return }
        try queue.cut(atLogOffset: logEnd)
    }
}
