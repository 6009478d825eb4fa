import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Testing

@testable import MQBroker

@Suite struct GroupTests {
    @Test func anAutomaticTopicHasARouteAtOnce() async throws {
        try await TestBroker.run { test in
            _ = try await test.send("T")
            let request = RemotingCommand.request(.getRouteByTopic, TopicRequestHeader(topic: "T"))
            let found = try await eventually {
                let answer = try await test.client.call(request, to: test.nameserverAddress, timeout: .seconds(5))
                guard answer.responseCode == .success else { return false }
                let route = try TopicRouteData(decoding: answer.body)
                return route.queueDatas.first?.writeQueueNums == 4
                    && route.brokerDatas.first?.masterAddress == test.address
            }
            #expect(found)
        }
    }

    @Test func membersHearOfEachOtherAndOfDepartures() async throws {
        try await TestBroker.run { test in
            try await test.heartbeat("one", group: "G", topic: "T")
            let second = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet)
            try await test.heartbeat("two", group: "G", topic: "T", through: second)
            let list = RemotingCommand.request(.getConsumerListByGroup, ConsumerGroupRequestHeader(consumerGroup: "G"))
            #expect(try await ConsumerList(decoding: test.call(list).body).clientIDs == ["one", "two"])
            func notices() -> Int { test.pushed.requests.filter { $0.code == 40 }.count }
            #expect(await eventually { notices() >= 2 })
            let before = notices()
            await second.shutdown()
            #expect(await eventually { notices() > before })
            #expect(try await ConsumerList(decoding: test.call(list).body).clientIDs == ["one"])
            let leave = UnregisterClientRequestHeader(clientID: "one", consumerGroup: "G")
            #expect(try await test.call(.request(.unregisterClient, leave)).responseCode == .success)
            #expect(try await test.call(list).responseCode == .systemError)
        }
    }

    private static func ask(
        _ test: TestBroker, _ code: RequestCode, _ clientID: String
    ) async throws -> RemotingCommand {
        let queue = QueueIdentity(topic: "T", brokerName: "broker-a", queueID: 0)
        let body = LockBatchRequestBody(consumerGroup: "G", clientID: clientID, queues: [queue])
        return try await test.call(.request(code, body: body.encoded()))
    }

    private static func isLocked(_ test: TestBroker, by clientID: String) async throws -> Bool {
        let answer = try await ask(test, .lockBatchQueues, clientID)
        return try !LockBatchResponseBody(decoding: answer.body).lockedQueues.isEmpty
    }

    @Test func aQueueHasOneHolder() async throws {
        // Throwing calls inside `#expect` alone do not make a closure a throwing one.
        try await TestBroker.run { (test) async throws in
            // Only what there is can be locked.
            #expect(try await !Self.isLocked(test, by: "one"))
            _ = try await test.send("T")
            #expect(try await Self.isLocked(test, by: "one"))
            #expect(try await !Self.isLocked(test, by: "two"))
            #expect(try await Self.ask(test, .unlockBatchQueues, "two").responseCode == .success)
            #expect(try await !Self.isLocked(test, by: "two"))
            #expect(try await Self.ask(test, .unlockBatchQueues, "one").responseCode == .success)
            #expect(try await Self.isLocked(test, by: "two"))
        }
    }

    @Test func offsetsAreKeptAndSearched() async throws {
        try await TestBroker.run { test in
            for _ in 0..<5 { _ = try await test.send("T") }
            let queue = QueueRequestHeader(topic: "T", queueID: 0)
            let query = RemotingCommand.request(
                .queryConsumerOffset, QueryConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 0))
            #expect(try await test.call(query).extFields["offset"] == "0")
            let commit = UpdateConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 0, commitOffset: 3)
            _ = try await test.call(.request(.updateConsumerOffset, commit))
            #expect(try await test.call(query).extFields["offset"] == "3")
            #expect(try await test.call(.request(.getMaxOffset, queue)).extFields["offset"] == "5")
            #expect(try await test.call(.request(.getMinOffset, queue)).extFields["offset"] == "0")
            let search = SearchOffsetRequestHeader(topic: "T", queueID: 0, timestamp: Int64.max / 2)
            #expect(try await test.call(.request(.searchOffsetByTimestamp, search)).extFields["offset"] == "4")
            let earliest = try await test.call(.request(.getEarliestMessageStoreTime, queue))
            #expect(Int64(earliest.extFields["timestamp"] ?? "") ?? 0 > 1_600_000_000_000)
        }
    }

    @Test func aDelayedMessageComesWhenItIsDue() async throws {
        try await TestBroker.run { test in
            let start = ContinuousClock.now
            let answer = try await test.send("T", 2, body: "later", properties: ["DELAY": "1"])
            #expect(answer.responseCode == .success && answer.extFields["queueId"] == "2")
            let pulled = try await test.pull("T", 2, from: 0, holdMilliseconds: 60_000)
            let waited = ContinuousClock.now - start
            #expect(try test.bodies(pulled) == ["later"])
            #expect(waited >= .milliseconds(900) && waited < .seconds(30), "the hold ends after 60 s")
            let record = try #require(StoredRecord.readAll(pulled.body ?? ByteBuffer())?.first)
            #expect(record.properties["REAL_TOPIC"] == "T" && record.properties["DELAY"] == "1")
        }
    }

    /// One look is enough for all of them, however many: a level's pace is the store's, and not the tick's.
    @Test func aLevelDeliversAllThatIsDue() async throws {
        try await TestBroker.run({ $0.delayTick = .seconds(3600) }) { (test: TestBroker) async throws in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<20 {
                    tasks.addTask {
                        for _ in 0..<100 { _ = try await test.send("T", 2, properties: ["DELAY": "1"]) }
                    }
                }
                try await tasks.waitForAll()
            }
            // Until the last of them is due.
            try await Task.sleep(for: .milliseconds(1100))
            test.broker.delays?.deliverDue()
            let queue = QueueRequestHeader(topic: "T", queueID: 2)
            let areThere = try await eventually {
                try await test.call(.request(.getMaxOffset, queue)).extFields["offset"] == "2000"
            }
            #expect(areThere)
            // What readers see is there before it is counted as delivered.
            #expect(await eventually { test.broker.delays?.offsets.first == 2000 })
        }
    }

    @Test func whatWasSentBackComesAgainAndThenIsBuried() async throws {
        try await TestBroker.run { test in
            let first = try await test.send("T", body: "again")
            let offset = try #require(OffsetMessageID(first.extFields["msgId"] ?? "")).logOffset
            func sendBack(_ level: Int32, at offset: Int64) async throws {
                let header = ConsumerSendMessageBackRequestHeader(
                    offset: offset, group: "G", delayLevel: level, originMessageID: "unique")
                #expect(try await test.call(.request(.consumerSendMessageBack, header)).responseCode == .success)
            }
            try await sendBack(1, at: offset)
            let retried = try await test.pull("%RETRY%G", from: 0, holdMilliseconds: 10_000)
            let record = try #require(StoredRecord.readAll(retried.body ?? ByteBuffer())?.first)
            #expect(record.reconsumeTimes == 1 && record.properties["RETRY_TOPIC"] == "T")
            #expect(record.properties["ORIGIN_MESSAGE_ID"] == first.extFields["msgId"])
            try await sendBack(-1, at: record.logOffset)
            #expect(try test.bodies(await test.pull("%DLQ%G", from: 0)) == ["again"])
        }
    }

    /// Whatever a client writes into request 36 becomes a topic, a folder and a record: none of it may end the broker,
    /// nor lead out of the store.
    @Test(
        arguments: [
            (String(repeating: "g", count: 200), Int32(-1)), (String(repeating: "g", count: 200), 1),
            ("/../../../../OUTSIDE", -1), ("..", -1), ("a/b", 1), ("nul\u{0}", -1),
        ] as [(String, Int32)])
    func whatCannotBeAGroupIsRefused(_ group: String, _ level: Int32) async throws {
        try await TestBroker.run { test in
            let first = try await test.send("T", body: "m")
            let offset = try #require(OffsetMessageID(first.extFields["msgId"] ?? "")).logOffset
            let header = ConsumerSendMessageBackRequestHeader(offset: offset, group: group, delayLevel: level)
            let answer = try await test.call(.request(.consumerSendMessageBack, header))
            // Two dots alone are a name; with the prefix they are a folder like any other.
            #expect((answer.responseCode == .success) == (group == ".."))
            let data = HeartbeatData(
                clientID: "c",
                consumers: [
                    ConsumerData(
                        groupName: group, consumeType: .passively, messageModel: .clustering,
                        consumeFromWhere: .lastOffset, subscriptions: [])
                ])
            let heartbeat = try await test.call(.request(.heartbeat, body: data.encoded()))
            #expect((heartbeat.responseCode == .success) == (group == ".."))
            #expect(try await test.send("T", body: "still there").responseCode == .success)
        }
    }

    @Test func aLongOriginalIDIsNotTakenOver() async throws {
        try await TestBroker.run { test in
            let first = try await test.send("T", body: "m")
            let offset = try #require(OffsetMessageID(first.extFields["msgId"] ?? "")).logOffset
            let header = ConsumerSendMessageBackRequestHeader(
                offset: offset, group: "G", delayLevel: -1, originMessageID: String(repeating: "m", count: 40_000))
            #expect(try await test.call(.request(.consumerSendMessageBack, header)).responseCode == .success)
            let dead = try await test.pull("%DLQ%G", from: 0)
            let record = try #require(StoredRecord.readAll(dead.body ?? ByteBuffer())?.first)
            #expect(record.properties["ORIGIN_MESSAGE_ID"] == first.extFields["msgId"])
        }
    }

    @Test func aDeletedTopicIsUnknown() async throws {
        try await TestBroker.run({ $0.autoCreateTopics = true }) { test in
            _ = try await test.send("T")
            #expect(
                try await test.call(.request(.deleteTopicInBroker, TopicRequestHeader(topic: "T"))).responseCode
                    == .success)
            #expect(try await test.pull("T", from: 0).responseCode == .topicNotExist)
            _ = try await test.send("T", body: "new")
            #expect(try test.bodies(await test.pull("T", from: 0)) == ["new"])
        }
    }

    @Test func tablesAndSettingsAreTold() async throws {
        try await TestBroker.run { test in
            _ = try await test.send("T")
            #expect(
                try await TopicConfigTable(decoding: test.call(.request(.getAllTopicConfig)).body).topics["T"] != nil)
            let settings = try await test.call(.request(.getBrokerConfig)).body.map { String(buffer: $0) } ?? ""
            #expect(settings.contains("brokerName=broker-a\n") && settings.contains("flushDiskType=ASYNC_FLUSH\n"))
            // RocketMQ's exportConfigs copies these of every broker, and ends with an exception where one is missing.
            for key in [
                "brokerClusterName", "brokerId", "brokerName", "brokerRole", "fileReservedTime", "filterServerNums",
                "flushDiskType", "maxMessageSize", "messageDelayLevel", "msgTraceTopicName", "slaveReadEnable",
                "traceOn", "traceTopicEnable", "useTLS", "autoCreateTopicEnable", "autoCreateSubscriptionGroup",
            ] {
                #expect(settings.contains("\(key)="), "\(key)")
            }
            #expect(
                settings.contains("messageDelayLevel=1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h\n"))
            let info = try await JSONValue(
                parsing: test.call(.request(.getBrokerRuntimeInfo)).body ?? ByteBuffer())
            #expect(info["table"]?["msgPutTotalTodayNow"]?.stringValue == "1")
        }
    }
}
