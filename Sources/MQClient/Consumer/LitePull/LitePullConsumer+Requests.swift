import MQWire

/// What brokers and, through them, tools ask of a consumer.
extension LitePullConsumer: AskedConsumer {
    nonisolated var askedGroup: String { configuration.group }

    var runningInformation: ConsumerRunningInfo {
        ConsumerRunningInfo(
            properties: ConsumerRunningInfo.properties(
                type: .actively, isOrderly: false, startedAt: startedAt, nameservers: client.configuration.nameservers,
                concurrency: 1),
            subscriptions: wanted.map { $0.data(version: 0) },
            queues: positions.sorted { $0.key < $1.key }.map { .init(queue: $0.key.identity, commitOffset: $0.value) })
    }
}
