import MQBroker
import MQClient
import MQNameserver
import Synchronization
import Testing

/// Transactional sends against a real broker, and what becomes of those whose producer is gone.
@Suite struct TransactionProducerTests {
    private func withCluster(
        check: Duration = .milliseconds(200), _ body: (MQConnection, String) async throws -> Void
    ) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address) {
            $0.transactionTimeout = .milliseconds(1)
            $0.transactionCheckInterval = check
        }
        let client = MQConnection(
            configuration: .init(nameservers: [nameserver.address], requestTimeout: .seconds(10)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        do { try await body(client, nameserver.address) } catch { Issue.record(error) }
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
            let second = TransactionProducer(group: "P", client: client) { _ in .commit }
            // It sends something, so that its broker hears of it.
            _ = try await second.send(Message(topic: "T", body: Array("own".utf8))) { _ in .commit }
            #expect(try await eventually { try await bodies(client, "T") == ["orphan", "own"] })
            await second.shutdown()
        }
    }
}
