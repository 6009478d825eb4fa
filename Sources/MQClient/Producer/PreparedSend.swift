import MQWire
import NIOCore

/// One message, or a batch, made ready for the wire once for all attempts: ids and the time of birth stay the same.
struct PreparedSend: Sendable {
    /// Of a batch, the messages' ids in order.
    let messageIDs: [String]
    let topic: String
    private let flag: Int32
    private let properties: String
    private let bornTimestamp: Int64
    private let body: ByteBuffer
    private let isBatch: Bool
    private var sysFlag: SysFlag = []

    /// Checks the message against the protocol's limits and gives it its id, unless it brings one.
    ///
    /// - Parameter group: makes it the half message of a transaction of this group.
    init(_ message: Message, ids: UniqueMessageIDGenerator, halfOf group: String? = nil) throws(MQClientError) {
        let now = MQConnection.nowMilliseconds()
        var (id, properties) = try Self.checked(message, ids: ids, nowMilliseconds: now)
        if let group {
            properties[PropertyName.transactionPrepared] = "true"
            properties[PropertyName.producerGroup] = group
            sysFlag = .transactionPrepared
        }
        messageIDs = [id]
        topic = message.topic
        flag = message.flag
        self.properties = properties.text
        bornTimestamp = now
        body = ByteBuffer(bytes: message.body)
        isBatch = false
    }

    /// The same for messages of one topic that go into one queue in one request.
    init(batch: [Message], ids: UniqueMessageIDGenerator) throws(MQClientError) {
        guard let first = batch.first else {
            throw .invalid(reason: "the batch is empty (expected at least 1 message)")
        }
        let now = MQConnection.nowMilliseconds()
        var messageIDs: [String] = []
        var items: [BatchBody.Item] = []
        for message in batch {
            guard message.topic == first.topic else {
                throw .invalid(
                    reason: "a batch for topics '\(first.topic)' and '\(message.topic)' (expected one topic)")
            }
            guard message.delayLevel == 0 else {
                throw .invalid(reason: "a delayed message in a batch (expected delayLevel 0; send it alone)")
            }
            let (id, properties) = try Self.checked(message, ids: ids, nowMilliseconds: now)
            let encoded = ByteBuffer(string: properties.text)
            guard encoded.readableBytes <= MessageProperties.maximumEncodedBytes else {
                throw .invalid(
                    reason: "properties of \(encoded.readableBytes) bytes "
                        + "(accepted: up to \(MessageProperties.maximumEncodedBytes))")
            }
            messageIDs.append(id)
            items.append(.init(flag: message.flag, body: ByteBuffer(bytes: message.body), properties: encoded))
        }
        var body = ByteBuffer()
        BatchBody.encode(items, into: &body)
        guard body.readableBytes <= Producer.bodyLimitBytes else {
            throw .invalid(
                reason: "a batch of \(body.readableBytes) bytes (accepted: up to \(Producer.bodyLimitBytes); split it)")
        }
        self.messageIDs = messageIDs
        topic = first.topic
        flag = 0
        var outer = MessageProperties()
        outer[PropertyName.waitStoreMessageOK] = "true"
        properties = outer.text
        bornTimestamp = now
        self.body = body
        isBatch = true
    }

    private static func checked(
        _ message: Message, ids: UniqueMessageIDGenerator, nowMilliseconds: Int64
    ) throws(MQClientError) -> (id: String, properties: MessageProperties) {
        guard !message.topic.isEmpty, message.topic.utf8.count <= RecordLayout.maximumTopicBytes else {
            throw .invalid(
                reason: "topic '\(message.topic)' has \(message.topic.utf8.count) bytes "
                    + "(accepted: 1 to \(RecordLayout.maximumTopicBytes))")
        }
        guard message.body.count <= Producer.bodyLimitBytes else {
            throw .invalid(
                reason: "a body of \(message.body.count) bytes (accepted: up to \(Producer.bodyLimitBytes))")
        }
        var properties = MessageProperties()
        for (name, value) in message.properties.sorted(by: { $0.key < $1.key }) {
            guard Self.isWritable(name), Self.isWritable(value) else {
                throw .invalid(reason: "property \(name) has a control character 1 or 2, which separate properties")
            }
            properties[name] = value
        }
        if !message.keys.isEmpty { properties[PropertyName.keys] = message.keys.joined(separator: " ") }
        if let tags = message.tags { properties[PropertyName.tags] = tags }
        if message.delayLevel > 0 { properties[PropertyName.delayTimeLevel] = String(message.delayLevel) }
        let id = properties[PropertyName.uniqueKey] ?? ids.next(nowMilliseconds: nowMilliseconds).description
        properties[PropertyName.uniqueKey] = id
        properties[PropertyName.waitStoreMessageOK] = "true"
        return (id, properties)
    }

    /// The request for one attempt.
    func command(for queue: MessageQueue, group: String, configuration: MQClientConfiguration) -> RemotingCommand {
        let header = SendMessageRequestHeader(
            producerGroup: group, topic: topic, defaultTopicQueueNums: configuration.defaultTopicQueueNums,
            queueID: queue.queueID, sysFlag: sysFlag.rawValue, bornTimestamp: bornTimestamp, flag: flag,
            properties: properties,
            batch: isBatch, brokerName: queue.brokerName)
        let code = isBatch ? RequestCode.sendBatchMessage : .sendMessageV2
        return RemotingCommand(code: code.rawValue, extFields: header.shortFields, body: body)
    }

    private static func isWritable(_ text: String) -> Bool { text.utf8.allSatisfy { $0 != 1 && $0 != 2 } }
}
