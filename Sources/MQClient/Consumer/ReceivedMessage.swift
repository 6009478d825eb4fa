import MQWire
import NIOCore

/// A message as a broker delivered it.
public struct ReceivedMessage: Sendable, Equatable {
    /// The queue that it was pulled from.
    public let queue: MessageQueue
    /// Its place in the queue.
    public let queueOffset: Int64
    /// Its place in the broker's commit log.
    public let commitLogOffset: Int64
    /// The unique id that its sender gave it; the offset id if it gave none.
    public let messageID: String
    /// The id that tells where it lies.
    public let offsetMessageID: String
    /// What it carries, as stored.
    public let body: [UInt8]
    /// All properties, the protocol's own among them.
    public let properties: [String: String]
    /// Its tag.
    public let tags: String?
    /// Its keys.
    public let keys: [String]
    /// The sender's own bits.
    public let flag: Int32
    /// When the sender made it, in milliseconds since 1970 by the sender's clock.
    public let bornTimestamp: Int64
    /// When the broker stored it, in milliseconds since 1970 by the broker's clock.
    public let storeTimestamp: Int64
    /// How often it was consumed in vain.
    public let reconsumeTimes: Int32
    /// Whether the body still has the sum that was stored with it.
    public let bodyCRCMatches: Bool
    /// Whether ``body`` is zlib-compressed, as clients of Apache's make long ones; ``content(limitBytes:)`` has it plain.
    public let isCompressed: Bool

    /// The topic that it was sent to, also when it comes again through its group's retry topic.
    public var topic: String { properties[PropertyName.retryTopic] ?? queue.topic }

    /// What the sender gave it to carry: ``body``, unpacked if it was compressed on its way.
    ///
    /// - Parameter limitBytes: the most that a packed body may come to; a few kilobytes can become gigabytes.
    /// - Throws: ``MQClientError/unreadableAnswer(address:reason:)`` when it cannot be unpacked, or is larger.
    public func content(limitBytes: Int = 16 * 1024 * 1024) throws(MQClientError) -> [UInt8] {
        guard isCompressed else { return body }
        do throws(ZlibError) {
            return Array(try Zlib.inflate(ByteBuffer(bytes: body), limitBytes: limitBytes).readableBytesView)
        } catch {
            throw .unreadableAnswer(address: queue.brokerName, reason: "the body of \(messageID): \(error)")
        }
    }

    init(_ record: StoredRecord, queue: MessageQueue) {
        let properties = record.properties
        self.queue = MessageQueue(topic: record.topic, brokerName: queue.brokerName, queueID: record.queueID)
        queueOffset = record.queueOffset
        commitLogOffset = record.logOffset
        offsetMessageID = record.offsetMessageID.description
        messageID = properties[PropertyName.uniqueKey] ?? offsetMessageID
        body = Array(record.body.readableBytesView)
        self.properties = properties.dictionary
        tags = properties[PropertyName.tags]
        keys = (properties[PropertyName.keys] ?? "").split(separator: " ").map { String($0) }
        flag = record.flag
        bornTimestamp = record.bornTimestamp
        storeTimestamp = record.storeTimestamp
        reconsumeTimes = record.reconsumeTimes
        bodyCRCMatches = record.isChecksumValid
        isCompressed = record.sysFlag.contains(.compressed)
    }
}

/// What a pull brought.
public enum PullStatus: String, Sendable {
    /// Messages.
    case found = "FOUND"
    /// Nothing: the end is reached.
    case noNewMessages = "NO_NEW_MSG"
    /// Nothing here that was asked for; go on from the next offset.
    case noMatchedMessages = "NO_MATCHED_MSG"
    /// The offset is outside the queue; the next offset is inside.
    case offsetIllegal = "OFFSET_ILLEGAL"
}

/// A pull's answer.
public struct PullResult: Sendable, Equatable {
    /// What it brought.
    public let status: PullStatus
    /// The messages, in the queue's order.
    public let messages: [ReceivedMessage]
    /// Where to go on.
    public let nextOffset: Int64
    /// The queue's beginning.
    public let minOffset: Int64
    /// The queue's end: the offset of the next message to come.
    public let maxOffset: Int64
    /// The broker that answered.
    public let brokerAddress: String
}
