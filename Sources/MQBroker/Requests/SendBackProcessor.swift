import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// Request 36: a consumer could not consume a message and wants it again later.
///
/// The message is stored anew for the group's retry topic, with a delay that grows with each try; after the last one,
/// or when the client says so with a negative level, it goes to the group's dead letters.
struct SendBackProcessor: Sendable {
    let context: BrokerContext

    /// The delay level of the first retry when the client leaves it to the broker.
    private static let firstRetryLevel: Int32 = 3

    func handle(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ConsumerSendMessageBackRequestHeader = try request.header()
        guard context.live.withLock({ $0.permission.contains(.write) }) else {
            return reply.send(
                .noPermission, remark: "the broker[\(context.configuration.brokerName)] sending message is forbidden")
        }
        let time = context.now()
        let group = context.groups.withLock { $0.ensure(header.group, nowMilliseconds: time) }
        guard group.retryQueues > 0 else { return reply.send(.success) }
        if let objection = GroupName.objection(to: header.group) { return reply.send(.systemError, remark: objection) }
        context.run(context.lanes.consumer, reply) { [self] in
            do throws(StoreError) {
                guard let record = try context.store.record(atLogOffset: header.offset) else {
                    return reply.send(.systemError, remark: "no message begins at log offset \(header.offset)")
                }
                context.stats.withLock {
                    $0.add(
                        .sentBackCount, StatsTable.key(topic: record.topic, group: header.group), 1,
                        now: context.uptime())
                }
                let (draft, topic) = retry(of: record, header: header, group: group)
                context.withTopics([topic]) { _ in append(draft, reply: reply) }
            } catch {
                reply.send(.systemError, remark: "\(error)")
            }
        }
    }

    /// Waits as a send does: whoever hears that its message comes again moves on, and does not keep it.
    ///
    /// That there is no slave is success here. It lasts, and RocketMQ's clients store a message once more whenever a
    /// send-back is refused: with each try of a message there would be twice as many of it.
    private func append(_ draft: RecordDraft, reply: RemotingReply) {
        context.store([draft]) { result in
            guard case .success(.slaveNotAvailable) = result else { return StoreAnswers.answer(reply, result) }
            reply.send(.success, remark: StoreAnswers.remark(for: .slaveNotAvailable))
        }
    }

    /// The message as it is stored for its next try, and the topic that it comes to in the end.
    private func retry(
        of record: StoredRecord, header: ConsumerSendMessageBackRequestHeader, group: SubscriptionGroup
    ) -> (draft: RecordDraft, topic: (name: String, queues: Int32)) {
        var properties = record.properties
        if properties[PropertyName.retryTopic] == nil { properties[PropertyName.retryTopic] = record.topic }
        if properties[PropertyName.originMessageID] == nil {
            // Where the first one lies; what the consumer says it is, its unique id, is a property already.
            properties[PropertyName.originMessageID] = record.offsetMessageID.description
        }
        properties[PropertyName.cluster] = context.configuration.clusterName
        let maximum = header.maxReconsumeTimes ?? group.retryMaximum
        var draft = record.draft()
        // A sender may have written any number there.
        draft.reconsumeTimes = record.reconsumeTimes == .max ? .max : record.reconsumeTimes + 1
        draft.storeHost = context.storeHost.withLock { $0 }
        let topic: (name: String, queues: Int32)
        if record.reconsumeTimes >= maximum || header.delayLevel < 0 {
            topic = (SystemTopic.deadLetter(header.group), 1)
            draft.topic = topic.name
            draft.queueID = 0
            properties[PropertyName.delayTimeLevel] = nil
        } else {
            let level =
                header.delayLevel == 0
                ? Self.firstRetryLevel + min(max(record.reconsumeTimes, 0), 100) : header.delayLevel
            topic = (SystemTopic.retry(header.group), group.retryQueues)
            draft.topic = topic.name
            draft.queueID = .random(in: 0..<group.retryQueues)
            properties[PropertyName.delayTimeLevel] = String(level)
            MessageIntake.applyDelay(topic: &draft.topic, queueID: &draft.queueID, properties: &properties)
        }
        draft.properties = ByteBuffer(string: properties.text)
        return (draft, topic)
    }
}
