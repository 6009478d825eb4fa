import MQWire
import NIOCore

/// Writes missing queue entries during recovery, gathered so that each queue is written in pieces, not by entry.
struct QueueRebuild {
    let queues: QueueTable
    let log: SegmentChain
    /// Whether the log is walked from its beginning, so that what a queue lacks is nowhere else to be found.
    let isWholeLog: Bool
    /// Queues that end earlier than they did: what they lack need not be what was damaged.
    let shortened: Set<QueueKey>
    /// Called before entries that a queue had are cut off, so that no checkpoint vouches for them any more.
    let beforeCut: () throws(StoreError) -> Void
    /// How many entries were missing and are written.
    private(set) var writtenEntries = 0
    private var pending: [QueueKey: Run] = [:]
    /// How many records may have stood in the damaged places so far.
    private(set) var lostAtMost: Int64 = 0

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
    /// The most places that are filled at once; a longer gap is none.
    private static let longestGap: Int64 = 1 << 20

    init(
        queues: QueueTable, log: SegmentChain, isWholeLog: Bool, shortened: Set<QueueKey>,
        beforeCut: @escaping () throws(StoreError) -> Void
    ) {
        self.shortened = shortened
        self.beforeCut = beforeCut
        self.queues = queues
        self.log = log
        self.isWholeLog = isWholeLog
    }

    /// Notes a damaged place of the log: so many records may have been lost there.
    mutating func passOver(_ range: Range<Int64>, smallestRecord: Int) {
        lostAtMost += Int64(range.count / smallestRecord) + 1
    }

    /// What became of an entry.
    enum Outcome {
        case added
        /// Another sound record has its number: this one is in no queue.
        case taken
        /// Entries before it are missing that may be in the log.
        case missing
        /// So far behind all others of its queue that its own number is what is wrong: it is in no queue.
        case astray
    }

    /// Adds the entry unless the queue has it.
    mutating func add(_ entry: QueueEntry, to key: QueueKey, at offset: Int64) throws(StoreError) -> Outcome {
        guard Self.isPossible(offset, before: entry.logOffset) else { return .astray }
        let queue = try queue(key)
        let end = pending[key]?.end ?? queue.maximumOffset
        if offset < end {
            try flush(key)
            switch try holder(of: offset, in: queue, entry) {
            case .itself: return .added
            case .another: return .taken
            case .nobody: break
            }
            try beforeCut()
            try queue.cut(atQueueOffset: offset)
        } else if offset > end {
            let outcome = try bridge(from: end, to: offset, of: queue, before: entry.logOffset)
            guard outcome == .added else { return outcome }
        }
        append(entry, to: queue, at: offset)
        try flushIfLong(key)
        return .added
    }

    /// Whether a message may have this number in its queue: all before it had their room in the log.
    static func isPossible(_ queueOffset: Int64, before logOffset: Int64) -> Bool {
        queueOffset >= 0 && queueOffset <= logOffset / Int64(RecordLayout.minimumSize)
    }

    /// Makes the place of a damaged record one that is not served; `false` when the queue does not know the place.
    mutating func blank(_ key: QueueKey, at offset: Int64, logOffset: Int64) throws(StoreError) -> Bool {
        guard Self.isPossible(offset, before: logOffset), let queue = queues.queue(key) else { return false }
        try flush(key)
        if offset == queue.maximumOffset {
            append(.blank(before: logOffset), to: queue, at: offset)
            return true
        }
        guard let present = try queue.entries(from: offset, count: 1).first, present.logOffset == logOffset
        else { return false }
        if !present.isBlank {
            var buffer = ByteBuffer()
            QueueEntry.blank(before: logOffset).write(to: &buffer)
            try queue.write(buffer, at: offset)
        }
        return true
    }

    /// Makes the queue end at `offset`, when what is missing before it is known to be lost.
    private mutating func bridge(
        from end: Int64, to offset: Int64, of queue: ConsumeQueue, before logOffset: Int64
    ) throws(StoreError) -> Outcome {
        let isEmpty = pending[queue.key] == nil && queue.maximumOffset == queue.minimumOffset
        if isEmpty && isWholeLog {
            try queue.beginAnew(at: offset)
            return .added
        }
        let gap = offset - end
        guard isWholeLog || (gap <= lostAtMost && !shortened.contains(queue.key)) else { return .missing }
        // A number that lost its first bits would otherwise hide all that the queue has before it.
        guard gap <= Self.longestGap else { return .astray }
        for place in end..<offset { append(.blank(before: logOffset), to: queue, at: place) }
        return .added
    }

    private mutating func append(_ entry: QueueEntry, to queue: ConsumeQueue, at offset: Int64) {
        var run =
            pending.removeValue(forKey: queue.key)
            ?? Run(queue: queue, start: offset, beginsQueue: queue.maximumOffset == queue.minimumOffset)
        entry.write(to: &run.bytes)
        writtenEntries += 1
        pending[queue.key] = run
    }

    private func queue(_ key: QueueKey) throws(StoreError) -> ConsumeQueue {
        if let queue = pending[key]?.queue { return queue }
        return try queues.makeIfMissing(key)
    }

    private enum Holder { case itself, another, nobody }

    /// Who has a place: just this entry, or that of another sound record that says that the place is its own; then this one
    /// lost what it says of its queue, and is not trusted. Anything else there is stale or half written, and so is what
    /// follows.
    private func holder(
        of offset: Int64, in queue: ConsumeQueue, _ entry: QueueEntry
    ) throws(StoreError) -> Holder {
        guard let present = try queue.entries(from: offset, count: 1).first else { return .nobody }
        if present == entry { return .itself }
        let record = try EntryReading(log: log).record(of: present, in: queue.key, at: offset, verifyingChecksum: true)
        return record == nil ? .nobody : .another
    }

    /// Writes what was gathered.
    mutating func finish() throws(StoreError) {
        // In a fixed order, so that a seeded simulation repeats itself.
        for key in pending.keys.sorted(by: { ($0.topic, $0.queueID) < ($1.topic, $1.queueID) }) { try flush(key) }
    }

    /// Writes what was gathered, once it is much.
    private mutating func flushIfLong(_ key: QueueKey) throws(StoreError) {
        if let bytes = pending[key]?.bytes.readableBytes, bytes >= Self.runBytes { try flush(key) }
    }

    private mutating func flush(_ key: QueueKey) throws(StoreError) {
        guard let run = pending.removeValue(forKey: key), run.bytes.readableBytes > 0 else { return }
        do throws(StoreError) { try run.queue.write(run.bytes, at: run.start) } catch {
            // The blocks that a cut gave back are free once the file system has written that down.
            guard error.code == .diskFull else { throw error }
            try run.queue.sync()
            try run.queue.write(run.bytes, at: run.start)
        }
        run.queue.publish(run.end, beginningAt: run.beginsQueue ? run.start : nil)
    }
}
