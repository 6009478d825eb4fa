import MQNameserver
import MQTransport
import MQWire
import NIOPosix
import Synchronization
import Testing

@testable import MQClient

/// Which broker a message goes to, how often, and when a producer stops trying.
@Suite struct ProducerChoiceTests {
    /// Runs `body` with brokers that follow their scripts, each with one queue of topic `t`.
    private func withBrokers(
        _ scripts: [ScriptedBroker.Step]..., timeout: Duration = .seconds(30),
        body: (MQConnection, [ScriptedBroker]) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let nameserver = try await TestNameserver.start()
        let registrar = RemotingClient(group: group, logger: quiet)
        let brokers = scripts.map { ScriptedBroker($0) }
        var servers: [RemotingServer] = []
        for (index, broker) in brokers.enumerated() {
            let server = RemotingServer(
                configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: broker)
            let address = try await server.start().hostPort
            try await nameserver.register("broker-\(index)", address: address, topics: ["t"], by: registrar)
            servers.append(server)
        }
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: timeout))
        do { try await body(client, brokers) } catch { Issue.record(error) }
        await client.shutdown()
        await registrar.shutdown()
        await nameserver.service.shutdown()
        for server in servers { await server.shutdown() }
    }

    private let message = Message(topic: "t", body: [1, 2, 3])

    // MARK: Weakly stored

    @Test func whatIsStoredWeaklyGoesToAnotherBrokerIfWanted() async throws {
        try await withBrokers([.answer(.slaveNotAvailable)], [.answer(.success)]) { client, brokers in
            let producer = Producer(group: "g", client: client, repeatsWeakSends: true)
            for _ in 0..<4 {
                let receipt = try await producer.send(message)
                #expect(receipt.status == .ok && receipt.queue.brokerName == "broker-1")
            }
            // The rotation begins anywhere; from then on the first one is in turn each time.
            #expect(brokers[0].sends.count >= 3 && brokers[1].sends.count == 4)
        }
    }

    /// By default, and with one attempt whatever is wanted: nothing is sent in secret.
    @Test(arguments: [(false, 3), (true, 1)])
    func whatIsStoredWeaklyStaysSo(_ repeats: Bool, _ attempts: Int) async throws {
        try await withBrokers([.answer(.slaveNotAvailable)], [.answer(.success)]) { client, brokers in
            let producer = Producer(group: "g", client: client, repeatsWeakSends: repeats)
            var found: Set<SendStatus> = []
            for _ in 0..<2 { found.insert(try await producer.send(message, attempts: attempts).status) }
            #expect(found == [.ok, .slaveNotAvailable])
            #expect(brokers.map(\.sends.count) == [1, 1])
        }
    }

    @Test func whatIsStoredWeaklyEverywhereIsToldSo() async throws {
        try await withBrokers([.answer(.flushDiskTimeout)], [.answer(.flushDiskTimeout)]) { client, brokers in
            let producer = Producer(group: "g", client: client, repeatsWeakSends: true)
            let receipt = try await producer.send(message, attempts: 5)
            #expect(receipt.status == .flushDiskTimeout && receipt.attempt == 1)
            // Once each, however many attempts are left.
            #expect(brokers.map(\.sends.count) == [1, 1])
        }
    }

    @Test func whatIsStoredWeaklyIsNotLostByARefusalElsewhere() async throws {
        try await withBrokers([.answer(.flushSlaveTimeout)], [.answer(.serviceNotAvailable)]) { client, _ in
            let producer = Producer(group: "g", client: client, repeatsWeakSends: true)
            for _ in 0..<2 {
                let receipt = try await producer.send(message)
                #expect(receipt.status == .flushSlaveTimeout)
            }
        }
    }

    // MARK: Trying again

    @Test func whatEveryBrokerWouldRefuseIsTriedOnce() async throws {
        try await withBrokers([.answer(.messageIllegal)], [.answer(.messageIllegal)]) { client, brokers in
            let producer = Producer(group: "g", client: client)
            let error = await #expect(throws: MQClientError.self) { try await producer.send(message, attempts: 3) }
            #expect(error?.outcome == .refused(code: 13, remark: "scripted"))
            #expect(brokers.map(\.sends.count).reduce(0, +) == 1)
        }
    }

    /// A broker that the nameserver still knows is gone: the messages go to the other one.
    @Test(arguments: [false, true]) func anotherBrokerIsTried(_ avoids: Bool) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let registrar = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: quiet)
        try await nameserver.register("broker-z", address: "127.0.0.1:1", topics: ["T"], by: registrar)
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        try await admin.createTopic("T", readQueues: 1, writeQueues: 1, on: broker.address)
        #expect(
            try await eventually {
                try await admin.topicRoute("T").writableQueues.map(\.brokerName) == ["broker-a", "broker-z"]
            })
        let producer = Producer(group: "p", client: client, avoidsSlowBrokers: avoids)
        var attempts: [Int] = []
        for number in 0..<8 {
            let receipt = try await producer.send(Message(topic: "T", body: [UInt8(number)]), attempts: 2)
            #expect(receipt.queue.brokerName == "broker-a")
            attempts.append(receipt.attempt)
        }
        // Who remembers runs into it once; who does not, again and again.
        let inVain = attempts.filter { $0 == 2 }.count
        #expect(avoids ? inVain <= 1 : inVain >= 3, "\(attempts)")
        await producer.shutdown()
        await client.shutdown()
        await registrar.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    // MARK: Slow and failing brokers

    @Test func aBrokerThatFailedIsAvoidedForItsTime() async throws {
        try await withBrokers([.answer(.systemBusy)], [.answer(.success)]) { client, brokers in
            let now = Mutex<Int64>(0)
            let producer = Producer(
                group: "g", client: client, avoidsSlowBrokers: true, repeatsWeakSends: false,
                now: { now.withLock { $0 } })
            for _ in 0..<10 { try await producer.send(message, attempts: 2) }
            #expect(brokers.map(\.sends.count) == [1, 10])
            now.withLock { $0 = 599_999 }
            for _ in 0..<4 { try await producer.send(message, attempts: 2) }
            #expect(brokers.map(\.sends.count) == [1, 14])
            now.withLock { $0 = 600_000 }
            for _ in 0..<4 { try await producer.send(message, attempts: 2) }
            #expect(brokers.map(\.sends.count) == [2, 18])
        }
    }

    @Test func aBrokerThatWasSlowIsAvoidedForItsTime() async throws {
        let now = Mutex<Int64>(0)
        let slow = ScriptedBroker.Step.after({ now.withLock { $0 += 600 } }, .success)
        try await withBrokers([slow, .answer(.success)], [.answer(.success)]) { client, brokers in
            let producer = Producer(
                group: "g", client: client, avoidsSlowBrokers: true, repeatsWeakSends: false,
                now: { now.withLock { $0 } })
            for _ in 0..<10 { try await producer.send(message) }
            #expect(brokers.map(\.sends.count) == [1, 9])
            // Quick again after its time: it gets its share.
            now.withLock { $0 = 30_600 }
            for _ in 0..<10 { try await producer.send(message) }
            #expect(brokers.map(\.sends.count) == [6, 14])
        }
    }

    /// A refusal that is about the message says nothing of its broker.
    @Test func aBrokerThatRefusesAMessageIsNotAvoided() async throws {
        try await withBrokers([.answer(.messageIllegal)], [.answer(.success)]) { client, brokers in
            let producer = Producer(
                group: "g", client: client, avoidsSlowBrokers: true, repeatsWeakSends: false, now: { 0 })
            for _ in 0..<6 { _ = try? await producer.send(message) }
            #expect(brokers.map(\.sends.count) == [3, 3])
        }
    }

    // MARK: Choosing

    @Test func theCallerChoosesAQueue() async throws {
        try await withBrokers([.answer(.success)], [.answer(.success)]) { client, brokers in
            let producer = Producer(group: "g", client: client)
            for _ in 0..<3 {
                let receipt = try await producer.send(message) { queues in
                    #expect(queues.map(\.brokerName) == ["broker-0", "broker-1"])
                    return queues.last
                }
                #expect(receipt.queue.brokerName == "broker-1")
            }
            let none = await #expect(throws: MQClientError.self) { try await producer.send(message) { _ in nil } }
            #expect(none?.outcome == .notSent && none?.label == "no queue")
            #expect(brokers.map(\.sends.count) == [0, 3])
        }
    }

    // MARK: Cancellation

    @Test func whoIsCancelledWhileWaitingHearsThatItMayHaveHappened() async throws {
        try await withBrokers([.silence]) { client, brokers in
            let producer = Producer(group: "g", client: client, avoidsSlowBrokers: true)
            let sending = Task { try await producer.send(message, attempts: 3) }
            #expect(await eventually { brokers[0].sends.count == 1 })
            let start = ContinuousClock.now
            sending.cancel()
            let error = await #expect(throws: MQClientError.self) { try await sending.value }
            #expect(error?.outcome == .unknown)
            #expect(ContinuousClock.now - start < .seconds(15), "it waited for the broker")
            // And no further attempt was made.
            #expect(brokers[0].sends.count == 1)
        }
    }

    @Test func whoIsCancelledBeforeSendsNothing() async throws {
        try await withBrokers([.answer(.success)]) { client, brokers in
            let producer = Producer(group: "g", client: client)
            try await producer.send(message)
            let sending = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await producer.send(message)
            }
            let error = await #expect(throws: MQClientError.self) { try await sending.value }
            #expect(error == .cancelled && error?.outcome == .notSent)
            #expect(brokers[0].sends.count == 1)
        }
    }

    @Test func aHeldPullEndsWithItsTask() async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        let producer = Producer(group: "p", client: client)
        let receipt = try await producer.send(message)
        let consumer = PullConsumer(group: "c", client: client)
        let pulling = Task { try await consumer.pull(receipt.queue, from: receipt.queueOffset + 1, hold: .seconds(60)) }
        // The broker has it when it counts the consumer's pull; before, the cancellation ends it all the same.
        try await Task.sleep(for: .milliseconds(200))
        let start = ContinuousClock.now
        pulling.cancel()
        await #expect(throws: MQClientError.self) { try await pulling.value }
        #expect(ContinuousClock.now - start < .seconds(15), "it waited for the broker")
        // The connection is as good as before.
        #expect(try await consumer.pull(receipt.queue, from: receipt.queueOffset).messages.count == 1)
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    // MARK: Pipelines

    /// What came of the messages of a pipeline.
    private final class Outcomes: Sendable {
        private let results = Mutex<[Result<SendReceipt, MQClientError>]>([])
        var all: [Result<SendReceipt, MQClientError>] { results.withLock { $0 } }
        func add(_ result: Result<SendReceipt, MQClientError>) { results.withLock { $0.append(result) } }
    }

    @Test func aPipelineTellsOfEveryMessageOnceAndOneAfterTheOther() async throws {
        try await withBrokers(
            [.answer(.success), .answer(.systemBusy), .answer(.flushDiskTimeout)]
        ) { client, brokers in
            let pipeline = Producer(group: "g", client: client).pipeline(limit: 2)
            let outcomes = Outcomes()
            for _ in 0..<3 { try await pipeline.send(message) { outcomes.add($0) } }
            await pipeline.drain()
            let statuses = outcomes.all.map { try? $0.get().status }
            #expect(statuses == [.ok, nil, .flushDiskTimeout])
            guard case .failure(.refused(_, let code, _)) = outcomes.all[1] else {
                Issue.record("\(outcomes.all[1])")
                return
            }
            #expect(code == ResponseCode.systemBusy.rawValue)
            // Nothing was repeated, and each message had an id of its own.
            #expect(brokers[0].sends.count == 3)
            #expect(Set(brokers[0].sends.map { MessageProperties(text: $0.properties)["UNIQ_KEY"] }).count == 3)
        }
    }

    @Test func whoSendsMoreThanAPipelineHoldsWaitsForRoom() async throws {
        try await withBrokers([.silence], timeout: .milliseconds(300)) { client, brokers in
            let pipeline = Producer(group: "g", client: client).pipeline(limit: 4)
            let outcomes = Outcomes()
            let sent = Atomic(0)
            let sender = Task {
                for _ in 0..<6 {
                    try await pipeline.send(message) { outcomes.add($0) }
                    sent.wrappingAdd(1, ordering: .relaxed)
                }
            }
            #expect(await eventually { brokers[0].sends.count == 4 })
            #expect(sent.load(ordering: .relaxed) == 4)
            // The broker says nothing: the time limit makes room.
            try await sender.value
            await pipeline.drain()
            #expect(outcomes.all.count == 6)
            // A busy broker may take one up only after its sender has given it up.
            #expect(await eventually { brokers[0].sends.count == 6 })
            #expect(
                outcomes.all.allSatisfy {
                    if case .failure(let error) = $0 { error.outcome == .unknown } else { false }
                })
        }
    }

    @Test func whoIsCancelledWhileItWaitsForRoomSendsNothing() async throws {
        try await withBrokers([.silence], timeout: .milliseconds(300)) { client, brokers in
            let pipeline = Producer(group: "g", client: client).pipeline(limit: 1)
            let outcomes = Outcomes()
            try await pipeline.send(message) { outcomes.add($0) }
            let sender = Task { try await pipeline.send(message) { outcomes.add($0) } }
            try await Task.sleep(for: .milliseconds(50))
            sender.cancel()
            await #expect(throws: MQClientError.cancelled) { try await sender.value }
            await pipeline.drain()
            #expect(brokers[0].sends.count == 1 && outcomes.all.count == 1)
        }
    }

    @Test func aPipelineRefusesWhatItCannotSend() async throws {
        try await withBrokers([.answer(.success)]) { client, brokers in
            let pipeline = Producer(group: "g", client: client).pipeline()
            await #expect(throws: MQClientError.self) {
                try await pipeline.send(Message(topic: "", body: [])) { _ in Issue.record("it was sent") }
            }
            await pipeline.drain()
            #expect(brokers[0].sends.isEmpty)
        }
    }
}
