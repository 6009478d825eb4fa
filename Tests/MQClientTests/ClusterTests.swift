import MQBroker
import MQClient
import MQNameserver
import MQTransport
import MQWire
import NIOPosix
import Testing

/// Producer, consumer and admin against a real nameserver and a real broker, over loopback.
@Suite struct ClusterTests {
    private func withCluster(
        _ body: (MQConnection, TestBroker, TestNameserver) async throws -> Void
    ) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(configuration: .init(nameservers: ["127.0.0.1:1", nameserver.address]))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        try await body(client, broker, nameserver)
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    private func body(_ number: Int) -> [UInt8] { Array("message \(number)".utf8) }

    @Test func whatIsSentToAnAutomaticTopicIsReadBack() async throws {
        try await withCluster { client, broker, _ in
            let producer = Producer(group: "p", client: client)
            #expect(try await producer.queues(for: "auto").count == 4)
            var receipts: [SendReceipt] = []
            for number in 0..<20 {
                let message = Message(
                    topic: "auto", body: body(number), tags: "even", keys: ["k\(number)"],
                    properties: ["number": "\(number)"])
                receipts.append(try await producer.send(message, attempts: 1))
            }
            #expect(receipts.allSatisfy { $0.status == .ok && $0.brokerAddress == broker.address })
            #expect(Set(receipts.map(\.queue)).count == 4)
            #expect(Set(receipts.map(\.messageID)).count == 20)

            let consumer = PullConsumer(group: "c", client: client)
            #expect(
                try await eventually {
                    do { return try await consumer.queues(for: "auto").count == 4 } catch MQClientError.topicNotFound {
                        return false
                    }
                })
            var received: [ReceivedMessage] = []
            for queue in try await consumer.queues(for: "auto") {
                let result = try await consumer.pull(queue, from: 0)
                #expect(result.status == .found)
                #expect(result.nextOffset == result.maxOffset)
                received += result.messages
            }
            #expect(received.count == 20)
            #expect(received.allSatisfy { $0.bodyCRCMatches && $0.tags == "even" && !$0.isCompressed })
            for receipt in receipts {
                let message = try #require(received.first { $0.messageID == receipt.messageID })
                #expect(message.queue == receipt.queue)
                #expect(message.queueOffset == receipt.queueOffset)
                #expect(message.offsetMessageID == receipt.offsetMessageID)
                let number = try #require(Int(message.properties["number"] ?? ""))
                #expect(message.body == body(number))
                #expect(message.keys == ["k\(number)"])
            }
            await producer.shutdown()
            await consumer.shutdown()
        }
    }

    @Test func aHeldPullIsWokenByTheNextMessage() async throws {
        try await withCluster { client, broker, _ in
            let queue = try await topic("held", queues: 1, client: client, broker: broker)
            let consumer = PullConsumer(group: "c", client: client)
            let producer = Producer(group: "p", client: client)
            let none = try await consumer.pull(queue, from: 0)
            #expect(none.status == .noNewMessages)
            async let held = consumer.pull(queue, from: 0, hold: .seconds(20))
            let start = ContinuousClock.now
            let receipt = try await producer.send(Message(topic: "held", body: [7]), to: queue, attempts: 1)
            let result = try await held
            #expect(result.messages.map(\.messageID) == [receipt.messageID])
            #expect(ContinuousClock.now - start < .seconds(10), "the pull was held to its end")
        }
    }

    @Test func offsetsAreKept() async throws {
        try await withCluster { client, broker, _ in
            let queue = try await topic("offsets", queues: 1, client: client, broker: broker)
            let producer = Producer(group: "p", client: client)
            let consumer = PullConsumer(group: "c", client: client)
            for number in 0..<5 {
                _ = try await producer.send(Message(topic: "offsets", body: body(number)), to: queue)
            }
            #expect(try await consumer.minOffset(of: queue) == 0)
            #expect(try await consumer.maxOffset(of: queue) == 5)
            try await consumer.commit(3, for: queue)
            #expect(try await consumer.committedOffset(of: queue) == 3)
            let beyond = try await consumer.pull(queue, from: 100)
            #expect(beyond.status == .offsetIllegal)
            #expect((0...5).contains(beyond.nextOffset))
            let two = try await consumer.pull(queue, from: 1, max: 2)
            #expect(two.messages.map(\.queueOffset) == [1, 2])
            #expect(two.nextOffset == 3)
        }
    }

    @Test func aBatchLiesSideBySideInOneQueue() async throws {
        try await withCluster { client, broker, _ in
            let producer = Producer(group: "p", client: client)
            let messages = (0..<10).map { Message(topic: "batch", body: body($0), tags: "t\($0)") }
            let receipt = try await producer.send(batch: messages, attempts: 1)
            #expect(receipt.status == .ok && receipt.brokerAddress == broker.address && receipt.attempt == 1)
            #expect(Set(receipt.messageIDs).count == 10 && Set(receipt.offsetMessageIDs).count == 10)

            let consumer = PullConsumer(group: "c", client: client)
            let result = try await consumer.pull(receipt.queue, from: receipt.queueOffset)
            #expect(result.messages.map(\.body) == messages.map(\.body))
            #expect(result.messages.map(\.tags) == messages.map(\.tags))
            #expect(result.messages.map(\.messageID) == receipt.messageIDs)
            #expect(result.messages.map(\.offsetMessageID) == receipt.offsetMessageIDs)

            for bad in [
                [], [messages[0], Message(topic: "other", body: [])],
                [Message(topic: "batch", body: [], delayLevel: 1)],
                [Message](
                    repeating: Message(topic: "batch", body: [UInt8](repeating: 1, count: 1 << 20)), count: 4),
            ] {
                let error = await #expect(throws: MQClientError.self) { try await producer.send(batch: bad) }
                #expect(error?.label == "invalid")
            }
        }
    }

    @Test func oneWayMessagesArrive() async throws {
        try await withCluster { client, broker, _ in
            let queue = try await topic("oneway", queues: 1, client: client, broker: broker)
            let producer = Producer(group: "p", client: client)
            let id = try await producer.sendOneWay(Message(topic: "oneway", body: [1]))
            let consumer = PullConsumer(group: "c", client: client)
            let result = try await consumer.pull(queue, from: 0, hold: .seconds(20))
            #expect(result.messages.map(\.messageID) == [id])
        }
    }

    @Test func aBrokerThatStopsIsGoneFromTheRoute() async throws {
        try await withCluster { client, broker, nameserver in
            let queue = try await topic("gone", queues: 1, client: client, broker: broker)
            let producer = Producer(group: "p", client: client)
            _ = try await producer.send(Message(topic: "gone", body: [1]), to: queue, attempts: 1)
            await broker.service.shutdown()
            #expect(await eventually { nameserver.service.clusterInfo.brokers.isEmpty })
            // Until the client's own end of the connection has heard of it, the honest answer is "unknown".
            #expect(
                await eventually {
                    do {
                        _ = try await producer.send(Message(topic: "gone", body: [2]), to: queue, attempts: 1)
                        return false
                    } catch {
                        return (error as? MQClientError)?.outcome == .notSent
                    }
                })
        }
    }

    @Test func aTopicThatNobodyHasIsToldFromOneWhoseBrokerIsGone() async throws {
        try await withCluster { client, broker, nameserver in
            _ = try await topic("held", queues: 1, client: client, broker: broker)
            let admin = MQAdmin(client: client)
            await #expect(throws: MQClientError.topicNotFound(topic: "unheard-of")) {
                try await admin.topicRoute("unheard-of")
            }
            let producer = Producer(group: "p", client: client)
            let message = Message(topic: "held", body: [1])
            _ = try await producer.send(message, attempts: 1)
            // Another broker stays, so that only the route that was known can tell.
            let other = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
            try await nameserver.register("broker-z", address: "127.0.0.1:1", topics: ["z"], by: other)
            await broker.service.shutdown()
            #expect(await eventually { nameserver.service.clusterInfo.brokers.keys.sorted() == ["broker-z"] })
            await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 1) }
            let known = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 1) }
            #expect(known?.label == "brokers gone" && known?.description.contains("broker-a, which had it") == true)
            await other.shutdown()
            #expect(await eventually { nameserver.service.clusterInfo.brokers.isEmpty })
            let none = await #expect(throws: MQClientError.self) { try await admin.topicRoute("unheard-of") }
            #expect(none?.description.contains("no broker is registered") == true && none?.outcome == .notSent)
        }
    }

    @Test func brokersThatAreKnownAreUsedWithoutNameserver() async throws {
        try await withCluster { client, broker, nameserver in
            let queue = try await topic("alone", queues: 1, client: client, broker: broker)
            let producer = Producer(group: "p", client: client)
            let consumer = PullConsumer(group: "c", client: client)
            _ = try await producer.send(Message(topic: "alone", body: [1]), to: queue, attempts: 1)
            #expect(try await consumer.queues(for: "alone") == [queue])
            await nameserver.service.shutdown()
            // A failure makes the route suspect; with nobody to ask it must stay in use all the same.
            await #expect(throws: MQClientError.self) {
                try await producer.send(
                    Message(topic: "alone", body: [2]),
                    to: MessageQueue(topic: "alone", brokerName: "broker-a", queueID: 99), attempts: 1)
            }
            _ = try await producer.send(Message(topic: "alone", body: [3]), to: queue, attempts: 1)
            #expect(try await consumer.queues(for: "alone") == [queue])
            #expect(try await consumer.pull(queue, from: 0).messages.map(\.body) == [[1], [3]])
        }
    }

    /// Creates a topic with so many queues and waits for its route; gives its first queue.
    private func topic(
        _ name: String, queues: Int32, client: MQConnection, broker: TestBroker
    ) async throws -> MessageQueue {
        let admin = MQAdmin(client: client)
        try await admin.createTopic(name, readQueues: queues, writeQueues: queues, on: broker.address)
        #expect(
            try await eventually {
                do { return try await admin.topicRoute(name).writableQueues.count == Int(queues) } catch MQClientError
                    .topicNotFound
                { return false }
            })
        return MessageQueue(topic: name, brokerName: "broker-a", queueID: 0)
    }
}
