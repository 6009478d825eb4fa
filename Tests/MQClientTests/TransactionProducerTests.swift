import MQBroker
import MQClient
import MQNameserver
import MQTransport
import MQWire
import NIOPosix
import Synchronization
import Testing

/// Transactional sends against a real broker, and what becomes of those whose producer is gone.
@Suite struct TransactionProducerTests {
    private func withCluster(
        check: Duration = .milliseconds(200), _ body: (MQConnection, String) async throws -> Void
    ) async throws {
        try await withBroker(check: check) { client, nameserver, _ in try await body(client, nameserver) }
    }

    private static func settings(_ configuration: inout BrokerConfiguration, check: Duration = .milliseconds(200)) {
        configuration.transactionTimeout = .milliseconds(1)
        configuration.transactionCheckInterval = check
    }

    private func withBroker(
        check: Duration = .milliseconds(200), _ body: (MQConnection, String, TestBroker) async throws -> Void
    ) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address) {
            Self.settings(&$0, check: check)
        }
        let client = MQConnection(
            configuration: .init(
                nameservers: [nameserver.address], routePollInterval: .milliseconds(200),
                heartbeatInterval: .milliseconds(200), requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        do { try await body(client, nameserver.address, broker) } catch { Issue.record(error) }
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    private func bodies(_ client: MQConnection, _ topic: String) async throws -> [String] {
        let consumer = PullConsumer(group: "reader", client: client)
        var found: [String] = []
        for queue in try await consumer.queues(for: topic) {
            found += try await consumer.pull(queue, from: 0).messages.map { String(decoding: $0.body, as: UTF8.self) }
        }
        await consumer.shutdown()
        return found.sorted()
    }

    private struct Broken: Error {}

    @Test func theOutcomeDecides() async throws {
        try await withCluster(check: .seconds(3600)) { client, _ in
            let producer = TransactionProducer(group: "P", client: client) { _ in .unknown }
            for (body, outcome) in [("yes", TransactionOutcome.commit), ("no", .rollback), ("perhaps", .unknown)] {
                let receipt = try await producer.send(Message(topic: "T", body: Array(body.utf8))) { half in
                    #expect(half.status == .ok)
                    return outcome
                }
                #expect(receipt.outcome == outcome && receipt.isConfirmed == (outcome != .unknown))
            }
            await #expect(throws: Broken.self) {
                try await producer.send(Message(topic: "T", body: Array("broken".utf8))) { _ in throw Broken() }
            }
            #expect(try await bodies(client, "T") == ["yes"])
            await producer.shutdown()
        }
    }

    /// Who cannot say yet is asked until it can; what it then says decides.
    @Test func whoIsAskedDecidesLater() async throws {
        try await withCluster { client, _ in
            let asked = Mutex<[String: Int]>([:])
            let producer = TransactionProducer(group: "P", client: client) { message in
                let body = String(decoding: message.body, as: UTF8.self)
                let times = asked.withLock { asked in
                    asked[body, default: 0] += 1
                    return asked[body] ?? 0
                }
                #expect(message.topic == "T")
                if times == 1 { throw Broken() }
                if times == 2 { return .unknown }
                return body == "late" ? .commit : .rollback
            }
            for body in ["late", "never"] {
                _ = try await producer.send(Message(topic: "T", body: Array(body.utf8))) { _ in .unknown }
            }
            #expect(try await eventually { try await bodies(client, "T") == ["late"] })
            #expect(await eventually { asked.withLock { $0["never"] ?? 0 } >= 3 })
            // Both are decided: nobody is asked any more.
            let counts = asked.withLock { $0 }
            try await Task.sleep(for: .milliseconds(700))
            #expect(asked.withLock { $0 }.allSatisfy { $0.value <= (counts[$0.key] ?? 0) + 1 })
            #expect(try await bodies(client, "T") == ["late"])
            await producer.shutdown()
        }
    }

    /// The producer dies between its transaction and its word: another member of the group is asked.
    @Test func anotherMemberAnswersForOneThatIsGone() async throws {
        try await withCluster { client, nameserver in
            let dying = MQConnection(configuration: .init(nameservers: [nameserver], requestTimeout: .seconds(10)))
            let first = TransactionProducer(group: "P", client: dying) { _ in .unknown }
            _ = try await first.send(Message(topic: "T", body: Array("orphan".utf8))) { _ in .unknown }
            await dying.shutdown()
            // It sends nothing at all: brokers must hear of it all the same.
            let second = TransactionProducer(group: "P", client: client) { _ in .commit }
            #expect(try await eventually { try await bodies(client, "T") == ["orphan"] })
            await second.shutdown()
        }
    }

    /// The commit does not reach its broker, which stops at that moment: when it is back, it asks.
    @Test func aCommitThatWasLostIsAskedFor() async throws {
        try await withBroker { client, nameserver, broker in
            let written = Mutex<Set<String>>([])
            let producer = TransactionProducer(group: "P", client: client) { message in
                written.withLock { $0.contains(message.keys.first ?? "") } ? .commit : .rollback
            }
            let receipt = try await producer.send(Message(topic: "T", body: Array("paid".utf8), keys: ["k1"])) { _ in
                written.withLock { _ = $0.insert("k1") }
                await broker.service.shutdown()
                return .commit
            }
            #expect(receipt.outcome == .commit && !receipt.isConfirmed)
            let again = try await TestBroker.start(nameserver: nameserver) {
                Self.settings(&$0)
                $0.storeRoot = broker.folder
            }
            #expect(
                await eventually {
                    // Until the topic is known again there is nothing to read.
                    (try? await bodies(client, "T")) == ["paid"]
                })
            await producer.shutdown()
            await again.service.shutdown()
        }
    }

    /// Who is cancelled in the middle of its transaction has not said anything: it is asked.
    @Test func aTransactionThatIsCancelledIsAskedFor() async throws {
        try await withCluster { client, _ in
            let (begun, beginning) = AsyncStream<Void>.makeStream()
            let producer = TransactionProducer(group: "P", client: client) { _ in .commit }
            let sending = Task {
                try await producer.send(Message(topic: "T", body: Array("slow".utf8))) { _ in
                    beginning.finish()
                    try await Task.sleep(for: .seconds(3600))
                    return .rollback
                }
            }
            for await _ in begun {}
            sending.cancel()
            await #expect(throws: CancellationError.self) { try await sending.value }
            let isDelivered = try await eventually { try await bodies(client, "T") == ["slow"] }
            #expect(isDelivered)
            await producer.shutdown()
        }
    }

    /// Of two members in one client each may go, in any order: the other one answers.
    @Test(arguments: [true, false]) func aMemberThatGoesLeavesTheOtherOne(_ firstGoes: Bool) async throws {
        try await withCluster { client, _ in
            let first = TransactionProducer(group: "P", client: client) { _ in .commit }
            let second = TransactionProducer(group: "P", client: client) { _ in .commit }
            _ = try await first.send(Message(topic: "T", body: Array("left".utf8))) { _ in
                await (firstGoes ? first : second).shutdown()
                return .unknown
            }
            #expect(try await eventually { try await bodies(client, "T") == ["left"] })
            await (firstGoes ? second : first).shutdown()
        }
    }

    /// A broker asks for everything at once; checks come a few at a time.
    @Test func checksAreFewAtATime() async throws {
        try await withCluster { client, _ in
            let running = Mutex((now: 0, most: 0))
            let producer = TransactionProducer(group: "P", client: client) { _ in
                running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                defer { running.withLock { $0.now -= 1 } }
                try await Task.sleep(for: .milliseconds(20))
                return .commit
            }
            let wanted = (10..<70).map { "\($0)" }
            for body in wanted {
                _ = try await producer.send(Message(topic: "T", body: Array(body.utf8))) { _ in .unknown }
            }
            let areDelivered = try await eventually { try await bodies(client, "T") == wanted }
            #expect(areDelivered)
            let most = running.withLock { $0.most }
            #expect((2...20).contains(most), "\(most)")
            await producer.shutdown()
        }
    }

    /// What is stored, but not as the mode promises, begins no transaction.
    @Test func aWeakHalfIsRolledBack() async throws {
        let nameserver = try await TestNameserver.start()
        let group = MultiThreadedEventLoopGroup.singleton
        let scripted = ScriptedBroker([.answer(.slaveNotAvailable)])
        let server = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: scripted)
        let registrar = RemotingClient(group: group, logger: quiet)
        try await nameserver.register("a", address: server.start().hostPort, topics: ["t"], by: registrar)
        let client = MQConnection(configuration: .init(nameservers: [nameserver.address]))
        let producer = TransactionProducer(group: "P", client: client) { _ in .unknown }
        let receipt = try await producer.send(Message(topic: "t", body: [1])) { _ in
            Issue.record("the transaction began")
            return .commit
        }
        #expect(receipt.outcome == .rollback && receipt.half.status == .slaveNotAvailable)
        let properties = try #require(scripted.sends.first).properties
        #expect(MessageProperties(text: properties)[PropertyName.producerGroup] == "P")
        await producer.shutdown()
        await client.shutdown()
        await registrar.shutdown()
        await nameserver.service.shutdown()
        await server.shutdown()
    }
}
