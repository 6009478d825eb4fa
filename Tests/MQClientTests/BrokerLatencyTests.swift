import Testing

@testable import MQClient

@Suite struct BrokerLatencyTests {
    private static func queue(_ broker: String) -> MessageQueue {
        MessageQueue(topic: "T", brokerName: broker, queueID: 0)
    }

    @Test(
        arguments: [
            (0, 0), (99, 0), (549, 0), (550, 30_000), (1000, 60_000), (2999, 120_000), (3000, 180_000),
            (14_999, 180_000),
            (15_000, 600_000), (60_000, 600_000),
        ] as [(Int64, Int64)])
    func theSlowerTheLonger(_ latency: Int64, _ pause: Int64) { #expect(BrokerLatency.pause(after: latency) == pause) }

    @Test func slowOnesAreLeftAloneForAWhile() {
        var table = BrokerLatency()
        let queues = ["a", "b"].map(Self.queue)
        #expect(table.choice(of: queues, now: 0) == queues)
        table.record("a", latency: 600, now: 0)
        #expect(table.choice(of: queues, now: 29_999) == [queues[1]])
        #expect(table.choice(of: queues, now: 30_000) == queues)
        // When all are slow, the one that is back first.
        table.record("b", latency: nil, now: 0)
        #expect(table.choice(of: queues, now: 1) == [queues[0]])
        // A quick answer ends it.
        table.record("b", latency: 5, now: 2)
        #expect(table.choice(of: queues, now: 3) == [queues[1]])
        #expect(table.choice(of: [], now: 0).isEmpty)
    }
}
