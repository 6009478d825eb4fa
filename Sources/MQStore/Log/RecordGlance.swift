import Glibc
import MQWire

/// What a record says of itself, and where its parts stand, told from its bytes without making anything of them.
///
/// For whoever passes many records and needs little of each. It exists only for a record that ``LogWalk`` would call sound
/// but for its body's sum; of anything else the caller makes a whole record, and learns what is wrong with it.
struct RecordGlance {
    let size: Int
    let logOffset: Int64
    let sysFlag: SysFlag
    let storeTimestamp: Int64
    let topic: Range<Int>
    let properties: Range<Int>

    /// The record at the front of `bytes`, which stands at `position` of the log; `nil` when it is not whole and sound.
    init?(_ bytes: UnsafeRawBufferPointer, at position: Int64) {
        func integer<Number: FixedWidthInteger>(_ offset: Int, as type: Number.Type) -> Number {
            Number(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
        }
        guard bytes.count >= RecordLayout.minimumSize, integer(4, as: UInt32.self) == RecordLayout.magic else {
            return nil
        }
        size = Int(integer(0, as: Int32.self))
        logOffset = integer(RecordLayout.logOffsetOffset, as: Int64.self)
        guard size >= RecordLayout.minimumSize, size <= bytes.count, logOffset == position else { return nil }
        sysFlag = SysFlag(rawValue: integer(RecordLayout.sysFlagOffset, as: Int32.self))
        let storeTime = RecordLayout.bornHostOffset + (sysFlag.contains(.bornHostIPv6) ? 20 : 8)
        // Behind the time the store's host, reconsumeTimes (4) and preparedTransactionOffset (8).
        let length = storeTime + 8 + (sysFlag.contains(.storeHostIPv6) ? 20 : 8) + 12
        guard length + 4 <= size else { return nil }
        storeTimestamp = integer(storeTime, as: Int64.self)
        let bodyLength = Int(integer(length, as: Int32.self))
        guard storeTimestamp >= RecordLayout.earliestStoreTimestamp, bodyLength >= 0,
            length + 4 + bodyLength < size
        else { return nil }
        let topicStart = length + 4 + bodyLength + 1
        let topicEnd = topicStart + Int(bytes[topicStart - 1])
        guard topicEnd > topicStart, topicEnd + 2 <= size else { return nil }
        let propertiesLength = Int(integer(topicEnd, as: Int16.self))
        guard propertiesLength >= 0, topicEnd + 2 + propertiesLength == size else { return nil }
        topic = topicStart..<topicEnd
        properties = topicEnd + 2..<size
        if Self.hasZero(bytes, topic) || Self.hasZero(bytes, properties) { return nil }
    }

    private static func hasZero(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard let base = bytes.baseAddress, !range.isEmpty else { return false }
        return memchr(base + range.lowerBound, 0, range.count) != nil
    }
}
