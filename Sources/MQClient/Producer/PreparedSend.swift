import Glibc
import MQWire
import NIOCore

/// A message made ready for the wire, once for all attempts: the id and the time of birth stay the same.
struct PreparedSend: Sendable {
    let messageID: String
    private let message: Message
    private let properties: String
    private let bornTimestamp: Int64
    private let body: ByteBuffer

    /// Checks the message against the protocol's limits and gives it its id, unless it brings one.
    init(_ message: Message, ids: UniqueMessageIDGenerator) throws(MQClientError) {
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
        let now = Self.nowMilliseconds()
        let id = properties[PropertyName.uniqueKey] ?? ids.next(nowMilliseconds: now).description
        properties[PropertyName.uniqueKey] = id
        properties[PropertyName.waitStoreMessageOK] = "true"
        self.message = message
        self.properties = properties.text
        messageID = id
        bornTimestamp = now
        body = ByteBuffer(bytes: message.body)
    }

    /// The request for one attempt.
    func command(for queue: MessageQueue, group: String, configuration: MQClientConfiguration) -> RemotingCommand {
        let header = SendMessageRequestHeader(
            producerGroup: group, topic: message.topic, defaultTopicQueueNums: configuration.defaultTopicQueueNums,
            queueID: queue.queueID, bornTimestamp: bornTimestamp, flag: message.flag, properties: properties,
            brokerName: queue.brokerName)
        return RemotingCommand(code: RequestCode.sendMessageV2.rawValue, extFields: header.shortFields, body: body)
    }

    private static func isWritable(_ text: String) -> Bool { text.utf8.allSatisfy { $0 != 1 && $0 != 2 } }

    private static func nowMilliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
