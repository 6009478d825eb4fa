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
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
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
            var request = RemotingCommand.request(code)
            request.extFields = fields
            let answer = try await caller.call(request, to: broker.address, timeout: .seconds(10))
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
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    private func withCluster(_ body: (MQConnection, Producer) async throws -> Void) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        let producer = Producer(group: "P", client: client)
        do { try await body(client, producer) } catch { Issue.record(error) }
        await producer.shutdown()
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
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
            // Until the new filter is in force, the old one may pass what comes; what comes after is filtered.
            try await Task.sleep(for: .seconds(1))
            try await send(4..<9)
            #expect(await eventually { seen.withLock { $0.contains(8) && $0.contains(7) } })
            #expect(seen.withLock { $0.sorted() } == [0, 1, 2, 3, 7, 8])
            running.cancel()
            _ = await running.result
        }
    }
}
