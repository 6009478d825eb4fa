import MQWire
import NIOCore

/// What brokers and, through them, tools ask of a consumer.
extension PushConsumer: AskedConsumer {
    /// Answers until the tokens are given back.
    func serveRequests(_ handler: @escaping QueueReader.Handler) -> [PushedWork.Token] {
        let direct = client.pushed.serve(.consumeMessageDirectly, of: configuration.group) { request, _ in
            await Self.consume(request, handler)
        }
        return client.pushed.serve(self) + [direct]
    }

    nonisolated var askedGroup: String { configuration.group }

    /// What is being handled is finished; what waits is dropped.
    func reset(_ queue: MessageQueue, to offset: Int64) async { await restart(queue, from: offset) }

    var runningInformation: ConsumerRunningInfo {
        let now = MQConnection.nowMilliseconds()
        let queues = positions.sorted { $0.key < $1.key }.map { queue, offset in
            let isLocked = configuration.order == .orderly && client.locks.holds(queue, group: configuration.group)
            return ConsumerRunningInfo.Queue(
                queue: queue.identity, commitOffset: offset, isLocked: isLocked, lastLock: isLocked ? now : 0,
                lastPull: now, lastConsume: now)
        }
        return ConsumerRunningInfo(
            properties: ConsumerRunningInfo.properties(
                type: .passively, isOrderly: configuration.order == .orderly, startedAt: startedAt,
                nameservers: client.configuration.nameservers, concurrency: configuration.concurrency),
            subscriptions: wantedTopics.sorted { $0.topic < $1.topic }.map { $0.data(version: 0) }, queues: queues)
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
        let outcome = DirectConsumption(
            result: result, remark: remark, spentMilliseconds: (ContinuousClock.now - start).wholeMilliseconds)
        return request.response(.success, body: outcome.encoded())
    }
}
