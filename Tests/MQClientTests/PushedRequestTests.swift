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
}
