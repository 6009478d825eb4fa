import MQWire
import NIOCore

extension MQAdmin {
    /// The message that an offset id leads to.
    ///
    /// The id names the broker that stored it, which is asked directly.
    /// - Throws: ``MQClientError/invalid(reason:)`` when the text is no such id, or no sound message is there: in the
    ///   broker's words.
    public func message(offsetID text: String) async throws(MQClientError) -> ReceivedMessage {
        guard let id = OffsetMessageID(text) else {
            throw .invalid(reason: "'\(text)' is no offset message id (32 hexadecimal digits)")
        }
        let address = id.host.description
        let request = RemotingCommand.request(.viewMessageByID, ViewMessageRequestHeader(offset: id.logOffset))
        let answer = try await client.call(request, to: address)
        if answer.responseCode == .systemError, let remark = answer.remark {
            throw .invalid(reason: "\(text): \(remark), says \(address)")
        }
        guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
        guard let message = try Self.messages(answer, from: address, broker: "").first else {
            throw .unreadableAnswer(address: address, reason: "the body holds no message")
        }
        return message
    }

    /// The messages of a topic that have a key, oldest first, from every broker that has the topic.
    ///
    /// - Parameters:
    ///   - topic: where they are.
    ///   - key: one of their keys, as a whole.
    ///   - limit: the most from one broker; brokers give 64 at most.
    ///   - times: when they were stored, in milliseconds since 1970.
    ///   - isUniqueID: whether the key is the unique id that the sender's client gave the message.
    public func messages(
        of topic: String, key: String, limit: Int32 = 64, within times: ClosedRange<Int64> = 0...Int64.max,
        isUniqueID: Bool = false
    ) async throws(MQClientError) -> [ReceivedMessage] {
        let header = QueryMessageRequestHeader(
            topic: topic, key: key, maxMessages: limit, beginTimestamp: times.lowerBound,
            endTimestamp: times.upperBound, isUniqueKey: isUniqueID)
        var found: [ReceivedMessage] = []
        for set in try await topicRoute(topic).brokers.values.sorted(by: { $0.name < $1.name }) {
            guard let address = set.readAddress(suggestedID: nil) else { continue }
            let answer = try await client.call(.request(.queryMessage, header), to: address)
            if answer.responseCode == .queryNotFound { continue }
            guard answer.responseCode == .success else { throw MQClientError(refusal: answer, by: address) }
            found += try Self.messages(answer, from: address, broker: set.name)
        }
        return found.sorted { $0.storeTimestamp < $1.storeTimestamp }
    }

    /// What stands at a place of a queue.
    public enum PlaceContent: Sendable {
        /// A message.
        case message(ReceivedMessage)
        /// A message that is damaged or lost: the broker leads readers past it.
        case passedOver
        /// Nothing yet, or nothing any more.
        case nothing
    }

    /// What stands at a place of a queue.
    public func content(of queue: MessageQueue, at offset: Int64) async throws(MQClientError) -> PlaceContent {
        guard let set = try await topicRoute(queue.topic).brokers[queue.brokerName],
            let address = set.readAddress(suggestedID: nil)
        else { throw .noQueue(topic: queue.topic, reason: "no broker '\(queue.brokerName)' has it") }
        let header = PullMessageRequestHeader(
            consumerGroup: "TOOLS_CONSUMER", topic: queue.topic, queueID: queue.queueID, queueOffset: offset,
            maxMessages: 1)
        let answer = try await client.call(.request(.pullMessage, header), to: address)
        guard [.success, .pullRetryImmediately].contains(answer.responseCode) else { return .nothing }
        if answer.responseCode == .success,
            let message = try Self.messages(answer, from: address, broker: queue.brokerName)
                .first(where: { $0.queueOffset == offset })
        {
            return .message(message)
        }
        let places: PullMessageResponseHeader
        do throws(HeaderError) { places = try answer.header() } catch {
            throw .unreadableAnswer(address: address, reason: "\(error)")
        }
        return places.minOffset <= offset && offset < places.nextBeginOffset ? .passedOver : .nothing
    }

    private static func messages(
        _ answer: RemotingCommand, from address: String, broker: String
    ) throws(MQClientError) -> [ReceivedMessage] {
        guard let records = StoredRecord.readAll(answer.body ?? ByteBuffer()) else {
            throw .unreadableAnswer(address: address, reason: "the body holds no whole records")
        }
        return records.map { record in
            ReceivedMessage(
                record, queue: MessageQueue(topic: record.topic, brokerName: broker, queueID: record.queueID))
        }
    }
}
