import MQWire
import NIOCore

/// Reads the record that a queue entry leads to, and takes no other: entry and record must name each other.
struct EntryReading {
    let log: SegmentChain

    /// The record; `nil` when another one, or none, stands there.
    func record(
        of entry: QueueEntry, in key: QueueKey, at queueOffset: Int64, verifyingChecksum: Bool = false
    ) throws(StoreError) -> StoredRecord? {
        guard !entry.isBlank, entry.size >= RecordLayout.minimumSize, entry.logOffset >= log.firstOffset,
            entry.end <= log.endOffset, Int64(entry.size) <= log.segmentBytes
        else { return nil }
        var buffer = ByteBuffer()
        try log.read(at: entry.logOffset, count: Int(entry.size), into: &buffer)
        guard case .record(let record) = StoredRecord.read(from: &buffer, verifyingChecksum: verifyingChecksum),
            record.totalSize == entry.size, record.logOffset == entry.logOffset, record.queueOffset == queueOffset,
            record.queueID == key.queueID, record.topic == key.topic
        else { return nil }
        return record
    }
}
