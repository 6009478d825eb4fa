import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// Questions of tools about who is connected and how far they are: connections (203, 204), topics (202, 300) and
/// progress (208).
struct InsightProcessor: RequestProcessor {
    let context: BrokerContext

    /// Answers what it knows; `false` for other requests.
    func handle(_ request: RemotingCommand, reply: RemotingReply) throws -> Bool {
        switch request.requestCode {
        case .getConsumerConnectionList: try consumers(request, reply: reply)
        case .getProducerConnectionList: try producers(request, reply: reply)
        case .getTopicStats: try topicStats(request, reply: reply)
        case .getConsumeStats: try consumeStats(request, reply: reply)
        case .queryTopicConsumeByWho: try groups(request, reply: reply)
        default: return false
        }
        return true
    }

    // MARK: Connections

    private func consumers(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ConsumerGroupRequestHeader = try request.header()
        guard let group = context.clients.withLock({ $0.consumers[header.consumerGroup] }) else {
            return reply.send(
                .consumerNotOnline, remark: "the consumer group[\(header.consumerGroup)] not online")
        }
        let body: JSONValue = [
            "connectionSet": connections(group.members),
            "consumeFromWhere": .string(group.consumeFromWhere.rawValue),
            "consumeType": .string(group.consumeType.rawValue),
            "messageModel": .string(group.messageModel.rawValue),
            "subscriptionTable": .object(
                group.subscriptions.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value.json) }),
        ]
        reply.send(request.response(.success, body: body.encoded()))
    }

    private func producers(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ProducerGroupRequestHeader = try request.header()
        guard let members = context.clients.withLock({ $0.producers[header.producerGroup] }) else {
            return reply.send(.systemError, remark: "the producer group[\(header.producerGroup)] not exist")
        }
        let body: JSONValue = ["connectionSet": connections(members)]
        reply.send(request.response(.success, body: body.encoded()))
    }

    private func connections(_ members: [UInt64: ClientTable.Member]) -> JSONValue {
        let addresses = context.connections.withLock { all in members.mapValues { all[$0.connection]?.remoteAddress } }
        return .array(
            members.sorted { $0.key < $1.key }.map { key, member in
                [
                    "clientAddr": .string((addresses[key] ?? nil) ?? ""), "clientId": .string(member.clientID),
                    "language": .string(member.language.description), "version": .integer(Int64(member.version)),
                ]
            })
    }

    // MARK: Topics

    private func topicStats(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: TopicRequestHeader = try request.header()
        guard let topic = context.topics.withLock({ $0[header.topic] }) else {
            return reply.send(.topicNotExist, remark: "topic[\(header.topic)] not exist")
        }
        context.answer(reply, on: context.lanes.admin) { [context] in
            let queues = GroupProgress.queues(of: topic, brokerName: context.configuration.brokerName)
            let entries = try queues.map { queue, key in
                let maximum = context.store.maximumOffset(of: key)
                let last = maximum > 0 ? try context.store.storeTimestamp(of: key, at: maximum - 1) : nil
                let value: JSONValue = [
                    "lastUpdateTimestamp": .integer(last ?? 0), "maxOffset": .integer(maximum),
                    "minOffset": .integer(context.store.minimumOffset(of: key)),
                ]
                return (queue: queue, value: value)
            }
            return request.response(.success, body: QueueTable(entries).encoded())
        }
    }

    private func groups(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: TopicRequestHeader = try request.header()
        let alive = context.clients.withLock { $0.groups(subscribedTo: header.topic) }
        let known = context.offsets.withLock { $0.groups(of: header.topic) }
        let names = Set(alive).union(known).sorted()
        let body: JSONValue = ["groupList": .array(names.map { .string($0) })]
        reply.send(request.response(.success, body: body.encoded()))
    }

    // MARK: Progress

    private func consumeStats(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ConsumeStatsRequestHeader = try request.header()
        let names = header.topic.map { [$0] } ?? context.offsets.withLock { $0.topics(of: header.consumerGroup) }
        let topics = context.topics.withLock { table in names.compactMap { table[$0] } }
        context.answer(reply, on: context.lanes.admin) { [context] in
            let (table, _) = try GroupProgress(context: context).table(of: topics, group: header.consumerGroup)
            return request.response(.success, body: table.encoded())
        }
    }
}
