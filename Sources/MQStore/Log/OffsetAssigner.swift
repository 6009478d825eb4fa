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
    private var nextQueueOffsets: [QueueKey: Int64]

    /// The size of the filler's own fields.
    static let blankHeaderBytes: Int64 = 8

    /// Begins at the ends that recovery found.
    init(segmentBytes: Int64, logOffset: Int64, nextQueueOffsets: [QueueKey: Int64]) {
        self.segmentBytes = segmentBytes
        self.logOffset = logOffset
        self.nextQueueOffsets = nextQueueOffsets
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
        precondition(blankBytes(before: bytes) == 0, "a record of \(bytes) bytes crosses a segment at \(logOffset)")
        var queueOffset: Int64 = 0
        if let key {
            // One look into the table: hashing a topic's name is much of what a record costs.
            queueOffset = Self.take(&nextQueueOffsets[key, default: 0])
        }
        defer { logOffset += Int64(bytes) }
        return Placement(logOffset: logOffset, queueOffset: queueOffset)
    }

    private static func take(_ next: inout Int64) -> Int64 {
        defer { next += 1 }
        return next
    }

    /// Gives places back after a failed write: the log ends at `logOffset` again, these queues at their offsets.
    mutating func rewind(logOffset: Int64, queues: [(key: QueueKey, offset: Int64)]) {
        precondition(logOffset <= self.logOffset, "cannot rewind from \(self.logOffset) forwards to \(logOffset)")
        self.logOffset = logOffset
        for queue in queues { nextQueueOffsets[queue.key] = queue.offset }
    }

    /// Begins an empty log elsewhere than at 0: with a segment of a master's.
    mutating func begin(at logOffset: Int64) {
        precondition(self.logOffset == 0 && logOffset % segmentBytes == 0, "a log cannot begin at \(logOffset)")
        self.logOffset = logOffset
    }

    /// The number that the queue's next record gets.
    func nextQueueOffset(of key: QueueKey) -> Int64 { nextQueueOffsets[key, default: 0] }

    /// Gives the queue's next record this number, which its master gave it.
    mutating func expect(_ queueOffset: Int64, of key: QueueKey) { nextQueueOffsets[key] = queueOffset }

    /// Forgets the queues of a topic that was deleted; a new one begins at 0.
    mutating func forget(topic: String) {
        nextQueueOffsets = nextQueueOffsets.filter { $0.key.topic != topic }
    }
}
