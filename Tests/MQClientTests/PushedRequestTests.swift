import MQBroker
import MQClient
import MQNameserver
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// What tools ask of a consumer through its broker.
@Suite struct PushedRequestTests {
    @Test(arguments: [PushConsumerConfiguration.Order.concurrent, .orderly])
    func aConsumerIsResetAndAsked(_ order: PushConsumerConfiguration.Order) async throws {
        try await SmallCluster.run { cluster in
            let (client, admin) = (cluster.client, cluster.admin)
            let producer = Producer(group: "P", client: client)
            var last: SendReceipt?
            for number in 0..<8 {
                last = try await producer.send(
                    Message(topic: "T", body: Array("\(number)".utf8), properties: ["n": "\(number)"]))
            }
            let seen = Mutex<[String]>([])
            let consumer = PushConsumer(
                .init(group: "G", startsFrom: .beginning, order: order, hold: .milliseconds(300)), client: client)
            await consumer.subscribe(to: "T", where: "n >= 4")
            let running = Task {
                try await consumer.run { messages in
                    seen.withLock { $0 += messages.map { String(decoding: $0.body, as: UTF8.self) } }
                    return .done
                }
            }
            #expect(await eventually { seen.withLock { $0.sorted() } == ["4", "5", "6", "7"] })

            // Back to the beginning: all of it comes again.
            _ = try await admin.resetOffsets(of: "G", topic: "T", to: 1, isForced: true)
            #expect(await eventually { seen.withLock { $0.count } == 8 }, "\(seen.withLock { $0 })")

            let caller = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
            func ask(_ code: RequestCode, _ fields: ExtFields) async throws -> (ResponseCode, String) {
                let answer = try await cluster.ask(code, fields, by: caller)
                return (answer.responseCode, answer.body.map { String(buffer: $0) } ?? "")
            }
            let member: ExtFields = ["consumerGroup": "G", "clientId": client.clientID]
            let (known, information) = try await ask(.getConsumerRunningInfo, member)
            #expect(known == .success && information.contains(#""PROP_CONSUME_TYPE":"CONSUME_PASSIVELY""#))
            #expect(information.contains(#""expressionType":"SQL92""#))
            #expect(
                try await eventually {
                    let (_, table) = try await ask(.invokeBrokerToGetConsumerStatus, ["group": "G", "topic": "T"])
                    return table.contains(client.clientID) && table.contains(#""queueId":3,"topic":"T"}:2"#)
                })
            var direct = member
            direct["msgId"] = try #require(last).offsetMessageID
            let (_, result) = try await ask(.consumeMessageDirectly, direct)
            #expect(result.contains(#""consumeResult":"CR_SUCCESS""#), "\(result)")
            #expect(seen.withLock { $0.last } == "7")

            running.cancel()
            _ = await running.result
            // Nobody is there any more.
            #expect(
                try await eventually { try await ask(.getConsumerRunningInfo, member).0 == .systemError })
            await caller.shutdown()
            await producer.shutdown()
        }
    }

    private func withCluster(_ body: (MQConnection, Producer) async throws -> Void) async throws {
        try await SmallCluster.run { cluster in
            let producer = Producer(group: "P", client: cluster.client)
            do { try await body(cluster.client, producer) } catch { Issue.record(error) }
            await producer.shutdown()
        }
    }

    /// While a queue's handler still works, rebalances come and go: the queue goes on where it was reset to, not where it
    /// was.
    @Test func aResetIsNotLostBehindASlowHandler() async throws {
        try await withCluster { client, producer in
            let first = try await producer.send(Message(topic: "T", body: Array("0".utf8)))
            for number in 1..<4 {
                try await producer.send(Message(topic: "T", body: Array("\(number)".utf8)), to: first.queue)
            }
            let seen = Mutex<[String]>([])
            let mayEnd = Mutex(false)
            let consumer = PushConsumer(
                .init(
                    group: "G", startsFrom: .beginning, concurrency: 1, hold: .milliseconds(300),
                    rebalanceInterval: .milliseconds(50)), client: client)
            await consumer.subscribe(to: "T")
            let running = Task {
                try await consumer.run { messages in
                    seen.withLock { $0 += messages.map { String(decoding: $0.body, as: UTF8.self) } }
                    // The last one takes its time.
                    while messages[0].body == Array("3".utf8), !mayEnd.withLock({ $0 }) {
                        try? await Task.sleep(for: .milliseconds(10))
                    }
                    return .done
                }
            }
            #expect(await eventually { seen.withLock { $0.last } == "3" })
            _ = try await MQAdmin(client: client).resetOffsets(of: "G", topic: "T", to: 1, isForced: true)
            // Some rebalances, of which none may start the queue where it was.
            try await Task.sleep(for: .milliseconds(400))
            mayEnd.withLock { $0 = true }
            #expect(
                await eventually { seen.withLock { $0.filter { $0 == "0" }.count } == 2 }, "\(seen.withLock { $0 })")
            running.cancel()
            _ = await running.result
        }
    }

    @Test func anotherFilterIsInForceForQueuesThatAreRead() async throws {
        try await withCluster { client, producer in
            func send(_ numbers: Range<Int>) async throws {
                for number in numbers {
                    try await producer.send(
                        Message(topic: "T", body: Array("\(number)".utf8), properties: ["n": "\(number)"]))
                }
            }
            try await send(0..<4)
            let seen = Mutex<[Int]>([])
            let consumer = PushConsumer(
                .init(group: "G", startsFrom: .beginning, hold: .milliseconds(300)), client: client)
            await consumer.subscribe(to: "T", where: "n >= 0")
            let running = Task {
                try await consumer.run { messages in
                    seen.withLock { $0 += messages.compactMap { Int(String(decoding: $0.body, as: UTF8.self)) } }
                    return .done
                }
            }
            #expect(await eventually { seen.withLock { $0.sorted() } == [0, 1, 2, 3] })
            await consumer.subscribe(to: "T", where: "n > 6")
            // Until the new filter is in force, the old one may pass what comes: rounds of what is not wanted and what is, in
            // every queue, until one passes nothing unwanted. From then on none does.
            let queues = try await producer.queues(for: "T")
            var passed: [Int] = []
            // The last of them comes after one that passed nothing.
            for round in 1...50 where passed.suffix(2) != [0, 0] {
                for (index, queue) in queues.enumerated() {
                    for (kind, value) in [(0, "1"), (1, "9")] {
                        let body = Array("\(1000 * round + 10 * index + kind)".utf8)
                        try await producer.send(Message(topic: "T", body: body, properties: ["n": value]), to: queue)
                    }
                }
                let wanted = Set(queues.indices.map { 1000 * round + 10 * $0 + 1 })
                #expect(await eventually { seen.withLock { wanted.isSubset(of: $0) } })
                passed.append(seen.withLock { $0.filter { $0 / 1000 == round && $0 % 10 == 0 }.count })
            }
            // Once in force it stays so.
            #expect(passed.suffix(2) == [0, 0] && passed.drop { $0 > 0 }.allSatisfy { $0 == 0 }, "\(passed)")
            running.cancel()
            _ = await running.result
        }
    }

    /// A lite-pull consumer is asked and set like any other, whether it subscribed or was given its queues.
    @Test(arguments: [true, false]) func aLitePullConsumerIsResetAndAsked(_ subscribes: Bool) async throws {
        try await SmallCluster.run(topic: "T") { cluster in
            let producer = Producer(group: "P", client: cluster.client)
            let queue = MessageQueue(topic: "T", brokerName: "broker-a", queueID: 2)
            for number in 0..<6 {
                try await producer.send(Message(topic: "T", body: Array("\(number)".utf8), tags: "x"), to: queue)
            }
            await producer.shutdown()
            let consumer = LitePullConsumer(
                .init(group: "G", startsFrom: .beginning, batch: 2, hold: .milliseconds(300), commitInterval: nil),
                client: cluster.client)
            if subscribes {
                try await consumer.subscribe(to: "T", tags: "x")
            } else {
                try await consumer.assign([queue], tags: "x")
            }
            /// A poll may end with nothing, on a busy machine more often than once.
            func some() async throws -> [ReceivedMessage] {
                for _ in 0..<50 {
                    let batch = try await consumer.poll()
                    if !batch.isEmpty { return batch }
                }
                return []
            }
            func next() async throws -> [String] { try await some().map { String(decoding: $0.body, as: UTF8.self) } }
            #expect(try await next() == ["0", "1"])
            let held = try await some()
            #expect(held.map(\.queueOffset) == [2, 3])

            let caller = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
            let member: ExtFields = ["consumerGroup": "G", "clientId": cluster.client.clientID]
            let told = try await cluster.ask(.getConsumerRunningInfo, member, by: caller)
            let running = try ConsumerRunningInfo(decoding: told.body)
            #expect(running.properties["PROP_CONSUME_TYPE"] == "CONSUME_ACTIVELY")
            #expect(running.subscriptions.map(\.expression) == ["x"])
            #expect(running.queues.first { $0.queue.queueID == 2 }?.commitOffset == 2, "\(running)")
            #expect(try await cluster.admin.readers(of: "G")[queue] == cluster.client.clientID)
            let fields: ExtFields = ["group": "G", "topic": "T"]
            func place() async throws -> Int64? {
                let asked = try await cluster.ask(.invokeBrokerToGetConsumerStatus, fields, by: caller)
                let status = try GroupStatus(decoding: asked.body)
                #expect(status.members.map(\.clientID) == [cluster.client.clientID])
                return status.members.first?.status.places.first { $0.queue.queueID == 2 }?.offset
            }
            #expect(try await place() == 2)
            try await consumer.commit(through: held[0])
            #expect(try await consumer.committedOffset(of: queue) == 3)

            // All of it comes again; the broker knows the place at once, and what was in hands counts no more.
            _ = try await cluster.admin.resetOffsets(of: "G", topic: "T", to: 1, isForced: true)
            #expect(try await eventually { try await place() == 0 })
            #expect(try await eventually { try await consumer.committedOffset(of: queue) == 0 })
            let refused = await #expect(throws: MQClientError.self) { try await consumer.commit(through: held[0]) }
            #expect("\(String(describing: refused))".contains("was set to a place before 2"))
            #expect(try await next() == ["0", "1"])
            await consumer.shutdown()
            #expect(
                try await eventually {
                    try await cluster.ask(.getConsumerRunningInfo, member, by: caller).responseCode == .systemError
                })
            await caller.shutdown()
        }
    }
}
