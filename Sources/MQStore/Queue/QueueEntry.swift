import MQWire
import NIOCore

/// What a consume queue holds for one message: where its record lies, and what filters by.
///
/// ```
/// ┌─────────────┬────────┬───────────┐
/// │ logOffset 8 │ size 4 │ tagCode 8 │
/// └─────────────┴────────┴───────────┘
/// ```
public struct QueueEntry: Sendable, Hashable {
    /// The record's position in the commit log, in bytes.
    public let logOffset: Int64
    /// The record's size in bytes; a written entry has more than 0.
    public let size: Int32
    /// The hash of the tag, 0 without one; for a delayed message the time at which it is due.
    public let tagCode: Int64

    /// The size that says that the message of this place is lost or damaged, and never to be served.
    ///
    /// RocketMQ writes it into the places before a queue's first message (`ConsumeQueue.fillPreBlank`), but never into a last
    /// one: the end of the last entry is where it goes on to dispatch the log (`DefaultMessageStore.start`), and that of this
    /// one lies 2 GiB behind. Ours has one byte on the disk, the last before `logOffset`: no record is so short.
    private static let blankSize = Int32.max
    private static let shortBlankSize: Int32 = 1

    /// The place of a message that is lost, before the record at `logOffset`.
    static func blank(before logOffset: Int64) -> QueueEntry {
        QueueEntry(logOffset: logOffset, size: blankSize, tagCode: 0)
    }

    /// Whether there is no message at this place.
    public var isBlank: Bool { size == Self.blankSize }

    /// The end of the record in the log, in bytes; a damaged entry may lie beyond what 64 bits count.
    var end: Int64 { isBlank ? logOffset : logOffset.addingUpToMaximum(Int64(size)) }

    /// The bytes of an entry.
    static let encodedSize: Int64 = 20

    /// An entry with these parts.
    public init(logOffset: Int64, size: Int32, tagCode: Int64) {
        self.logOffset = logOffset
        self.size = size
        self.tagCode = tagCode
    }

    /// The entry of a record.
    init(_ record: StoredRecord, delayLevelMilliseconds: [Int64]) {
        self.init(
            logOffset: record.logOffset, size: record.totalSize,
            tagCode: Self.tagCode(
                topic: record.topic, sysFlag: record.sysFlag, properties: record.encodedProperties,
                storeTimestamp: record.storeTimestamp, delayLevelMilliseconds: delayLevelMilliseconds))
    }

    /// Reads 20 bytes; `nil` when fewer are there or nothing was written there.
    init?(from buffer: inout ByteBuffer) {
        guard let (offset, size, code) = buffer.readMultipleIntegers(as: (Int64, Int32, Int64).self), size > 0
        else { return nil }
        if size == Self.shortBlankSize, code == 0, offset >= 0, offset < .max {
            self = .blank(before: offset + 1)
        } else {
            self.init(logOffset: offset, size: size, tagCode: code)
        }
    }

    func write(to buffer: inout ByteBuffer) {
        if isBlank, tagCode == 0, logOffset > 0 {
            buffer.writeMultipleIntegers(logOffset - 1, Self.shortBlankSize, tagCode)
        } else {
            buffer.writeMultipleIntegers(logOffset, size, tagCode)
        }
    }

    /// What a consume queue stores for a message's filter.
    ///
    /// A message that waits for its delay stores when it is due; others the hash of their tag, sign-extended.
    static func tagCode(
        topic: String, sysFlag: SysFlag, properties: ByteBuffer, storeTimestamp: Int64, delayLevelMilliseconds: [Int64]
    ) -> Int64 {
        if topic == DelayLevels.topic,
            let text = MessageProperties.value(of: "DELAY", in: properties), let level = Int(text), level > 0,
            !delayLevelMilliseconds.isEmpty
        {
            return storeTimestamp.addingUpToMaximum(
                delayLevelMilliseconds[min(level, delayLevelMilliseconds.count) - 1])
        }
        return properties.withUnsafeReadableBytes { bytes in
            guard let tags = MessageProperties.range(of: "TAGS", in: bytes) else { return 0 }
            return Int64(JavaStringHash.hash(utf8: UnsafeRawBufferPointer(rebasing: bytes[tags])))
        }
    }
}

extension Int64 {
    /// The sum with a number above 0, or the largest number there is: no sum covers a record's times and offsets.
    fileprivate func addingUpToMaximum(_ more: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(more)
        return overflow ? .max : sum
    }
}
