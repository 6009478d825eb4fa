import MQTransport
import MQWire
import Synchronization

/// Requests of clients about themselves: heartbeats (34), leaving (35), members (38), queue locks (41, 42).
struct ClientProcessor: Sendable {
    let context: BrokerContext

    func heartbeat(_ request: RemotingCommand, from connection: RemotingConnection, reply: RemotingReply) throws {
        let data = try HeartbeatData(decoding: request.body)
        if let objection = context.clients.withLock({ $0.objection(to: data, connection: connection.id) }) {
            return reply.send(.systemError, remark: objection)
        }
        guard
            !context.topics.withLock({ table in
                table.isFull && data.consumers.contains { table[SystemTopic.retry($0.groupName)] == nil }
            })
        else {
            return reply.send(
                .systemError,
                remark: "this broker has \(TopicTable.clientLimit) topics, and makes no more for new groups "
                    + "(make the group's retry topic with mqadmin updateTopic, or delete topics)")
        }
        let time = context.now()
        var retryTopics: [(name: String, queues: Int32)] = []
        for consumer in data.consumers where !consumer.groupName.isEmpty {
            if let objection = GroupName.objection(to: consumer.groupName) {
                return reply.send(.systemError, remark: objection)
            }
            let group = context.groups.withLock { $0.ensure(consumer.groupName, nowMilliseconds: time) }
            retryTopics.append((SystemTopic.retry(consumer.groupName), max(1, group.retryQueues)))
        }
        context.connections.withLock { $0[connection.id] = connection }
        let changed = context.clients.withLock {
            $0.heartbeat(
                data, connection: connection.id, nowMilliseconds: context.uptime(), language: request.language,
                version: request.version)
        }
        context.withTopics(retryTopics) { [context] _ in
            reply.send(.success)
            context.notifyMembers(of: changed)
        }
    }

    func unregister(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: UnregisterClientRequestHeader = try request.header()
        let changed = context.clients.withLock {
            $0.unregister(
                clientID: header.clientID, producerGroup: header.producerGroup, consumerGroup: header.consumerGroup)
        }
        reply.send(.success)
        context.notifyMembers(of: changed)
    }

    func consumerList(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ConsumerGroupRequestHeader = try request.header()
        let members = context.clients.withLock { $0.clientIDs(of: header.consumerGroup) }
        guard !members.isEmpty else {
            return reply.send(.systemError, remark: "no consumer for this group, \(header.consumerGroup)")
        }
        reply.send(request.response(.success, body: ConsumerList(clientIDs: members).encoded()))
    }

    /// Request 46: whether the broker can serve a subscription.
    func checkSubscription(_ request: RemotingCommand, reply: RemotingReply) throws {
        guard let body = request.body, let subscription = try JSONValue(parsing: body)["subscriptionData"] else {
            return reply.send(.success)
        }
        do throws(MessageFilter.Objection) {
            _ = try MessageFilter(
                expression: subscription["subString"]?.stringValue, type: subscription["expressionType"]?.stringValue,
                allowsProperties: context.configuration.filtersByProperties)
            reply.send(.success)
        } catch {
            reply.send(error.code, remark: error.remark)
        }
    }

    func lock(_ request: RemotingCommand, reply: RemotingReply) throws {
        let body = try LockBatchRequestBody(decoding: request.body)
        let time = context.uptime()
        // Only what there is can be locked.
        let queues = context.topics.withLock { table in
            body.queues.filter { queue in
                guard let topic = table[queue.topic], queue.queueID >= 0 else { return false }
                return queue.queueID < max(topic.readQueueNums, topic.writeQueueNums)
            }
        }
        let locked = context.locks.withLock {
            $0.lock(group: body.consumerGroup, clientID: body.clientID, queues: queues, nowMilliseconds: time)
        }
        reply.send(request.response(.success, body: LockBatchResponseBody(lockedQueues: locked).encoded()))
    }

    func unlock(_ request: RemotingCommand, reply: RemotingReply) throws {
        let body = try LockBatchRequestBody(decoding: request.body)
        context.locks.withLock {
            $0.unlock(group: body.consumerGroup, clientID: body.clientID, queues: body.queues)
        }
        reply.send(.success)
    }
}
