public import NIOCore

/// A message on its way into the log: everything of a record but its offsets and store time.
///
/// The log's only writer gives it those and encodes it in place with ``encode(into:queueOffset:logOffset:storeTimestamp:)``.
/// Layout of a record, big-endian (`MessageDecoder` in RocketMQ 4.9):
///
/// ```
/// ┌─────────┬─────────┬───────┬───────┬────┬───────────┬─────────┬───────┬─────────┬────────┬──────────┬─────────┐
/// │totalSize│  magic  │bodyCRC│queueId│flag│queueOffset│logOffset│sysFlag│bornTime │bornHost│storeTime │storeHost│
/// │    4    │    4    │   4   │   4   │ 4  │     8     │    8    │   4   │    8    │8 or 20 │    8     │ 8 or 20 │
/// ├─────────┴──────┬──┴───────┴───┬───┴────┴────┬──────┼─────────┴───────┴──┬──────┴────────┴──────────┴─────────┘
/// │reconsumeTimes 4│preparedOffset│bodyLength 4 │ body │topicLength 1, topic│ propertiesLength 2, properties
/// └────────────────┴──────8───────┴─────────────┴──────┴────────────────────┘
/// ```
public struct RecordDraft: Sendable {
    /// The topic, at most 127 bytes of UTF-8.
    public var topic: String
    /// The queue of the topic.
    public var queueID: Int32
    /// The sender's own flag; the broker gives it no meaning.
    public var flag: Int32
    /// The message's system flag; the two address bits are set from the hosts when encoding.
    public var sysFlag: SysFlag
    /// When the client made the message, milliseconds since 1970.
    public var bornTimestamp: Int64
    /// The client's address.
    public var bornHost: RecordHost
    /// The broker's address; part of the offset id.
    public var storeHost: RecordHost
    /// How often it was consumed in vain.
    public var reconsumeTimes: Int32
    /// For commit and roll-back: the log offset of the half message, else 0.
    public var preparedTransactionOffset: Int64
    /// The body as it came; a slice of the frame is fine.
    public var body: ByteBuffer
    /// The encoded properties, at most ``MessageProperties/maximumEncodedBytes``.
    public var properties: ByteBuffer

    /// A message to be stored.
    public init(
        topic: String, queueID: Int32, flag: Int32 = 0, sysFlag: SysFlag = [], bornTimestamp: Int64,
        bornHost: RecordHost, storeHost: RecordHost, reconsumeTimes: Int32 = 0, preparedTransactionOffset: Int64 = 0,
        body: ByteBuffer, properties: ByteBuffer = ByteBuffer()
    ) {
        self.topic = topic
        self.queueID = queueID
        self.flag = flag
        self.sysFlag = sysFlag
        self.bornTimestamp = bornTimestamp
        self.bornHost = bornHost
        self.storeHost = storeHost
        self.reconsumeTimes = reconsumeTimes
        self.preparedTransactionOffset = preparedTransactionOffset
        self.body = body
        self.properties = properties
    }

    /// The bytes the record will take.
    public var encodedSize: Int {
        RecordLayout.fixedSize + bornHost.encodedSize + storeHost.encodedSize + body.readableBytes + topic.utf8.count
            + properties.readableBytes
    }

    /// Appends the record to `buffer` and returns its size in bytes.
    ///
    /// Topic and properties must fit their length fields; whoever accepts a message checks that first.
    @discardableResult
    public func encode(
        into buffer: inout ByteBuffer, queueOffset: Int64, logOffset: Int64, storeTimestamp: Int64
    ) -> Int {
        let size = encodedSize
        precondition(
            topic.utf8.count <= RecordLayout.maximumTopicBytes
                && properties.readableBytes <= MessageProperties.maximumEncodedBytes,
            "topic of \(topic.utf8.count) bytes, properties of \(properties.readableBytes) bytes do not fit a record")
        var flags = sysFlag
        if bornHost.isIPv6 { flags.insert(.bornHostIPv6) } else { flags.remove(.bornHostIPv6) }
        if storeHost.isIPv6 { flags.insert(.storeHostIPv6) } else { flags.remove(.storeHostIPv6) }

        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { bytes in
            var record = ByteWriter(bytes)
            record.integer(Int32(size))
            record.integer(RecordLayout.magic)
            record.integer(BodyChecksum.body(body))
            record.integer(queueID)
            record.integer(flag)
            record.integer(queueOffset)
            record.integer(logOffset)
            record.integer(flags.rawValue)
            record.integer(bornTimestamp)
            record.host(bornHost)
            record.integer(storeTimestamp)
            record.host(storeHost)
            record.integer(reconsumeTimes)
            record.integer(preparedTransactionOffset)
            record.integer(Int32(body.readableBytes))
            record.buffer(body)
            record.integer(UInt8(topic.utf8.count))
            record.string(topic)
            record.integer(Int16(properties.readableBytes))
            record.buffer(properties)
            precondition(record.count == size, "record of \(record.count) bytes, \(size) announced")
            return size
        }
        return size
    }
}
