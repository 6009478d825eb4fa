public import NIOCore

/// A record as it stands in a commit log and in the body of a pull answer.
public struct StoredRecord: Sendable, Hashable {
    /// The record's bytes, its own length field included.
    public var totalSize: Int32
    /// The stored sum of the body.
    public var bodyCRC: UInt32
    /// The queue of the topic.
    public var queueID: Int32
    /// The sender's own flag.
    public var flag: Int32
    /// The position in the queue, counted in messages.
    public var queueOffset: Int64
    /// The position in the commit log, in bytes.
    public var logOffset: Int64
    /// The system flag.
    public var sysFlag: SysFlag
    /// When the client made the message, milliseconds since 1970.
    public var bornTimestamp: Int64
    /// The client's address.
    public var bornHost: RecordHost
    /// When the broker stored it, milliseconds since 1970.
    public var storeTimestamp: Int64
    /// The broker's address.
    public var storeHost: RecordHost
    /// How often it was consumed in vain.
    public var reconsumeTimes: Int32
    /// The log offset of the half message, or 0.
    public var preparedTransactionOffset: Int64
    /// The body; a slice of the buffer it was read from.
    public var body: ByteBuffer
    /// The topic.
    public var topic: String
    /// The encoded properties; a slice of the buffer it was read from.
    public var encodedProperties: ByteBuffer

    /// The properties, decoded anew at each call.
    public var properties: MessageProperties { MessageProperties(encodedProperties) }
    /// Whether the body has the sum that was stored with it.
    public var isChecksumValid: Bool { BodyChecksum.body(body) == bodyCRC }
    /// The id that leads back to the record: its broker's address and its log offset.
    public var offsetMessageID: OffsetMessageID { OffsetMessageID(host: storeHost, logOffset: logOffset) }

    /// The same message as a draft, for a broker that stores it anew (delay, retry).
    public func draft() -> RecordDraft {
        RecordDraft(
            topic: topic, queueID: queueID, flag: flag, sysFlag: sysFlag, bornTimestamp: bornTimestamp,
            bornHost: bornHost, storeHost: storeHost, reconsumeTimes: reconsumeTimes,
            preparedTransactionOffset: preparedTransactionOffset, body: body, properties: encodedProperties)
    }

    /// What stands at the front of a piece of a commit log.
    public enum Reading: Sendable, Hashable {
        /// A whole record with a matching sum.
        case record(StoredRecord)
        /// A whole record whose body does not match its sum.
        case checksumMismatch(StoredRecord)
        /// The filler that ends a segment; its size reaches to the segment's end.
        case blank(size: Int32)
        /// Zeros: nothing was ever written here.
        case unwritten
        /// A record begins, but its `needed` bytes are not all here.
        case truncated(needed: Int)
        /// Bytes that are no record; the reason names the field.
        case malformed(String)
    }

    /// Reads what stands at the front of `buffer` and consumes it when it is a whole record.
    ///
    /// - Parameter verifyingChecksum: whether the body is summed; a mismatch is then ``Reading/checksumMismatch(_:)``.
    public static func read(from buffer: inout ByteBuffer, verifyingChecksum: Bool = true) -> Reading {
        guard let size = buffer.getInteger(at: buffer.readerIndex, as: Int32.self),
            let magic = buffer.getInteger(at: buffer.readerIndex + 4, as: UInt32.self)
        else { return .truncated(needed: RecordLayout.blankSize) }
        if size == 0 && magic == 0 { return .unwritten }
        if magic == RecordLayout.blankMagic { return .blank(size: size) }
        guard magic == RecordLayout.magic else { return .malformed("magic 0x\(String(magic, radix: 16))") }
        guard size >= RecordLayout.minimumSize else { return .malformed("totalSize \(size)") }
        guard buffer.readableBytes >= Int(size), let slice = buffer.getSlice(at: buffer.readerIndex, length: Int(size))
        else { return .truncated(needed: Int(size)) }
        guard let record = decode(slice) else { return .malformed("lengths inside a record of \(size) bytes") }
        if verifyingChecksum && !record.isChecksumValid { return .checksumMismatch(record) }
        buffer.moveReaderIndex(forwardBy: Int(size))
        return .record(record)
    }

    /// Reads all records of a pull answer's body; `nil` when anything else stands in it.
    public static func readAll(_ body: ByteBuffer) -> [StoredRecord]? {
        var rest = body
        var records: [StoredRecord] = []
        while rest.readableBytes > 0 {
            guard case .record(let record) = read(from: &rest) else { return nil }
            records.append(record)
        }
        return records
    }

    /// Decodes exactly one record; `nil` when an inner length does not fit the whole.
    private static func decode(_ whole: ByteBuffer) -> StoredRecord? {
        var buffer = whole
        guard
            let (size, _, crc, queueID, flag, queueOffset, logOffset, sysFlag, born) = buffer.readMultipleIntegers(
                as: (Int32, UInt32, UInt32, Int32, Int32, Int64, Int64, Int32, Int64).self),
            let bornHost = buffer.readRecordHost(ipv6: SysFlag(rawValue: sysFlag).contains(.bornHostIPv6)),
            let storeTimestamp = buffer.readInteger(as: Int64.self),
            let storeHost = buffer.readRecordHost(ipv6: SysFlag(rawValue: sysFlag).contains(.storeHostIPv6)),
            let (reconsumeTimes, prepared, bodyLength) = buffer.readMultipleIntegers(as: (Int32, Int64, Int32).self),
            bodyLength >= 0, let body = buffer.readSlice(length: Int(bodyLength)),
            let topicLength = buffer.readInteger(as: UInt8.self),
            let topic = buffer.readString(length: Int(topicLength)),
            let propertiesLength = buffer.readInteger(as: Int16.self), propertiesLength >= 0,
            let properties = buffer.readSlice(length: Int(propertiesLength)), buffer.readableBytes == 0
        else { return nil }
        return StoredRecord(
            totalSize: size, bodyCRC: crc, queueID: queueID, flag: flag, queueOffset: queueOffset,
            logOffset: logOffset, sysFlag: SysFlag(rawValue: sysFlag), bornTimestamp: born, bornHost: bornHost,
            storeTimestamp: storeTimestamp, storeHost: storeHost, reconsumeTimes: reconsumeTimes,
            preparedTransactionOffset: prepared, body: body, topic: topic, encodedProperties: properties)
    }
}
