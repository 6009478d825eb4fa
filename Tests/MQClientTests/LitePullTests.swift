import MQClient
import MQNameserver
import Synchronization
import Testing

/// Lite-pull consumers against a real nameserver and a real broker.
@Suite struct LitePullTests {
    private func withCluster(_ body: (MQConnection, String) async throws -> Void) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        _ = try await admin.createTopic("T", readQueues: 4, writeQueues: 4, inCluster: "DefaultCluster")
        #expect(try await eventually { try await admin.topicNames().contains("T") })
        do { try await body(client, nameserver.address) } catch { Issue.record(error) }
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    private func send(_ numbers: Range<Int>, _ client: MQConnection, to queue: Int32? = nil) async throws {
        let producer = Producer(group: "P", client: client)
        for number in numbers {
            let place = queue.map { MessageQueue(topic: "T", brokerName: "broker-a", queueID: $0) }
            try await producer.send(Message(topic: "T", body: Array("\(number)".utf8)), to: place)
        }
        await producer.shutdown()
    }

    private func numbers(_ messages: [ReceivedMessage]) -> [Int] {
        messages.compactMap { Int(String(decoding: $0.body, as: UTF8.self)) }
    }

    private static func configuration(_ group: String, batch: Int = 32) -> LitePullConfiguration {
        LitePullConfiguration(
            group: group, startsFrom: .beginning, batch: batch, hold: .milliseconds(300), commitInterval: nil,
            rebalanceInterval: .milliseconds(200))
    }

    @Test func aGroupGoesOnWhereItWasDone() async throws {
        try await withCluster { client, _ in
            try await send(0..<20, client)
            let first = LitePullConsumer(Self.configuration("G", batch: 3), client: client)
            try await first.subscribe(to: "T")
            var seen: [Int] = []
            while seen.count < 8 { seen += numbers(try await first.poll()) }
            // What the last poll gave is done with this: nothing of it comes again.
            await first.shutdown(finishing: true)
            let second = LitePullConsumer(Self.configuration("G"), client: client)
            try await second.subscribe(to: "T")
            while seen.count < 20 { seen += numbers(try await second.poll()) }
            #expect(seen.sorted() == Array(0..<20))
            await second.shutdown()
        }
    }

    @Test func whatWasNotDoneComesAgain() async throws {
        try await withCluster { client, nameserver in
            try await send(0..<4, client, to: 0)
            let queue = MessageQueue(topic: "T", brokerName: "broker-a", queueID: 0)
            let dying = MQConnection(configuration: .init(nameservers: [nameserver], requestTimeout: .seconds(10)))
            let first = LitePullConsumer(Self.configuration("G", batch: 2), client: dying)
            try await first.assign([queue])
            #expect(numbers(try await first.poll()) == [0, 1])
            #expect(numbers(try await first.poll()) == [2, 3])
            await first.commit()
            #expect(try await first.committedOffset(of: queue) == 2)
            // It dies with the second batch in its hands.
            await dying.shutdown()
            let second = LitePullConsumer(Self.configuration("G"), client: client)
            try await second.assign([queue])
            #expect(numbers(try await second.poll()) == [2, 3])
            await second.shutdown(finishing: true)
            #expect(try await second.committedOffset(of: queue) == 4)
        }
    }

    private struct Broken: Error {}

