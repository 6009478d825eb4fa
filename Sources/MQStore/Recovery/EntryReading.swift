import MQWire
import NIOCore

/// Reads the record that a queue entry leads to, and takes no other: entry and record must name each other.
struct EntryReading {
    let log: SegmentChain

    /// Up to so many bytes are read as the entry says; of more the record must say the same before they are.
    static let trustedBytes: Int32 = 16 << 10

    /// The record; `nil` when another one, or none, stands there.
    func record(
        of entry: QueueEntry, in key: QueueKey, at queueOffset: Int64, verifyingChecksum: Bool = false
    ) throws(StoreError) -> StoredRecord? {
        guard !entry.isBlank, entry.size >= RecordLayout.minimumSize, entry.logOffset >= log.firstOffset,
            entry.end <= log.endOffset, Int64(entry.size) <= log.segmentBytes
        else { return nil }
        // A rotten size would have up to a segment read, for each entry that is.
        if entry.size > Self.trustedBytes, !(try isSize(of: entry)) { return nil }
        var buffer = ByteBuffer()
        let isWhole = try log.read(at: entry.logOffset, count: Int(entry.size), into: &buffer)
        guard isWhole,
            case .record(let record) = StoredRecord.read(from: &buffer, verifyingChecksum: verifyingChecksum),
            record.totalSize == entry.size, record.logOffset == entry.logOffset, record.queueOffset == queueOffset,
            record.queueID == key.queueID, record.topic == key.topic
        else { return nil }
        return record
    }

    /// Whether a record stands where the entry leads, and says that it has the entry's size.
    private func isSize(of entry: QueueEntry) throws(StoreError) -> Bool {
        var head = ByteBuffer()
        try log.read(at: entry.logOffset, count: RecordLayout.sysFlagOffset, into: &head)
        return head.getInteger(at: 0, as: Int32.self) == entry.size
            && head.getInteger(at: 4, as: UInt32.self) == RecordLayout.magic
            && head.getInteger(at: RecordLayout.logOffsetOffset, as: Int64.self) == entry.logOffset
    }
}
