import Logging
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization

/// Request 222: sets a group to the messages of a time, by telling its members (request 220), who hold the offsets.
struct ResetProcessor: Sendable {
    let context: BrokerContext

    func handle(_ request: RemotingCommand, reply: RemotingReply) throws {
        let header: ResetOffsetRequestHeader = try request.header()
        guard let topic = context.topics.withLock({ $0[header.topic] }) else {
            return reply.send(.systemError, remark: "[reset-offset] reset offset failed, no topic \(header.topic)")
        }
        let members = context.clients.withLock { $0.consumers[header.group]?.members ?? [:] }
        let connections = context.connections.withLock { all in
            members.values.compactMap { member in all[member.connection].map { (member.language, $0) } }
        }
        guard !connections.isEmpty else {
            return reply.send(
                .consumerNotOnline,
                remark: "Consumer not online, so can not reset offset. Group: \(header.group) Topic: \(header.topic) "
                    + "Timestamp: \(header.timestamp)")
        }
        context.answer(reply, on: context.lanes.admin) { [context] in
            var entries: [(queue: QueueIdentity, value: JSONValue)] = []
            for queueID in 0..<max(0, topic.writeQueueNums) {
                let key = QueueKey(topic: topic.name, queueID: queueID)
                let found =
                    header.timestamp == -1
                    ? context.store.maximumOffset(of: key)
                    : max(0, try context.store.offset(of: key, nearestTo: header.timestamp))
                let committed = context.offsets.withLock { $0.offset(group: header.group, queue: key) }
                let offset = Self.target(found: found, committed: committed, isForced: header.isForced)
                entries.append(
                    (
                        QueueIdentity(
                            topic: topic.name, brokerName: context.configuration.brokerName, queueID: queueID),
                        .integer(offset)
                    ))
            }
            let table = QueueTable(entries).encoded()
            let list = Self.list(entries)
            for (language, connection) in connections {
                let order = RemotingCommand.request(
                    .resetConsumerClientOffset, header, body: language == .cpp ? list : table)
                guard !connection.notify(order) else { continue }
                context.logger.warning(
                    "a member that was to be reset does not read",
                    metadata: ["group": "\(header.group)", "peer": "\(connection.remoteAddress)"])
            }
            return request.response(.success, body: table)
        }
    }

    /// What the native client reads, whose JSON has no objects for keys (RocketMQ's `ResetOffsetBodyForC`). Apache's broker
    /// goes by the asker's language, so that a tool in Java cannot reset a native consumer.
    private static func list(_ entries: [(queue: QueueIdentity, value: JSONValue)]) -> ByteBuffer {
        let items = entries.map { queue, offset -> JSONValue in
            [
                "brokerName": .string(queue.brokerName), "offset": offset,
                "queueId": .integer(Int64(queue.queueID)), "topic": .string(queue.topic),
            ]
        }
        let body: JSONValue = ["offsetTable": .array(items)]
        return body.encoded()
    }

    /// Where the group is set: without force never on, so that no message is skipped by a clock that is wrong.
    static func target(found: Int64, committed: Int64?, isForced: Bool) -> Int64 {
        guard !isForced, let committed else { return found }
        return min(found, committed)
    }
}
