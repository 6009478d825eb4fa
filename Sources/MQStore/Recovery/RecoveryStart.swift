import MQWire
import NIOCore

/// Finds where recovery's walk begins, so that a large segment need not be read whole.
///
/// After a crash it begins a little before the end of the checkpoint's reach: what is before is known to be synced, and is
/// looked at for what went bad. Where another implementation wrote the checkpoint there are
/// only times, and the consume queues name record boundaries: then it begins behind the last record that the checkpoint
/// vouches for. After a clean stop the walk begins a little before the end that the queues tell. A boundary that turns
/// out to be none makes the walk begin with the segment instead (``Recovery``).
struct RecoveryStart {
    let log: SegmentChain
    let queues: QueueTable
    let wasCleanStop: Bool
    let checkpoint: Checkpoint?

    /// The bytes walked before the known end: enough to notice queues that fell behind, read within milliseconds.
    static let cleanWalkBytes: Int64 = 1 << 20
    /// How much earlier than a checkpoint without a reach says queues are known to be synced, in milliseconds: RocketMQ
    /// writes it with the times of entries that were only written when it seals an index file, and syncs all queues once
    /// a minute (`flushConsumeQueueThoroughInterval`, a round of 1 s, and the 3 s of its own recovery).
    static let foreignMargin: Int64 = 64_000

    /// Up to where log and queues are known to be on the disk after a crash; `nil` where there are only times.
    var knownEnd: Int64? {
        wasCleanStop ? nil : checkpoint?.reach.map { max($0.safeOffset, log.firstOffset) }
    }

    /// What was stored before this time is known to be on the disk, in log and queues.
    private var safeTimestamp: Int64 {
        guard let checkpoint else { return 0 }
        if checkpoint.reach != nil { return checkpoint.safeTimestamp }
        return max(0, checkpoint.safeTimestamp) - Self.foreignMargin
    }

    /// The beginning of the segment from which on something may be unknown.
    func segmentStart() throws(StoreError) -> Int64 {
        let safe = safeTimestamp
        for segment in log.all.reversed() {
            guard let timestamp = try SegmentTimes.beginning(of: segment) else { continue }
            // After a clean stop a prepared, empty segment may follow the last one in use; it is passed over. After a
            // crash strictly before: of the checkpoint's own millisecond, what came after its sync may fill segments.
            if wasCleanStop || timestamp < safe { return segment.baseOffset }
        }
        return log.firstOffset
    }

    /// Where the walk begins.
    func offset() throws(StoreError) -> Int64 {
        if let knownEnd { return max(log.firstOffset, min(try boundary(near: knownEnd) ?? knownEnd, knownEnd)) }
        let segmentStart = try segmentStart()
        let boundary = wasCleanStop ? try boundaryNearEnd() : try boundaryBefore(safeTimestamp)
        return max(segmentStart, boundary ?? segmentStart)
    }

    /// The first boundary within ``cleanWalkBytes`` of the end that the queues tell.
    private func boundaryNearEnd() throws(StoreError) -> Int64? {
        var end: Int64 = 0
        for queue in queues.all {
            guard let last = try queue.entries(from: queue.maximumOffset - 1, count: 1).first else { continue }
            end = max(end, last.end)
        }
        return try boundary(near: end)
    }

    private func boundary(near end: Int64) throws(StoreError) -> Int64? {
        var boundary: Int64?
        for queue in queues.all {
            let index = try queue.firstOffset { entry, _ throws(StoreError) in
                entry.logOffset >= end - Self.cleanWalkBytes
            }
            guard let entry = try queue.entries(from: index, count: 1).first else { continue }
            boundary = min(boundary ?? .max, entry.logOffset)
        }
        return boundary
    }

    /// The last boundary of a record stored before the time: what lies before it is synced, in log and queues.
    ///
    /// Strictly before: messages of the checkpoint's own millisecond may have come after its sync.
    private func boundaryBefore(_ timestamp: Int64) throws(StoreError) -> Int64? {
        let reading = EntryReading(log: log)
        var boundary: Int64?
        for queue in queues.all {
            let end = try queue.firstOffset { entry, offset throws(StoreError) in
                guard let record = try reading.record(of: entry, in: queue.key, at: offset) else { return true }
                return record.storeTimestamp >= timestamp
            }
            guard let entry = try queue.entries(from: end - 1, count: 1).first else { continue }
            boundary = max(boundary ?? 0, entry.logOffset)
        }
        return boundary
    }
}
