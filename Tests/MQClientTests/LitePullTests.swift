import MQBroker
import MQClient
import MQNameserver
import Synchronization
import Testing

/// Lite-pull consumers against a real nameserver and a real broker.
@Suite struct LitePullTests {
    private func withCluster(_ body: (MQConnection, String) async throws -> Void) async throws {
        try await withBroker { client, nameserver, _ in try await body(client, nameserver) }
    }

    private func withBroker(_ body: (MQConnection, String, TestBroker) async throws -> Void) async throws {
        try await SmallCluster.run(topic: "T") { cluster in
            try await body(cluster.client, cluster.nameserver.address, cluster.broker)
        }
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

    /// By default nothing is committed on its own before the end.
    private static func configuration(
        _ group: String, batch: Int = 32, commitInterval: Duration? = .seconds(3600),
        hold: Duration = .milliseconds(300)
    ) -> LitePullConfiguration {
        LitePullConfiguration(
            group: group, startsFrom: .beginning, batch: batch, hold: hold, commitInterval: commitInterval,
            rebalanceInterval: .milliseconds(200))
    }

    private static func queue(_ number: Int32) -> MessageQueue {
        MessageQueue(topic: "T", brokerName: "broker-a", queueID: number)
    }

    @Test func aGroupGoesOnWhereItWasDone() async throws {
        try await withCluster { client, _ in
            try await send(0..<20, client)
            let first = LitePullConsumer(Self.configuration("G", batch: 3), client: client)
            try await first.subscribe(to: "T")
            var seen: [Int] = []
            while seen.count < 8 { seen += numbers(try await first.poll()) }
            // What the last poll gave is done with this: nothing of it comes again.
            await first.shutdown(isLastDone: true)
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
            try await first.commit()
            #expect(try await first.committedOffset(of: queue) == 2)
            // It dies with the second batch in its hands.
            await dying.shutdown()
            let second = LitePullConsumer(Self.configuration("G"), client: client)
            try await second.assign([queue])
            #expect(numbers(try await second.poll()) == [2, 3])
            await second.shutdown(isLastDone: true)
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

    /// An application that waits for messages ends at once with its task, whatever its broker holds.
    @Test func cancellationEndsTheWaiting() async throws {
        try await withCluster { client, _ in
            let consumer = LitePullConsumer(Self.configuration("G", hold: .seconds(60)), client: client)
            try await consumer.subscribe(to: "T")
            let reading = Task {
                for try await _ in consumer.batches { Issue.record("there is no message") }
            }
            #expect(await eventually { await consumer.assignment.count == 4 })
            var start = ContinuousClock.now
            reading.cancel()
            _ = await reading.result
            #expect(ContinuousClock.now - start < .seconds(15))
            start = .now
            await consumer.shutdown()
            #expect(ContinuousClock.now - start < .seconds(15))
            await #expect(throws: MQClientError.self) { try await consumer.poll() }
        }
    }

    @Test func batchesEndWithTheConsumer() async throws {
        try await withCluster { client, _ in
            let consumer = LitePullConsumer(Self.configuration("G"), client: client)
            try await consumer.assign([Self.queue(0)])
            let reading = Task {
                var seen: [Int] = []
                for try await messages in consumer.batches { seen += numbers(messages) }
                return seen
            }
            try await send(0..<3, client, to: 0)
            // Only what was given before the next call is done; the last one is given and waits.
            #expect(
                try await eventually {
                    try await consumer.commit()
                    return try await consumer.committedOffset(of: Self.queue(0)) == 3
                })
            await consumer.shutdown()
            #expect(try await reading.value == [0, 1, 2])
        }
    }

    @Test func onlyOneTaskPollsAtATime() async throws {
        try await withCluster { client, _ in
            let consumer = LitePullConsumer(Self.configuration("G"), client: client)
            await #expect(throws: MQClientError.self) { try await consumer.poll() }
            try await consumer.assign([Self.queue(0)])
            // Whichever comes second is refused; the first one gets the message.
            async let one = Result { try await consumer.poll(within: .seconds(60)) }
            async let two = Result { try await consumer.poll(within: .seconds(60)) }
            try await send(7..<8, client, to: 0)
            let results = [await one, await two]
            let given = results.compactMap { try? $0.get() }
            #expect(given.map { numbers($0) } == [[7]])
            await consumer.shutdown()
        }
    }

    // MARK: Commits

    @Test func byHandNothingIsCommittedThatWasNotSaid() async throws {
        try await withCluster { client, _ in
            try await send(0..<6, client, to: 0)
            let queue = Self.queue(0)
            let first = LitePullConsumer(Self.configuration("G", batch: 4, commitInterval: nil), client: client)
            try await first.assign([queue])
            let messages = try await first.poll()
            #expect(numbers(messages) == [0, 1, 2, 3])
            try await first.commit(through: messages[1])
            #expect(try await first.committedOffset(of: queue) == 2)
            _ = try await first.poll()
            await first.shutdown()
            #expect(try await first.committedOffset(of: queue) == 2)
            await #expect(throws: MQClientError.self) { try await first.assign([queue]) }

            let second = LitePullConsumer(Self.configuration("G", commitInterval: nil), client: client)
            try await second.assign([queue])
            #expect(numbers(try await second.poll()) == [2, 3, 4, 5])
            try await second.assign([])
            // Another member has it now, as far as this one knows.
            await #expect(throws: MQClientError.self) { try await second.commit(through: messages[3]) }
            #expect(try await second.committedOffset(of: queue) == 2)
            await second.shutdown()
        }
    }

    @Test func whatWasGivenLastComesAgainIfItWasNotDone() async throws {
        try await withCluster { client, _ in
            try await send(0..<4, client, to: 0)
            let first = LitePullConsumer(Self.configuration("G", batch: 2), client: client)
            try await first.assign([Self.queue(0)])
            #expect(numbers(try await first.poll()) == [0, 1])
            #expect(numbers(try await first.poll()) == [2, 3])
            await first.shutdown(isLastDone: false)
            #expect(try await first.committedOffset(of: Self.queue(0)) == 2)
        }
    }

    @Test func whatIsDoneIsCommittedInTime() async throws {
        try await withCluster { client, _ in
            try await send(0..<2, client, to: 0)
            let consumer = LitePullConsumer(
                Self.configuration("G", commitInterval: .milliseconds(50)), client: client)
            try await consumer.assign([Self.queue(0)])
            #expect(numbers(try await consumer.poll()) == [0, 1])
            // The next call says that they are done; while it waits, that is committed.
            let waiting = Task { try await consumer.poll(within: .seconds(60)) }
            #expect(try await eventually { try await consumer.committedOffset(of: Self.queue(0)) == 2 })
            waiting.cancel()
            #expect(try await waiting.value.isEmpty)
            await consumer.shutdown()
        }
    }

    /// A commit that its broker does not take is not silent; what is done stays done.
    @Test func aCommitThatFailsIsSaid() async throws {
        try await withBroker { client, nameserver, broker in
            try await send(0..<2, client, to: 0)
            let quick = MQConnection(
                configuration: .init(nameservers: [nameserver], requestTimeout: .seconds(1)))
            let consumer = LitePullConsumer(Self.configuration("G"), client: quick)
            try await consumer.assign([Self.queue(0)])
            let messages = try await consumer.poll()
            await broker.service.shutdown()
            await #expect(throws: MQClientError.self) { try await consumer.commit(through: messages[1]) }
            await #expect(throws: MQClientError.self) { try await consumer.commit() }
            await consumer.shutdown()
            await quick.shutdown()
        }
    }

    // MARK: Changes

    @Test func aSubscriptionChangesAndGoesOnWhereItWas() async throws {
        try await withCluster { client, _ in
            let producer = Producer(group: "P", client: client)
            for number in 0..<6 {
                try await producer.send(
                    Message(topic: "T", body: Array("\(number)".utf8), tags: number % 2 == 0 ? "even" : "odd"),
                    to: Self.queue(0))
            }
            let consumer = LitePullConsumer(Self.configuration("G", batch: 1), client: client)
            try await consumer.subscribe(to: "T", tags: "even")
            #expect(numbers(try await consumer.poll()) == [0])
            // Whatever was read ahead by the old wish is forgotten.
            try await consumer.subscribe(to: "T", tags: "odd")
            var seen: [Int] = []
            while seen.count < 3 { seen += numbers(try await consumer.poll()) }
            #expect(seen == [1, 3, 5])
            await consumer.unsubscribe(from: "T")
            #expect(await consumer.assignment.isEmpty)
            #expect(try await consumer.poll(within: .milliseconds(100)).isEmpty)
            await consumer.shutdown()
            await producer.shutdown()
        }
    }

    @Test func whatIsTakenAwayIsCommittedFirst() async throws {
        try await withCluster { client, _ in
            try await send(0..<2, client, to: 0)
            try await send(10..<12, client, to: 1)
            let consumer = LitePullConsumer(Self.configuration("G", batch: 1), client: client)
            try await consumer.assign([Self.queue(0)])
            #expect(numbers(try await consumer.poll()) == [0])
            #expect(numbers(try await consumer.poll()) == [1])
            try await consumer.assign([Self.queue(1)])
            #expect(try await consumer.committedOffset(of: Self.queue(0)) == 1)
            #expect(numbers(try await consumer.poll()) == [10])
            try await consumer.assign([Self.queue(0)])
            #expect(numbers(try await consumer.poll()) == [1])
            await consumer.shutdown()
        }
    }

    @Test func whatNobodyWantsIsPassedAndCommitted() async throws {
        try await withCluster { client, _ in
            try await send(0..<3, client, to: 0)
            let consumer = LitePullConsumer(Self.configuration("G"), client: client)
            try await consumer.assign([Self.queue(0)], tags: "other")
            #expect(
                try await eventually {
                    try await consumer.commit()
                    return try await consumer.committedOffset(of: Self.queue(0)) == 3
                })
            #expect(try await consumer.poll(within: .milliseconds(100)).isEmpty)
            await consumer.shutdown()
        }
    }

    // MARK: Failures

    /// Its broker goes and comes again elsewhere, with its store.
    @Test func readingGoesOnWhenTheBrokerIsBack() async throws {
        try await withBroker { client, nameserver, broker in
            try await send(0..<2, client, to: 0)
            let reader = MQConnection(
                configuration: .init(
                    nameservers: [nameserver], routePollInterval: .milliseconds(200), requestTimeout: .seconds(2)))
            let consumer = LitePullConsumer(Self.configuration("G"), client: reader)
            try await consumer.assign([Self.queue(0)])
            #expect(numbers(try await consumer.poll()) == [0, 1])
            await broker.service.shutdown()
            #expect(try await consumer.poll(within: .milliseconds(300)).isEmpty)
            let again = try await TestBroker.start(nameserver: nameserver) { $0.storeRoot = broker.folder }
            let producer = Producer(group: "P", client: reader)
            #expect(
                await eventually {
                    let message = Message(topic: "T", body: Array("2".utf8))
                    return (try? await producer.send(message, to: Self.queue(0))) != nil
                })
            var seen: [Int] = []
            #expect(
                try await eventually {
                    seen += numbers(try await consumer.poll(within: .seconds(1)))
                    return !seen.isEmpty
                })
            // An attempt without an answer may have stored it once more.
            #expect(Set(seen) == [2])
            await producer.shutdown()
            await consumer.shutdown()
            await reader.shutdown()
            await again.service.shutdown()
        }
    }

    @Test func nonsenseIsRefused() async throws {
        let client = MQConnection(configuration: .init(nameservers: ["127.0.0.1:1"]))
        for change: @Sendable (inout LitePullConfiguration) -> Void in [
            { $0.batch = 0 }, { $0.batch = 1025 }, { $0.hold = .zero }, { $0.group = "" },
        ] {
            var settings = Self.configuration("G")
            change(&settings)
            let consumer = LitePullConsumer(settings, client: client)
            let error = await #expect(throws: MQClientError.self) { try await consumer.subscribe(to: "T") }
            #expect(error?.label == "invalid")
        }
        await client.shutdown()
    }
}

extension Result where Failure == any Error {
    /// What an asynchronous call brings.
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
