import Foundation
import MQBroker
import MQClient
import MQNameserver
import Synchronization
import Testing

/// Push consumers against a real nameserver and a real broker.
@Suite struct PushConsumerTests {
    /// What handlers got, in their order.
    private final class Inbox: Sendable {
        private let messages = Mutex<[ReceivedMessage]>([])
        var all: [ReceivedMessage] { messages.withLock { $0 } }
        var bodies: [String] { all.map { String(decoding: $0.body, as: UTF8.self) } }
        func add(_ new: [ReceivedMessage]) { messages.withLock { $0 += new } }
    }

    private func withCluster(_ body: (String, MQConnection) async throws -> Void) async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(configuration: .init(nameservers: [nameserver.address]))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        try await body(nameserver.address, client)
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    /// Sends and waits until the nameserver lists the topic, so that consumers need not wait for their next poll.
    private func send(_ bodies: [String], to topic: String, tags: String? = nil, by client: MQConnection) async throws {
        let producer = Producer(group: "p", client: client)
        for body in bodies { _ = try await producer.send(Message(topic: topic, body: Array(body.utf8), tags: tags)) }
        let consumer = PullConsumer(group: "probe", client: client)
        #expect(
            try await eventually {
                do { return try await consumer.queues(for: topic).count > 0 } catch MQClientError.topicNotFound {
                    return false
                }
            })
        await consumer.shutdown()
    }

    private func settings(_ group: String) -> PushConsumerConfiguration {
        PushConsumerConfiguration(
            group: group, startsFrom: .beginning, hold: .seconds(1), rebalanceInterval: .milliseconds(200),
            commitInterval: .milliseconds(200))
    }

    /// Runs a consumer beside `body`, and ends it afterwards.
    private func running(
        _ consumer: PushConsumer,
        handler: @escaping @Sendable ([ReceivedMessage]) async throws -> ConsumeOutcome,
        _ body: () async throws -> Void
    ) async throws {
        let task = Task { try await consumer.run(handler) }
        do {
            try await body()
        } catch {
            task.cancel()
            try? await task.value
            throw error
        }
        task.cancel()
        try await task.value
    }

    @Test func everyMessageComesOnceAndTheGroupGoesOnWhereItWas() async throws {
        try await withCluster { _, client in
            let first = (0..<200).map { "m\($0)" }
            try await send(first, to: "push", by: client)
            let inbox = Inbox()
            let consumer = PushConsumer(settings("g"), client: client)
            await consumer.subscribe(to: "push")
            try await running(
                consumer,
                handler: {
                    inbox.add($0); return .done
                }
            ) {
                #expect(await eventually { inbox.all.count >= 200 })
            }
            #expect(inbox.bodies.sorted() == first.sorted())

            try await send(["later"], to: "push", by: client)
            let again = Inbox()
            let second = PushConsumer(settings("g"), client: client)
            await second.subscribe(to: "push")
            try await running(
                second,
                handler: {
                    again.add($0); return .done
                }
            ) {
                #expect(await eventually { again.all.count >= 1 })
            }
            #expect(again.bodies == ["later"])
        }
    }

    @Test func tagsAreFiltered() async throws {
        try await withCluster { _, client in
            try await send(["a1", "a2"], to: "tagged", tags: "a", by: client)
            try await send(["b1"], to: "tagged", tags: "b", by: client)
            try await send(["c1"], to: "tagged", tags: "c", by: client)
            let inbox = Inbox()
            let consumer = PushConsumer(settings("g"), client: client)
            await consumer.subscribe(to: "tagged", tags: "a || c")
            try await running(
                consumer,
                handler: {
                    inbox.add($0); return .done
                }
            ) {
                #expect(await eventually { inbox.all.count >= 3 })
            }
            #expect(inbox.bodies.sorted() == ["a1", "a2", "c1"])
        }
    }

    @Test func whatFailedComesAgain() async throws {
        try await withCluster { _, client in
            try await send(["good", "bad"], to: "retried", by: client)
            let inbox = Inbox()
            let consumer = PushConsumer(settings("g"), client: client)
            await consumer.subscribe(to: "retried")
            let handler: @Sendable ([ReceivedMessage]) async throws -> ConsumeOutcome = { messages in
                inbox.add(messages)
                let isBad = messages[0].body == Array("bad".utf8) && messages[0].reconsumeTimes == 0
                return isBad ? .later(delayLevel: 1) : .done
            }
            try await running(consumer, handler: handler) {
                #expect(await eventually(within: .seconds(20)) { inbox.all.count >= 3 })
            }
            let bad = inbox.all.filter { $0.body == Array("bad".utf8) }
            #expect(bad.map(\.reconsumeTimes) == [0, 1])
            #expect(bad.map(\.topic) == ["retried", "retried"])
            #expect(bad.last?.queue.topic == "%RETRY%g")
            #expect(Set(bad.map(\.messageID)).count == 1)
        }
    }

    @Test func membersShareTheQueuesAndTakeOverFromEachOther() async throws {
        try await withCluster { nameserver, client in
            try await send((0..<8).map { "m\($0)" }, to: "shared", by: client)
            let other = MQConnection(configuration: .init(nameservers: [nameserver]))
            let first = PushConsumer(settings("g"), client: client)
            let second = PushConsumer(settings("g"), client: other)
            await first.subscribe(to: "shared")
            await second.subscribe(to: "shared")
            func share(_ consumer: PushConsumer) async -> [Int32] {
                await consumer.assignment.filter { $0.topic == "shared" }.map(\.queueID)
            }
            try await running(first, handler: { _ in .done }) {
                #expect(await eventually { await share(first) == [0, 1, 2, 3] })
                try await running(second, handler: { _ in .done }) {
                    #expect(
                        await eventually {
                            let (mine, theirs) = (await share(first), await share(second))
                            return mine.count == 2 && theirs.count == 2 && Set(mine + theirs).count == 4
                        })
                }
                #expect(await eventually { await share(first) == [0, 1, 2, 3] })
            }
            await other.shutdown()
        }
    }

    @Test func aBroadcastReachesEveryMemberAndEachKeepsItsPlace() async throws {
        try await withCluster { nameserver, client in
            try await send(["x", "y", "z"], to: "all", by: client)
            let folder = try temporaryFolder()
            let other = MQConnection(configuration: .init(nameservers: [nameserver]))
            var mine = settings("g")
            mine.messageModel = .broadcasting
            mine.offsetFolder = folder
            var theirs = mine
            theirs.offsetFolder = nil
            let (inbox, others) = (Inbox(), Inbox())
            let first = PushConsumer(mine, client: client)
            let second = PushConsumer(theirs, client: other)
            await first.subscribe(to: "all")
            await second.subscribe(to: "all")
            try await running(
                first,
                handler: {
                    inbox.add($0); return .done
                }
            ) {
                try await running(
                    second,
                    handler: {
                        others.add($0); return .done
                    }
                ) {
                    #expect(await eventually { inbox.all.count >= 3 && others.all.count >= 3 })
                }
            }
            #expect(inbox.bodies.sorted() == ["x", "y", "z"])
            #expect(others.bodies.sorted() == ["x", "y", "z"])

            try await send(["new"], to: "all", by: client)
            let again = Inbox()
            let third = PushConsumer(mine, client: client)
            await third.subscribe(to: "all")
            try await running(
                third,
                handler: {
                    again.add($0); return .done
                }
            ) {
                #expect(await eventually { again.all.count >= 1 })
            }
            #expect(again.bodies == ["new"])
            removeFolder(folder)
            await other.shutdown()
        }
    }

    @Test func anOrderlyQueueTriesAgainBeforeItGoesOn() async throws {
        try await withCluster { _, client in
            let producer = Producer(group: "p", client: client)
            _ = try await producer.send(Message(topic: "ordered", body: Array("0".utf8)))
            try await send([], to: "ordered", by: client)
            let queue = try #require(try await producer.queues(for: "ordered").first)
            let consumer = PullConsumer(group: "probe", client: client)
            let before = try await consumer.maxOffset(of: queue)
            for number in 1...20 {
                _ = try await producer.send(Message(topic: "ordered", body: Array("\(number)".utf8)), to: queue)
            }
            let inbox = Inbox()
            let failures = Mutex(0)
            var settings = settings("g")
            settings.order = .orderly
            settings.orderlyPause = .milliseconds(20)
            let push = PushConsumer(settings, client: client)
            await push.subscribe(to: "ordered")
            let handler: @Sendable ([ReceivedMessage]) async throws -> ConsumeOutcome = { messages in
                if messages[0].body == Array("7".utf8),
                    failures.withLock({
                        $0 += 1; return $0 < 4
                    })
                {
                    return .later()
                }
                inbox.add(messages)
                return .done
            }
            try await running(push, handler: handler) {
                #expect(await eventually { inbox.all.filter { $0.queue == queue }.count >= 20 + Int(before) })
            }
            let numbers = inbox.all.filter { $0.queue == queue }.suffix(20).map {
                String(decoding: $0.body, as: UTF8.self)
            }
            #expect(numbers == (1...20).map { "\($0)" })
            #expect(failures.withLock { $0 } == 4)
            await consumer.shutdown()
        }
    }

    @Test func topicsComeAndGoAndChange() async throws {
        try await withCluster { _, client in
            try await send(["a1"], to: "one", tags: "a", by: client)
            try await send(["b1"], to: "one", tags: "b", by: client)
            try await send(["x"], to: "two", by: client)
            let inbox = Inbox()
            var settings = settings("g")
            // Only the change itself leads to a round.
            settings.rebalanceInterval = .seconds(3600)
            let consumer = PushConsumer(settings, client: client)
            await consumer.subscribe(to: "one", tags: "a")
            try await running(
                consumer,
                handler: {
                    inbox.add($0); return .done
                }
            ) {
                #expect(await eventually { inbox.bodies == ["a1"] })
                await consumer.subscribe(to: "two")
                #expect(await eventually { inbox.bodies == ["a1", "x"] })
                await consumer.subscribe(to: "one", tags: "b")
                // What lay before was passed with the old wish; what comes now is wanted by the new one.
                #expect(
                    await eventually {
                        try? await send(["a2"], to: "one", tags: "a", by: client)
                        try? await send(["b2"], to: "one", tags: "b", by: client)
                        return inbox.bodies.contains("b2")
                    })
                await consumer.unsubscribe(from: "two")
                #expect(await eventually { await consumer.assignment.allSatisfy { $0.topic != "two" } })
            }
            #expect(inbox.bodies.filter { $0 == "x" } == ["x"])
        }
    }

    /// Who does not finish what it got is not given more than its limits allow; when it does, it gets the rest.
    @Test(arguments: ["messages", "bytes", "span"])
    func aSlowHandlerHoldsLittle(_ limit: String) async throws {
        try await withCluster { _, client in
            try await send(["0"], to: "slow", by: client)
            let producer = Producer(group: "p", client: client)
            let queue = try #require(try await producer.queues(for: "slow").first)
            let probe = PullConsumer(group: "probe", client: client)
            let first = try await probe.maxOffset(of: queue)
            for number in 0..<40 {
                try await producer.send(Message(topic: "slow", body: Array("\(100 + number)".utf8)), to: queue)
            }
            var settings = settings("g")
            settings.strategy = .fixed([queue])
            settings.concurrency = 100
            settings.pullBatch = 2
            switch limit {
            case "messages": settings.bufferedMessages = 5
            case "bytes": settings.bufferedBytes = 5 * 3
            default: settings.bufferedSpan = 5
            }
            let latch = Latch()
            let inbox = Inbox()
            let hanging = first
            let consumer = PushConsumer(settings, client: client)
            await consumer.subscribe(to: "slow")
            let handler: @Sendable ([ReceivedMessage]) async throws -> ConsumeOutcome = { messages in
                inbox.add(messages)
                // Of the span only the first one hangs: the others are done, and still not everything is read.
                if limit != "span" || messages[0].queueOffset == hanging { await latch.wait() }
                return .done
            }
            try await running(consumer, handler: handler) {
                let mine = { inbox.all.filter { $0.queueOffset >= hanging }.count }
                #expect(await eventually { mine() >= 5 })
                try await Task.sleep(for: .milliseconds(300))
                // A pull brings two: the limit may be passed by one.
                #expect((5...6).contains(mine()), "\(mine())")
                await latch.open()
                #expect(await eventually { mine() == 40 })
            }
            await probe.shutdown()
        }
    }

    private actor Latch {
        private var isOpen = false
        private var waiting: [CheckedContinuation<Void, Never>] = []

        func wait() async {
            guard !isOpen else { return }
            await withCheckedContinuation { waiting.append($0) }
        }

        func open() {
            isOpen = true
            for continuation in waiting { continuation.resume() }
        }
    }

    /// Its pulls are held for a minute; its end does not wait for them, and what is done is committed all the same.
    @Test(arguments: [PushConsumerConfiguration.Order.concurrent, .orderly])
    func cancellationEndsItPromptly(_ order: PushConsumerConfiguration.Order) async throws {
        try await withCluster { _, client in
            try await send(["a"], to: "held", by: client)
            let inbox = Inbox()
            var settings = settings("g")
            settings.order = order
            settings.hold = .seconds(60)
            settings.commitInterval = .seconds(3600)
            let consumer = PushConsumer(settings, client: client)
            await consumer.subscribe(to: "held")
            var start = ContinuousClock.now
            try await running(
                consumer,
                handler: {
                    inbox.add($0); return .done
                }
            ) {
                #expect(await eventually { inbox.bodies == ["a"] })
                start = .now
            }
            #expect(ContinuousClock.now - start < .seconds(15))
            let probe = PullConsumer(group: "g", client: client)
            let queue = try #require(inbox.all.first?.queue)
            #expect(try await probe.committedOffset(of: queue) == 1)
            await probe.shutdown()
        }
    }

    @Test func damagedOffsetsAreNotTakenForNone() async throws {
        let client = MQConnection(configuration: .init(nameservers: ["127.0.0.1:1"]))
        let folder = try temporaryFolder()
        try Data("{ no offsets".utf8).write(to: URL(fileURLWithPath: folder + "/g.offsets.json"))
        var settings = settings("g")
        settings.messageModel = .broadcasting
        settings.offsetFolder = folder
        let consumer = PushConsumer(settings, client: client)
        await consumer.subscribe(to: "t")
        let error = await #expect(throws: MQClientError.self) { try await consumer.run { _ in .done } }
        #expect(error?.description.contains("g.offsets.json") == true)
        removeFolder(folder)
        await client.shutdown()
    }

    /// To brokers a client is one member of a group, so that a second consumer would read the same queues.
    @Test func aGroupHasOneConsumerOnAConnection() async throws {
        try await withCluster { _, client in
            try await send(["a"], to: "single", by: client)
            let inbox = Inbox()
            let first = PushConsumer(settings("g"), client: client)
            let second = PushConsumer(settings("g"), client: client)
            let lite = LitePullConsumer(.init(group: "g"), client: client)
            await first.subscribe(to: "single")
            await second.subscribe(to: "single")
            let handler: @Sendable ([ReceivedMessage]) async throws -> ConsumeOutcome = {
                inbox.add($0)
                return .done
            }
            try await running(first, handler: handler) {
                #expect(await eventually { inbox.bodies == ["a"] })
                let error = await #expect(throws: MQClientError.self) { try await second.run(handler) }
                #expect(error?.description.contains("group g has a consumer") == true)
                await #expect(throws: MQClientError.self) { try await lite.subscribe(to: "single") }
                await lite.shutdown()
                // Nor does who only looks take it along.
                let reader = PullConsumer(group: "g", client: client)
                _ = try await reader.queues(for: "single")
                await reader.shutdown()
                #expect(try await MQAdmin(client: client).consumers(of: "g")?.connections.count == 1)
                // The first one has not noticed.
                try await send(["b"], to: "single", by: client)
                #expect(await eventually { inbox.bodies == ["a", "b"] })
            }
            try await running(second, handler: handler) {
                try await send(["c"], to: "single", by: client)
                #expect(await eventually { inbox.bodies == ["a", "b", "c"] })
            }
        }
    }

    /// Its broker goes and comes again elsewhere, with its store: reading goes on where it was.
    @Test func readingGoesOnWhenTheBrokerIsBack() async throws {
        let nameserver = try await TestNameserver.start()
        let broker = try await TestBroker.start(nameserver: nameserver.address)
        let client = MQConnection(
            configuration: .init(
                nameservers: [nameserver.address], routePollInterval: .milliseconds(200), requestTimeout: .seconds(5)))
        let admin = MQAdmin(client: client)
        #expect(try await eventually { try await admin.clusterInfo().brokers["broker-a"] != nil })
        try await send(["before"], to: "T", by: client)
        let inbox = Inbox()
        let consumer = PushConsumer(settings("g"), client: client)
        await consumer.subscribe(to: "T")
        try await running(
            consumer,
            handler: {
                inbox.add($0); return .done
            }
        ) {
            #expect(await eventually { inbox.bodies == ["before"] })
            await broker.service.shutdown()
            let again = try await TestBroker.start(nameserver: nameserver.address) { $0.storeRoot = broker.folder }
            let producer = Producer(group: "p", client: client)
            #expect(
                await eventually {
                    (try? await producer.send(Message(topic: "T", body: Array("after".utf8)), attempts: 1)) != nil
                })
            #expect(await eventually { inbox.bodies.contains("after") })
            await again.service.shutdown()
        }
        // An attempt without an answer may have stored it once more; what came before comes at most once again.
        #expect(Set(inbox.bodies) == ["before", "after"])
        await client.shutdown()
        await broker.stop()
        await nameserver.service.shutdown()
    }

    @Test func nonsenseIsRefused() async throws {
        let client = MQConnection(configuration: .init(nameservers: ["127.0.0.1:1"]))
        var settings = settings("g")
        let silent = PushConsumer(settings, client: client)
        await #expect(throws: MQClientError.self) { try await silent.run { _ in .done } }
        settings.pullBatch = 0
        let greedy = PushConsumer(settings, client: client)
        await greedy.subscribe(to: "t")
        await #expect(throws: MQClientError.self) { try await greedy.run { _ in .done } }
        settings.pullBatch = 32
        settings.hold = .zero
        let restless = PushConsumer(settings, client: client)
        await restless.subscribe(to: "t")
        await #expect(throws: MQClientError.self) { try await restless.run { _ in .done } }
        await client.shutdown()
    }
}
