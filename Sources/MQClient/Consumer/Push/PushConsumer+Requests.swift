import MQWire
import NIOCore

/// What brokers and, through them, tools ask of a consumer.
extension PushConsumer {
    /// Answers until the tokens are given back.
    func serveRequests(_ handler: @escaping QueueReader.Handler) -> [PushedWork.Token] {
        let (pushed, group) = (client.pushed, configuration.group)
        return [
            pushed.serve(.resetConsumerClientOffset, of: group) { [weak self] request, _ in
                await self?.reset(request)
                return request.response()
            },
            pushed.serve(.getConsumerStatusFromClient, of: group) { [weak self] request, _ in
                request.response(.success, body: await self?.status(of: request.extFields["topic"] ?? ""))
            },
            pushed.serve(.getConsumerRunningInfo, of: group) { [weak self] request, _ in
                request.response(.success, body: await self?.runningInformation)
            },
            pushed.serve(.consumeMessageDirectly, of: group) { request, _ in await Self.consume(request, handler) },
        ]
    }

    /// Request 220: goes on at these places. What is being handled is finished; what waits is dropped.
    private func reset(_ request: RemotingCommand) async {
        guard let table = try? QueueTable(decoding: request.body) else { return }
        for (identity, value) in table.entries {
            guard let offset = value.integerValue else { continue }
            await restart(MessageQueue(identity), from: offset)
        }
    }

    /// Request 221: where it is in each queue of a topic.
    private func status(of topic: String) -> ByteBuffer {
        let queues = positions.filter { $0.key.topic == topic }.sorted { $0.key < $1.key }
        // Like ``QueueTable``, with another name before it.
        var body = ByteBuffer(string: "{\"messageQueueTable\":{")
        for (index, (queue, offset)) in queues.enumerated() {
            if index > 0 { body.writeString(",") }
            queue.identity.json.write(into: &body)
            body.writeString(":\(offset)")
        }
        body.writeString("}}")
        return body
    }

    /// Request 307: what it is and how far; RocketMQ's `ConsumerRunningInfo`.
    private var runningInformation: ByteBuffer {
        let properties: JSONValue = [
            "PROP_CLIENT_VERSION": "V4_9_8", "PROP_CONSUMER_START_TIMESTAMP": .string(String(startedAt)),
            "PROP_CONSUMEORDERLY": .string(configuration.order == .orderly ? "true" : "false"),
            "PROP_CONSUME_TYPE": "CONSUME_PASSIVELY",
            "PROP_NAMESERVER_ADDR": .string(client.configuration.nameservers.joined(separator: ";")),
            "PROP_THREADPOOL_CORE_SIZE": .string(String(configuration.concurrency)),
        ]
        let now = MQConnection.nowMilliseconds()
        let subscriptions = wantedTopics.sorted { $0.topic < $1.topic }.map { $0.data(version: 0).json }
        var body = ByteBuffer(string: "{\"mqTable\":{")
        for (index, (queue, offset)) in positions.sorted(by: { $0.key < $1.key }).enumerated() {
            if index > 0 { body.writeString(",") }
            queue.identity.json.write(into: &body)
            let isLocked = configuration.order == .orderly && client.locks.holds(queue, group: configuration.group)
            let value: JSONValue = [
                "commitOffset": .integer(offset), "droped": false, "lastConsumeTimestamp": .integer(now),
                "lastLockTimestamp": .integer(isLocked ? now : 0), "lastPullTimestamp": .integer(now),
                "locked": .bool(isLocked),
            ]
            body.writeString(":")
            value.write(into: &body)
        }
        body.writeString("},\"properties\":")
        properties.write(into: &body)
        body.writeString(",\"statusTable\":{},\"subscriptionSet\":")
        JSONValue.array(subscriptions).write(into: &body)
        body.writeString("}")
        return body
    }

    /// Request 309: hands one message to the handler now; its place in the queue is not touched.
    private static func consume(
        _ request: RemotingCommand, _ handler: QueueReader.Handler
    ) async -> RemotingCommand {
        guard var body = request.body, case .record(let record) = StoredRecord.read(from: &body) else {
            return request.response(.systemError, remark: "the request carries no message")
        }
        let queue = MessageQueue(
            topic: record.topic, brokerName: request.extFields["brokerName"] ?? "", queueID: record.queueID)
        let start = ContinuousClock.now
        let result: String
        var remark = ""
        do {
            switch try await handler([ReceivedMessage(record, queue: queue)]) {
            case .done: result = "CR_SUCCESS"
            case .later: result = "CR_LATER"
            }
        } catch {
            result = "CR_THROW_EXCEPTION"
            remark = "\(error)"
        }
        let answer: JSONValue = [
            "autoCommit": true, "consumeResult": .string(result), "order": false, "remark": .string(remark),
            "spentTimeMills": .integer((ContinuousClock.now - start).wholeMilliseconds),
        ]
        return request.response(.success, body: answer.encoded())
    }
}
