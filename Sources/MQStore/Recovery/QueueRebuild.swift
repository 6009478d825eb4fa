import NIOCore

/// Writes missing queue entries during recovery, gathered so that each queue is written in pieces, not by entry.
struct QueueRebuild {
    let queues: QueueTable
    /// How many entries were missing and are written.
    private(set) var writtenEntries = 0
    private var pending: [QueueKey: Run] = [:]

    /// Entries that follow each other in one queue.
    private struct Run {
        var queue: ConsumeQueue
        var start: Int64
        var bytes = ByteBuffer()
        var beginsQueue: Bool
        var end: Int64 { start + Int64(bytes.readableBytes) / QueueEntry.encodedSize }
    }

    /// The bytes gathered for one queue before they are written.
    private static let runBytes = 1 << 16

    init(queues: QueueTable) { self.queues = queues }

    /// Adds the entry unless the queue has it; `false` when entries before it are missing.
    ///
    /// - Parameter acceptsLaterBeginning: whether an empty queue may begin with this offset, because the log's older
    ///   part is gone.
    mutating func add(
        _ entry: QueueEntry, to key: QueueKey, at offset: Int64, acceptsLaterBeginning: Bool
    ) throws(StoreError) -> Bool {
        let queue = try queue(key)
        let end = pending[key]?.end ?? queue.maximumOffset
        if offset < end {
            try flush(key)
            if try isThere(entry, in: queue, at: offset) { return true }
            try queue.cut(atQueueOffset: offset)
        } else if offset > end {
            let isEmpty = pending[key] == nil && queue.maximumOffset == queue.minimumOffset
            guard isEmpty && acceptsLaterBeginning else { return false }
        }
        if let bytes = pending[key]?.bytes.readableBytes, bytes >= Self.runBytes { try flush(key) }
        if pending[key] == nil {
            pending[key] = Run(
                queue: queue, start: offset, beginsQueue: queue.maximumOffset == queue.minimumOffset)
        }
        var buffer = ByteBuffer()
        entry.write(to: &buffer)
        pending[key]?.bytes.writeBuffer(&buffer)
        writtenEntries += 1
        return true
    }

    private func queue(_ key: QueueKey) throws(StoreError) -> ConsumeQueue {
        if let queue = pending[key]?.queue { return queue }
        return try queues.makeIfMissing(key)
    }

    /// Whether the queue holds this entry or a later record's.
    ///
    /// A topic that was deleted and made anew begins at 0 again: of two records with one place the later one counts.
    private func isThere(_ entry: QueueEntry, in queue: ConsumeQueue, at offset: Int64) throws(StoreError) -> Bool {
        guard let present = try queue.entries(from: offset, count: 1).first else { return false }
        return present.logOffset >= entry.logOffset
    }

    /// Writes what was gathered.
    mutating func finish() throws(StoreError) {
        for key in pending.keys { try flush(key) }
    }

    private mutating func flush(_ key: QueueKey) throws(StoreError) {
        guard let run = pending.removeValue(forKey: key), run.bytes.readableBytes > 0 else { return }
        try run.queue.write(run.bytes, at: run.start)
        run.queue.publish(run.end, beginningAt: run.beginsQueue ? run.start : nil)
    }
}
