import MQWire
import NIOCore
import Testing

@testable import MQClient

@Suite struct ValueTests {
    @Test func aNameserverIsKeptUntilItFails() {
        var generator = SeededGenerator(seed: 7)
        var choice = NameserverChoice(addresses: ["a", "b", "c"], using: &generator)
        let first = choice.current
        choice.failed("not the current one")
        #expect(choice.current == first)
        var seen: [String] = []
        for _ in 0..<3 {
            guard let current = choice.current else { continue }
            seen.append(current)
            choice.failed(current)
        }
        #expect(Set(seen) == ["a", "b", "c"])
        #expect(choice.current == first)
        var none = NameserverChoice(addresses: [], using: &generator)
        #expect(none.current == nil)
        none.failed("a")
    }

    @Test func differentSeedsStartAtDifferentNameservers() {
        let starts = (0..<20 as Range<UInt64>).map { seed in
            var generator = SeededGenerator(seed: seed)
            return NameserverChoice(addresses: ["a", "b", "c"], using: &generator).current
        }
        #expect(Set(starts).count == 3)
    }

    @Test func clientsWithTheSameSeedGiveDifferentIds() async throws {
        let configuration = MQClientConfiguration(nameservers: [], randomSeed: 1)
        let clients = (0..<4).map { _ in MQConnection(configuration: configuration) }
        let ids = Set(clients.map { $0.ids.next(nowMilliseconds: 0).description })
        #expect(ids.count == 4)
        #expect(Set(clients.map(\.clientID)).count == 4)
        #expect(Set(clients.map { $0.randomStart() }).count == 1)
        for client in clients { await client.shutdown() }
    }

    private func queues(_ names: String...) -> [MessageQueue] {
        names.flatMap { name in (0..<2).map { MessageQueue(topic: "t", brokerName: name, queueID: $0) } }
    }

    @Test func queuesTakeTurns() {
        var rotation = QueueRotation(start: 3)
        let all = queues("a", "b")
        let chosen = (0..<4).compactMap { _ in rotation.next(of: all, avoiding: nil) }
        #expect(chosen.map(\.description) == ["t@b#1", "t@a#0", "t@a#1", "t@b#0"])
        let none = rotation.next(of: [], avoiding: nil)
        #expect(none == nil)
    }

    @Test func aBrokerThatFailedIsAvoidedWhileThereIsAnother() {
        var rotation = QueueRotation(start: 0)
        for _ in 0..<10 {
            let queue = rotation.next(of: queues("a", "b"), avoiding: "a")
            #expect(queue?.brokerName == "b")
        }
        let only = rotation.next(of: queues("a"), avoiding: "a")
        #expect(only?.brokerName == "a")
        var edge = QueueRotation(start: .max)
        for _ in 0..<5 {
            let queue = edge.next(of: queues("a", "b"), avoiding: nil)
            #expect(queue != nil)
        }
    }

    private func route(permission: TopicPermission = .readWrite, addresses: [Int64: String]) -> TopicRoute {
        TopicRoute(
            topic: "t",
            data: TopicRouteData(
                queueDatas: [
                    QueueData(brokerName: "a", readQueueNums: 3, writeQueueNums: 2, permission: permission)
                ],
                brokerDatas: [BrokerData(cluster: "c", brokerName: "a", addresses: addresses)]))
    }

    @Test func queuesFollowPermissionsAndBrokers() {
        let full = route(addresses: [0: "m", 1: "s"])
        #expect(full.writableQueues.count == 2)
        #expect(full.readableQueues.count == 3)
        let slaveOnly = route(addresses: [1: "s"])
        #expect(slaveOnly.writableQueues.isEmpty)
        #expect(slaveOnly.readableQueues.count == 3)
        #expect(route(permission: .read, addresses: [0: "m"]).writableQueues.isEmpty)
        #expect(route(permission: .write, addresses: [0: "m"]).readableQueues.isEmpty)
        #expect(route(addresses: [:]).readableQueues.isEmpty)
        let template = full.asTemplate(for: "new", queues: 1)
        #expect(template.writableQueues == [MessageQueue(topic: "new", brokerName: "a", queueID: 0)])
    }

    @Test(
        arguments: [
            (nil, "m"), (0, "m"), (2, "s2"), (9, "m"),
        ] as [(Int64?, String)])
    func readsGoWhereTheBrokerSuggests(_ suggestion: Int64?, _ address: String) {
        let set = BrokerSet(name: "a", cluster: "c", addresses: [0: "m", 1: "s1", 2: "s2"])
        #expect(set.readAddress(suggestedID: suggestion) == address)
    }

    @Test func withoutMasterTheFirstSlaveIsRead() {
        let set = BrokerSet(name: "a", cluster: "c", addresses: [2: "s2", 1: "s1"])
        #expect(set.readAddress(suggestedID: 0) == "s1")
        #expect(BrokerSet(name: "a", cluster: "c", addresses: [:]).readAddress(suggestedID: nil) == nil)
    }

