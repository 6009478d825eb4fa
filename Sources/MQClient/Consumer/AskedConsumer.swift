import MQWire
import NIOCore

/// A consumer that brokers and, through them, tools ask what it is and where, and set elsewhere.
protocol AskedConsumer: Actor {
    /// Its group.
    nonisolated var askedGroup: String { get }

    /// Where each of its queues would go on without it.
    var positions: [MessageQueue: Int64] { get }

    /// What it is and how far.
    var runningInformation: ConsumerRunningInfo { get }

    /// Goes on at this place, if the queue is its own.
    func reset(_ queue: MessageQueue, to offset: Int64) async
}

extension PushedWork {
    /// Has a consumer's questions answered (221, 307), and its resets done (220), until the tokens are given back.
    func serve(_ consumer: some AskedConsumer) -> [Token] {
        let group = consumer.askedGroup
        return [
            serve(.resetConsumerClientOffset, of: group) { [weak consumer] request, _ in
                guard let table = try? QueueTable(decoding: request.body) else {
                    return request.response(.systemError, remark: "the body is no table of offsets")
                }
                for (queue, value) in table.entries {
                    guard let offset = value.integerValue else { continue }
                    await consumer?.reset(MessageQueue(queue), to: offset)
                }
                return request.response()
            },
            serve(.getConsumerStatusFromClient, of: group) { [weak consumer] request, _ in
                let topic = request.extFields["topic"] ?? ""
                let places = (await consumer?.positions ?? [:]).filter { $0.key.topic == topic }
                let status = ConsumerStatus(
                    places: places.sorted { $0.key < $1.key }.map { .init(queue: $0.key.identity, offset: $0.value) })
                return request.response(.success, body: status.encoded())
            },
            serve(.getConsumerRunningInfo, of: group) { [weak consumer] request, _ in
                request.response(.success, body: await consumer?.runningInformation.encoded())
            },
        ]
    }
}

extension ConsumerRunningInfo {
    /// What every consumer says of itself.
    static func properties(
        type: ConsumeType, isOrderly: Bool, startedAt: Int64, nameservers: [String], concurrency: Int
    ) -> [String: String] {
        [
            "PROP_CLIENT_VERSION": "V4_9_8", "PROP_CONSUMER_START_TIMESTAMP": String(startedAt),
            "PROP_CONSUMEORDERLY": isOrderly ? "true" : "false", "PROP_CONSUME_TYPE": type.rawValue,
            "PROP_NAMESERVER_ADDR": nameservers.joined(separator: ";"),
            "PROP_THREADPOOL_CORE_SIZE": String(concurrency),
        ]
    }
}