    /// Who fails at a message and leaves does not take it along.
    @Test func aFailureLosesNothing() async throws {
        try await withCluster { client, _ in
            try await send(0..<4, client, to: 0)
            let queue = MessageQueue(topic: "T", brokerName: "broker-a", queueID: 0)
            let first = LitePullConsumer(Self.configuration("G", batch: 2), client: client)
            try await first.assign([queue])
            await #expect(throws: Broken.self) {
                for try await messages in first.batches where numbers(messages).contains(2) { throw Broken() }
            }
            await first.shutdown()
            let second = LitePullConsumer(Self.configuration("G"), client: client)
            try await second.assign([queue])
            #expect(numbers(try await second.poll()) == [2, 3])
            await second.shutdown()
        }
    }

    /// Another filter goes on at the same place, and what was read with the old one is not given any more.
    @Test func aChangedFilterKeepsThePlace() async throws {
        try await withCluster { client, _ in
            let producer = Producer(group: "P", client: client)
            let queue = MessageQueue(topic: "T", brokerName: "broker-a", queueID: 0)
            for number in 0..<8 {
                try await producer.send(
                    Message(topic: "T", body: Array("\(number)".utf8), tags: number % 2 == 0 ? "even" : "odd"),
                    to: queue)
            }
            let consumer = LitePullConsumer(Self.configuration("G", batch: 2), client: client)
            try await consumer.subscribe(to: "T", tags: "even")
            #expect(numbers(try await consumer.poll()) == [0, 2])
            try await consumer.subscribe(to: "T", tags: "odd")
            var seen: [Int] = []
            while seen.count < 3 { seen += numbers(try await consumer.poll()) }
            // From behind the last that was given: 1 was passed over, and is not wanted any more.
            #expect(seen.allSatisfy { $0 % 2 == 1 } && seen.last == 7)
            await producer.shutdown()
            await consumer.shutdown()
        }
    }

    @Test func onlyOneTaskPolls() async throws {
        try await withCluster { client, _ in
            let consumer = LitePullConsumer(Self.configuration("G"), client: client)
            try await consumer.subscribe(to: "T")
            let first = Task { try await consumer.poll(within: .seconds(2)) }
            try await Task.sleep(for: .milliseconds(200))
            await #expect(throws: MQClientError.self) { try await consumer.poll() }
            #expect(try await first.value.isEmpty)
            await consumer.shutdown()
        }
    }

    @Test func oneSeeksPausesAndResumes() async throws {
        try await withCluster { client, _ in
            for queue in Int32(0)..<2 { try await send(Int(queue) * 10..<Int(queue) * 10 + 5, client, to: queue) }
            let queues = (0..<2).map { MessageQueue(topic: "T", brokerName: "broker-a", queueID: Int32($0)) }
            let consumer = LitePullConsumer(Self.configuration("G"), client: client)
            try await consumer.assign(queues)
            await consumer.pause([queues[1]])
            #expect(numbers(try await consumer.poll()) == [0, 1, 2, 3, 4])
            #expect(try await consumer.poll(within: .milliseconds(500)).isEmpty)
            await consumer.resume([queues[1]])
            #expect(numbers(try await consumer.poll()) == [10, 11, 12, 13, 14])
            try await consumer.seek(queues[0], to: 3)
            #expect(numbers(try await consumer.poll()) == [3, 4])
            // Beyond the end a queue that is whole leads to its beginning.
            try await consumer.seek(queues[0], to: 100)
            #expect(numbers(try await consumer.poll()) == [0, 1, 2, 3, 4])
            let strange = MessageQueue(topic: "T", brokerName: "broker-a", queueID: 3)
            await #expect(throws: MQClientError.self) { try await consumer.seek(strange, to: 0) }
            await #expect(throws: MQClientError.self) { try await consumer.subscribe(to: "T") }
            await consumer.shutdown()
        }
    }

    @Test func membersDivideTheQueues() async throws {
        try await withCluster { client, nameserver in
            let other = MQConnection(configuration: .init(nameservers: [nameserver], requestTimeout: .seconds(10)))
            let first = LitePullConsumer(Self.configuration("G"), client: client)
            let second = LitePullConsumer(Self.configuration("G"), client: other)
            try await first.subscribe(to: "T")
            try await second.subscribe(to: "T")
            #expect(
                await eventually {
                    let (one, two) = (await first.assignment, await second.assignment)
                    return one.count == 2 && two.count == 2 && Set(one).isDisjoint(with: two)
                })
            await second.shutdown()
            #expect(await eventually { await first.assignment.count == 4 })
            await first.shutdown()
            await other.shutdown()
        }
    }

    /// An application that waits for messages ends at once with its task.
    @Test func cancellationEndsTheWaiting() async throws {
        try await withCluster { client, _ in
            let consumer = LitePullConsumer(Self.configuration("G"), client: client)
            try await consumer.subscribe(to: "T")
            let reading = Task {
                for try await _ in consumer.batches { Issue.record("there is no message") }
            }
            try await Task.sleep(for: .milliseconds(300))
            let start = ContinuousClock.now
            reading.cancel()
            _ = await reading.result
            #expect(ContinuousClock.now - start < .seconds(4))
            await consumer.shutdown()
            await #expect(throws: MQClientError.self) { try await consumer.poll() }
        }
    }
}