    @Test func groupsAreCountedAndAnnounced() {
        var groups = GroupRegistry()
        groups.addProducer("p")
        groups.addProducer("p")
        groups.addConsumer("c")
        let answer1 = groups.subscribe("c", to: "t")
        #expect(answer1)
        let answer2 = groups.subscribe("c", to: "t")
        #expect(!answer2)
        let heartbeat = groups.heartbeat(clientID: "me")
        #expect(heartbeat.producerGroups == ["p"])
        #expect(heartbeat.consumers.first?.subscriptions.map(\.topic) == ["t"])
        let answer3 = groups.removeProducer("p")
        #expect(!answer3)
        let answer4 = groups.removeProducer("p")
        #expect(answer4)
        let answer5 = groups.removeConsumer("c")
        #expect(answer5)
        #expect(groups.isEmpty)
    }

    /// Who reads queues by hand beside a consumer that has announced itself does not take it along when it goes.
    @Test func whoGoesLeavesTheOthersOfItsGroup() {
        var groups = GroupRegistry()
        groups.addConsumer("c")
        groups.announce(ConsumerData(groupName: "c", subscriptions: [SubscriptionData(topic: "t")]))
        let isLast = groups.removeConsumer("c")
        #expect(!isLast && groups.heartbeat(clientID: "me").consumers.first?.subscriptions.map(\.topic) == ["t"])
        groups.addConsumer("c")
        let isLastNow = groups.withdraw("c")
        #expect(!isLastNow && groups.heartbeat(clientID: "me").consumers.first?.subscriptions.isEmpty == true)
        let isLastAtTheEnd = groups.removeConsumer("c")
        #expect(isLastAtTheEnd && groups.isEmpty)
    }

    @Test func messagesAreCheckedAndGivenTheirId() throws {
        let ids = UniqueMessageIDGenerator(address: [10, 0, 0, 1], processID: 1, loaderHash: 2)
        let message = Message(topic: "t", body: [1, 2], tags: "a", keys: ["k1", "k2"], properties: ["x": "y"])
        let prepared = try PreparedSend(message, ids: ids)
        let queue = MessageQueue(topic: "t", brokerName: "b", queueID: 3)
        let command = prepared.command(for: queue, group: "g", configuration: .init(nameservers: []))
        let header = try SendMessageRequestHeader(request: command)
        let properties = MessageProperties(text: header.properties)
        #expect(properties["TAGS"] == "a")
        #expect(properties["KEYS"] == "k1 k2")
        #expect(properties["x"] == "y")
        #expect(properties["UNIQ_KEY"] == prepared.messageIDs[0])
        #expect(UniqueMessageID(prepared.messageIDs[0])?.address == [10, 0, 0, 1])
        #expect(header.queueID == 3)
        var own = message
        own.properties["UNIQ_KEY"] = "MINE"
        #expect(try PreparedSend(own, ids: ids).messageIDs[0] == "MINE")
        for bad in [
            Message(topic: "", body: []), Message(topic: String(repeating: "t", count: 128), body: []),
            Message(topic: "t", body: [UInt8](repeating: 0, count: Producer.bodyLimitBytes + 1)),
            Message(topic: "t", body: [], properties: ["a": "b\u{1}"]),
        ] {
            let error = #expect(throws: MQClientError.self) { try PreparedSend(bad, ids: ids) }
            #expect(error?.outcome == .notSent)
        }
    }

    private func received(_ body: ByteBuffer, _ flag: SysFlag) throws -> ReceivedMessage {
        let host = RecordHost(address: [127, 0, 0, 1], port: 1)
        let draft = RecordDraft(
            topic: "t", queueID: 0, sysFlag: flag, bornTimestamp: 0, bornHost: host, storeHost: host, body: body)
        var bytes = ByteBuffer()
        draft.encode(into: &bytes, queueOffset: 0, logOffset: 0, storeTimestamp: 0)
        guard case .record(let record) = StoredRecord.read(from: &bytes) else {
            throw MQClientError.invalid(reason: "no record")
        }
        return ReceivedMessage(record, queue: MessageQueue(topic: "t", brokerName: "b", queueID: 0))
    }

    @Test func aCompressedBodyIsUnpackedOnDemand() throws {
        let text = String(repeating: "ab", count: 1000)
        let packed = Zlib.deflate(ByteBuffer(string: text))
        #expect(packed.readableBytes < 200)
        let message = try received(packed, .compressed)
        #expect(message.body.count == packed.readableBytes && message.isCompressed)
        #expect(try message.content() == Array(text.utf8))
        #expect(try message.content(limitBytes: 2000).count == 2000)
        #expect(throws: MQClientError.self) { try message.content(limitBytes: 1999) }
        // What only says that it is compressed.
        let wrong = try received(ByteBuffer(string: text), .compressed)
        #expect(throws: MQClientError.self) { try wrong.content() }
        #expect(try received(ByteBuffer(string: text), []).content() == Array(text.utf8))
    }
}
