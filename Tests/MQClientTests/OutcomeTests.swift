import MQClient
import MQNameserver
import MQTransport
import MQWire
import NIOPosix
import Testing

/// What a caller learns of a send that went wrong, which decides what a trial may conclude from it.
@Suite struct OutcomeTests {
    /// Runs `body` with a producer whose only broker follows the script; without a script nothing listens there.
    private func withProducer(
        _ steps: [ScriptedBroker.Step]?,
        check: (Producer, () -> [SendMessageRequestHeader]) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let broker = ScriptedBroker(steps ?? [.silence])
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: broker)
        let address = steps == nil ? "127.0.0.1:1" : try await server.start().hostPort
        let nameserver = try await TestNameserver.start()
        let registrar = RemotingClient(group: group, logger: quiet)
        try await nameserver.register("broker-a", address: address, topics: ["t"], by: registrar)
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(1)))
        let producer = Producer(group: "g", client: client)
        try await check(producer) { broker.sends }
        await producer.shutdown()
        await client.shutdown()
        await registrar.shutdown()
        await nameserver.service.shutdown()
        await server.shutdown()
    }

    private let message = Message(topic: "t", body: [1, 2, 3])

    @Test(arguments: [
        (ResponseCode.success, SendStatus.ok), (.flushDiskTimeout, .flushDiskTimeout),
        (.flushSlaveTimeout, .flushSlaveTimeout), (.slaveNotAvailable, .slaveNotAvailable),
    ])
    func storedIsStoredHoweverWell(_ code: ResponseCode, _ status: SendStatus) async throws {
        try await withProducer([.answer(code)]) { producer, sends in
            let receipt = try await producer.send(message, attempts: 1)
            #expect(receipt.status == status)
            #expect(receipt.queueOffset == 5)
            #expect(receipt.attempt == 1)
            #expect(sends().count == 1)
        }
    }

    @Test func aRefusalIsNotRepeatedWhenOneAttemptIsAllowed() async throws {
        try await withProducer([.answer(.serviceNotAvailable)]) { producer, sends in
            let error = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 1) }
            #expect(error?.outcome == .refused(code: 14, remark: "scripted"))
            #expect(sends().count == 1)
        }
    }

    @Test func nobodyThere_notSent() async throws {
        try await withProducer(nil) { producer, _ in
            let error = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 1) }
            #expect(error?.outcome == .notSent)
            #expect(error?.label == "unreachable")
        }
    }

    @Test(arguments: [true, false])
    func noAnswer_unknown(_ closes: Bool) async throws {
        try await withProducer([closes ? .close : .silence]) { producer, sends in
            let error = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 1) }
            #expect(error?.outcome == .unknown)
            #expect(sends().count == 1)
        }
    }

    @Test func unknownStaysUnknownWhenTheNextAttemptIsRefused() async throws {
        try await withProducer([.close, .answer(.serviceNotAvailable)]) { producer, sends in
            let error = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 2) }
            #expect(error?.outcome == .unknown)
            #expect(error?.label == "unknown after retry")
            #expect(sends().count == 2)
        }
    }

    @Test func attemptsShareOneId() async throws {
        try await withProducer([.close, .answer(.systemBusy), .answer(.success)]) { producer, sends in
            let receipt = try await producer.send(message, attempts: 3)
            #expect(receipt.attempt == 3)
            let ids = sends().map { MessageProperties(text: $0.properties)["UNIQ_KEY"] }
            #expect(ids == [receipt.messageID, receipt.messageID, receipt.messageID])
        }
    }

    @Test func whatMakesNoSenseIsNotSent() async throws {
        try await withProducer([.answer(.success)]) { producer, sends in
            var error = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 0) }
            #expect(error?.outcome == .notSent)
            error = await #expect(throws: MQClientError.self) {
                try await producer.send(Message(topic: "unheard-of", body: []), attempts: 1)
            }
            #expect(error == .topicNotFound(topic: "unheard-of"))
            await producer.shutdown()
            error = await #expect(throws: MQClientError.self) { try await producer.send(message) }
            #expect(error?.outcome == .notSent)
            #expect(sends().isEmpty)
        }
    }

    @Test func withoutNameserverNothingIsSent() async throws {
        let client = MQConnection(configuration: .init(nameservers: ["127.0.0.1:1", "127.0.0.1:2"]))
        let producer = Producer(group: "g", client: client)
        let error = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 1) }
        #expect(error?.outcome == .notSent)
        #expect(error?.description.contains("127.0.0.1:1") == true)
        #expect(error?.description.contains("127.0.0.1:2") == true)
        await client.shutdown()
    }
}
