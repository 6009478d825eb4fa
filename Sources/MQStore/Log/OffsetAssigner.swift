/// Decides where each record goes: its offset in the log and its number in the queue. Pure.
///
/// The log's only writer owns one. A record never crosses a segment: when it and the filler's 8 bytes do not fit the
/// rest, the rest becomes filler and the record begins the next segment.
struct OffsetAssigner: Sendable {
    /// Where a record goes.
    struct Placement: Sendable, Equatable {
        /// The record's position in the log.
        var logOffset: Int64
        /// The record's number in its queue.
        var queueOffset: Int64
    }

    /// The size of a segment in bytes.
    let segmentBytes: Int64
    /// The end of the log: where the next record would go.
    private(set) var logOffset: Int64
    /// Where in ``nextQueueOffsets`` a queue's is.
    private var slots: [QueueKey: Int]
    private var nextQueueOffsets: [Int64]

    /// The size of the filler's own fields.
    static let blankHeaderBytes: Int64 = 8

    /// Begins at the ends that recovery found.
    init(segmentBytes: Int64, logOffset: Int64, nextQueueOffsets: [QueueKey: Int64]) {
        self.segmentBytes = segmentBytes
        self.logOffset = logOffset
        slots = [:]
        self.nextQueueOffsets = []
        for (key, offset) in nextQueueOffsets { expect(offset, of: key) }
    }

    /// The largest record that fits an empty segment.
    var maximumRecordBytes: Int64 { segmentBytes - Self.blankHeaderBytes }

    /// The filler needed before a record of `bytes`, which must not exceed ``maximumRecordBytes``; mostly 0.
    func blankBytes(before bytes: Int) -> Int {
        precondition(Int64(bytes) <= maximumRecordBytes, "a record of \(bytes) bytes exceeds the segment")
        let room = segmentBytes - logOffset % segmentBytes
        return Int64(bytes) + Self.blankHeaderBytes > room ? Int(room) : 0
    }

    /// Ends the segment with filler of ``blankBytes(before:)``.
    mutating func endSegment(blankBytes: Int) {
        logOffset += Int64(blankBytes)
        precondition(logOffset % segmentBytes == 0, "filler of \(blankBytes) bytes ends at \(logOffset)")
    }

    /// Takes the place for a record that fits the segment; `key` is `nil` for one that belongs to no queue.
    mutating func place(_ key: QueueKey?, bytes: Int) -> Placement {
        place(slot: key.map { slot(of: $0) }, bytes: bytes)
    }

    /// The same in the queue of a slot; `nil` for a record that belongs to none.
    mutating func place(slot: Int?, bytes: Int) -> Placement {
        precondition(blankBytes(before: bytes) == 0, "a record of \(bytes) bytes crosses a segment at \(logOffset)")
        var placement = Placement(logOffset: logOffset, queueOffset: 0)
        if let slot {
            placement.queueOffset = nextQueueOffsets[slot]
            nextQueueOffsets[slot] += 1
        }
        logOffset += Int64(bytes)
        return placement
    }

    /// What stands for the queue until its topic is forgotten: hashing a topic's name for each record costs too much.
    mutating func slot(of key: QueueKey) -> Int {
        if let slot = slots[key] { return slot }
        slots[key] = nextQueueOffsets.count
        nextQueueOffsets.append(0)
        return nextQueueOffsets.count - 1
    }

    /// Gives places back after a failed write: the log ends at `logOffset` again, these queues at their offsets.
    mutating func rewind(logOffset: Int64, queues: [(key: QueueKey, offset: Int64)]) {
        precondition(logOffset <= self.logOffset, "cannot rewind from \(self.logOffset) forwards to \(logOffset)")
        self.logOffset = logOffset
        for queue in queues { expect(queue.offset, of: queue.key) }
    }

    /// Begins an empty log elsewhere than at 0: with a segment of a master's.
    mutating func begin(at logOffset: Int64) {
        precondition(self.logOffset == 0 && logOffset % segmentBytes == 0, "a log cannot begin at \(logOffset)")
        self.logOffset = logOffset
    }

    /// The number that the queue's next record gets.
    func nextQueueOffset(of key: QueueKey) -> Int64 { slots[key].map { nextQueueOffsets[$0] } ?? 0 }

    /// Gives the queue's next record this number, which its master gave it.
    mutating func expect(_ queueOffset: Int64, of key: QueueKey) { nextQueueOffsets[slot(of: key)] = queueOffset }

    /// Forgets the queues of a topic that was deleted; a new one begins at 0.
    mutating func forget(topic: String) {
        // Made anew without its slots: topics that come and go would leave theirs for ever.
        let kept = slots.filter { $0.key.topic != topic }
        let offsets = nextQueueOffsets
        slots = [:]
        nextQueueOffsets = []
        for (key, slot) in kept { expect(offsets[slot], of: key) }
    }
}
