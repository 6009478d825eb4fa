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
        let body = ConsumerConnections(
            connections: connections(group.members), consumeType: group.consumeType, messageModel: group.messageModel,
            consumeFromWhere: group.consumeFromWhere, subscriptions: Array(group.subscriptions.values))
        reply.send(request.response(.success, body: body.encoded()))
    }

    private func producers(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ProducerGroupRequestHeader = try request.header()
        guard let members = context.clients.withLock({ $0.producers[header.producerGroup] }) else {
            return reply.send(.systemError, remark: "the producer group[\(header.producerGroup)] not exist")
        }
        let body = ProducerConnections(connections: connections(members))
        reply.send(request.response(.success, body: body.encoded()))
    }

    private func connections(_ members: [UInt64: ClientTable.Member]) -> [ClientConnection] {
        let addresses = context.connections.withLock { all in members.mapValues { all[$0.connection]?.remoteAddress } }
        return members.sorted { $0.key < $1.key }.map { key, member in
            ClientConnection(
                clientID: member.clientID, address: (addresses[key] ?? nil) ?? "",
                language: member.language.description, version: Int64(member.version))
        }
    }

    // MARK: Topics

    private func topicStats(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: TopicRequestHeader = try request.header()
        guard let topic = context.topics.withLock({ $0[header.topic] }) else {
            return reply.send(.topicNotExist, remark: "topic[\(header.topic)] not exist")
        }
        context.answer(reply, on: context.lanes.admin) { [context] in
            let queues = GroupProgress.queues(of: topic, brokerName: context.configuration.brokerName)
            let stats = try queues.map { queue, key in
                let maximum = context.store.maximumOffset(of: key)
                let last = maximum > 0 ? try context.store.storeTimestamp(of: key, at: maximum - 1) : nil
                return TopicStats.Queue(
                    queue: queue, minOffset: context.store.minimumOffset(of: key), maxOffset: maximum,
                    lastUpdate: last ?? 0)
            }
            return request.response(.success, body: TopicStats(queues: stats).encoded())
        }
    }

    private func groups(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: TopicRequestHeader = try request.header()
        let alive = context.clients.withLock { $0.groups(subscribedTo: header.topic) }
        let known = context.offsets.withLock { $0.groups(of: header.topic) }
        let names = Set(alive).union(known).sorted()
        reply.send(request.response(.success, body: GroupList(groups: names).encoded()))
    }

    // MARK: Progress

    private func consumeStats(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ConsumeStatsRequestHeader = try request.header()
        let names = header.topic.map { [$0] } ?? context.offsets.withLock { $0.topics(of: header.consumerGroup) }
        let topics = context.topics.withLock { table in names.compactMap { table[$0] } }
        context.answer(reply, on: context.lanes.admin) { [context] in
            let stats = try GroupProgress(context: context).stats(of: topics, group: header.consumerGroup)
            return request.response(.success, body: stats.encoded())
        }
    }
}
