import Glibc
import MQWire
import NIOCore

/// Decides what follows from the bytes at a position of the log, while walking it record by record. Pure.
///
/// Recovery and the scanner share it, so that what a scan calls torn is what a restart would cut.
enum LogWalk {
    /// What stands at a position.
    enum Step: Sendable {
        /// A sound record; go on behind it.
        case record(StoredRecord)
        /// A record of sound lengths whose body does not have its sum.
        case damaged(StoredRecord)
        /// The rest of the segment is filler; go on at this offset.
        case nextSegment(Int64)
        /// Nothing was ever written here: the log's proper end.
        case unwritten
        /// Neither record nor end: a write that was cut short; the reason says what did not fit.
        case torn(String)
    }

    /// Judges a reading made at `position` of a segment that ends at `segmentEnd`.
    ///
    /// A record must say that it stands where it stands; so a stale one left behind an earlier cut is not taken.
    static func judge(_ reading: StoredRecord.Reading, position: Int64, segmentEnd: Int64) -> Step {
        switch reading {
        case .record(let record) where record.logOffset == position:
            // The sum covers the body alone. Of the rest, a lost sector shows by its zeros, which nobody writes there.
            isWhole(record) ? .record(record) : .damaged(record)
        case .record(let record): .torn("a record of offset \(record.logOffset) stands here")
        case .checksumMismatch(let record):
            record.logOffset == position ? .damaged(record) : .torn("a damaged record of another offset stands here")
        case .blank(let size):
            Int64(size) == segmentEnd - position
                ? .nextSegment(segmentEnd) : .torn("filler of \(size) bytes, \(segmentEnd - position) to the end")
        case .unwritten: .unwritten
        case .truncated(let needed): .torn("a record of \(needed) bytes is cut short")
        case .malformed(let reason): .torn(reason)
        }
    }

    /// Whether topic and properties hold no zero byte, which the writer refuses, and the header a whole time.
    private static func isWhole(_ record: StoredRecord) -> Bool {
        record.storeTimestamp >= RecordLayout.earliestStoreTimestamp && !record.topic.isEmpty
            && !record.topic.utf8.contains(0)
            && !hasZero(record.encodedProperties)
    }

    /// Whether any byte is zero.
    static func hasZero(_ buffer: ByteBuffer) -> Bool {
        buffer.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress, bytes.count > 0 else { return false }
            return memchr(base, 0, bytes.count) != nil
        }
    }
}
