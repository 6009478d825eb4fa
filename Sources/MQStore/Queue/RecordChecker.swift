import Glibc
import MQWire
import NIOCore

/// A queue's entry that a reader is to get, and its place.
struct EntryPick: Sendable {
    var entry: QueueEntry
    var queueOffset: Int64
}

/// Holds records that were read against the queue entries that led to them.
///
/// Entry and record must name each other: size, log offset, queue, place in the queue. A record that does not may be
/// damaged, or the entry may be; either way it is not what the reader asked for.
struct RecordChecker {
    let key: QueueKey
    /// Whether each body is summed as well.
    let verifiesChecksum: Bool

    /// Whether the buffer holds just the records of these entries, one after another.
    func allMatch(_ picks: [EntryPick], in buffer: ByteBuffer) -> Bool {
        buffer.withUnsafeReadableBytes { bytes in
            var position = 0
            for pick in picks {
                let size = Int(pick.entry.size)
                guard size >= RecordLayout.minimumSize, position + size <= bytes.count,
                    matches(pick, UnsafeRawBufferPointer(rebasing: bytes[position..<position + size]))
                else { return false }
                position += size
            }
            return position == bytes.count
        }
    }

    private func matches(_ pick: EntryPick, _ record: UnsafeRawBufferPointer) -> Bool {
        func integer<Number: FixedWidthInteger>(_ offset: Int, as type: Number.Type) -> Number {
            Number(bigEndian: record.loadUnaligned(fromByteOffset: offset, as: Number.self))
        }
        guard integer(0, as: Int32.self) == pick.entry.size, integer(4, as: UInt32.self) == RecordLayout.magic,
            integer(RecordLayout.queueIDOffset, as: Int32.self) == key.queueID,
            integer(RecordLayout.queueOffsetOffset, as: Int64.self) == pick.queueOffset,
            integer(RecordLayout.logOffsetOffset, as: Int64.self) == pick.entry.logOffset
        else { return false }
        let flags = SysFlag(rawValue: integer(RecordLayout.sysFlagOffset, as: Int32.self))
        let hosts = (flags.contains(.bornHostIPv6) ? 20 : 8) + (flags.contains(.storeHostIPv6) ? 20 : 8)
        // Between the hosts the store time (8), behind them reconsumeTimes (4) and preparedTransactionOffset (8).
        let lengthOffset = RecordLayout.bornHostOffset + hosts + 8 + 12
        guard lengthOffset + 4 <= record.count else { return false }
        let bodyLength = Int(integer(lengthOffset, as: Int32.self))
        let topicOffset = lengthOffset + 4 + bodyLength
        guard bodyLength >= 0, topicOffset < record.count else { return false }
        let topicLength = Int(record[topicOffset])
        guard topicOffset + 1 + topicLength + 2 <= record.count, isTopic(record, topicOffset + 1, topicLength)
        else { return false }
        guard verifiesChecksum else { return true }
        let body = UnsafeRawBufferPointer(rebasing: record[(lengthOffset + 4)..<topicOffset])
        return BodyChecksum.body(body) == integer(8, as: UInt32.self)
    }

    private func isTopic(_ record: UnsafeRawBufferPointer, _ offset: Int, _ length: Int) -> Bool {
        var topic = key.topic
        return topic.withUTF8 { name in
            guard name.count == length, let wanted = name.baseAddress, let base = record.baseAddress
            else { return false }
            return memcmp(wanted, base + offset, length) == 0
        }
    }
}
