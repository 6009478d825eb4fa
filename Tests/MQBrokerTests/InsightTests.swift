import MQTransport
import MQWire
import NIOCore
import Testing

@testable import MQBroker

@Suite struct InsightTests {
    private static func text(_ answer: RemotingCommand) -> String {
        answer.body.map { String(buffer: $0) } ?? ""
    }

    private static func queue(_ id: Int32) -> QueueIdentity {
        QueueIdentity(topic: "T", brokerName: "broker-a", queueID: id)
    }

    @Test func toolsSeeWhoIsConnected() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            let consumers = RemotingCommand.request(
                .getConsumerConnectionList, ConsumerGroupRequestHeader(consumerGroup: "G"))
            #expect(try await test.call(consumers).code == 206)
            try await test.heartbeat("one", group: "G", topic: "T")
            let found = try JSONValue(parsing: Self.text(await test.call(consumers)))
            let connection = try #require(found["connectionSet"]?.arrayValue?.first)
            #expect(connection["clientId"]?.stringValue == "one")
            #expect(connection["clientAddr"]?.stringValue?.hasPrefix("127.0.0.1:") == true)
            #expect(connection["language"]?.stringValue == "OTHER" && connection["version"]?.integerValue != nil)
            #expect(found["messageModel"]?.stringValue == "CLUSTERING")
            #expect(found["subscriptionTable"]?["T"]?["subString"]?.stringValue == "*")

            let producers = RemotingCommand.request(
                .getProducerConnectionList, ProducerGroupRequestHeader(producerGroup: "P"))
            #expect(try await test.call(producers).remark == "the producer group[P] not exist")
            let data = HeartbeatData(clientID: "two", producerGroups: ["P"])
            _ = try await test.call(.request(.heartbeat, body: data.encoded()))
            #expect(try await Self.text(test.call(producers)).contains(#""clientId":"two""#))

            let who = RemotingCommand.request(.queryTopicConsumeByWho, TopicRequestHeader(topic: "T"))
            #expect(try await Self.text(test.call(who)) == #"{"groupList":["G"]}"#)
        }
    }

    @Test func toolsSeeHowFarAGroupIs() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for _ in 0..<3 { _ = try await test.send("T", 1) }
            let commit = UpdateConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 1, commitOffset: 2)
            _ = try await test.call(.request(.updateConsumerOffset, commit))
            for topic in ["T", nil] {
                let header = ConsumeStatsRequestHeader(consumerGroup: "G", topic: topic)
                let stats = try await QueueTable(decoding: test.call(.request(.getConsumeStats, header)).body)
                #expect(stats.entries.map(\.queue) == (0..<4).map(Self.queue))
                #expect(stats.entries[1].value["brokerOffset"] == 3 && stats.entries[1].value["consumerOffset"] == 2)
                #expect(stats.entries[1].value["lastTimestamp"]?.integerValue ?? 0 > 0)
                #expect(stats.entries[0].value["lastTimestamp"] == 0)
            }
            let request = RemotingCommand.request(.getTopicStats, TopicRequestHeader(topic: "T"))
            let answer = try await test.call(request)
            // Queues are keys, and Apache's tools read them as objects only.
            #expect(
                Self.text(answer).hasPrefix(
                    #"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:{"lastUpdateTimestamp":0,"#))
            let stats = try QueueTable(decoding: answer.body)
            #expect(stats.entries[1].value["maxOffset"] == 3 && stats.entries[1].value["minOffset"] == 0)
            let unknown = RemotingCommand.request(.getTopicStats, TopicRequestHeader(topic: "none"))
            #expect(try await test.call(unknown).responseCode == .topicNotExist)
        }
    }

    @Test(arguments: [(5, 9, false, 5), (9, 5, false, 5), (9, 5, true, 9), (9, nil, false, 9), (0, nil, true, 0)])
    func onlyForceSkips(_ found: Int64, _ committed: Int64?, _ isForced: Bool, _ target: Int64) {
        #expect(ResetProcessor.target(found: found, committed: committed, isForced: isForced) == target)
    }

    @Test func membersAreToldToGoBack() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for _ in 0..<3 { _ = try await test.send("T", 2) }
            let header = ResetOffsetRequestHeader(topic: "T", group: "G", timestamp: 1, isForced: true)
            let request = RemotingCommand.request(.invokeBrokerToResetOffset, header)
            #expect(try await test.call(request).responseCode == .consumerNotOnline)
            try await test.heartbeat("one", group: "G", topic: "T")
            let answer = try await test.call(request)
            #expect(answer.responseCode == .success)
            let expected = QueueTable((0..<4).map { (Self.queue($0), 0) })
            #expect(try QueueTable(decoding: answer.body) == expected)
            #expect(await eventually { test.pushed.requests.contains { $0.code == 220 } })
            let notice = try #require(test.pushed.requests.first { $0.code == 220 })
            #expect(try notice.header(ResetOffsetRequestHeader.self) == header && notice.isOneWay)
            #expect(try QueueTable(decoding: notice.body) == expected)
            let end = ResetOffsetRequestHeader(topic: "T", group: "G", timestamp: -1, isForced: true)
            let ended = try await test.call(.request(.invokeBrokerToResetOffset, end))
            #expect(try QueueTable(decoding: ended.body).entries[2].value == 3)
        }
    }
}

@Suite struct KeyQueryTests {
    private static func bodies(_ answer: RemotingCommand) throws -> [String] {
        let body = try #require(answer.body)
        return try #require(StoredRecord.readAll(body)).map { String(buffer: $0.body) }
    }

    /// The index trails the log: asked until it has the message.
    private static func query(_ test: TestBroker, _ header: QueryMessageRequestHeader) async throws -> RemotingCommand {
        for _ in 0..<100 {
            let answer = try await test.call(.request(.queryMessage, header))
            if answer.responseCode != .queryNotFound { return answer }
            try await Task.sleep(for: .milliseconds(20))
        }
        return try await test.call(.request(.queryMessage, header))
    }

    @Test func messagesAreFoundByKeyAndByUniqueID() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for number in 0..<3 {
                _ = try await test.send(
                    "T", 1, body: "b\(number)", properties: ["UNIQ_KEY": "U\(number)", "KEYS": "all k\(number)"])
            }
            var header = QueryMessageRequestHeader(topic: "T", key: "U2", maxMessages: 1, isUniqueKey: true)
            let answer = try await Self.query(test, header)
            #expect(try Self.bodies(answer) == ["b2"])
            let end = try answer.header(QueryMessageResponseHeader.self)
            #expect(end.indexLastUpdateTimestamp > 0 && end.indexLastUpdateOffset > 0)
            header = QueryMessageRequestHeader(topic: "T", key: "all", maxMessages: 2)
            #expect(try await Self.bodies(Self.query(test, header)) == ["b1", "b2"])
            header.endTimestamp = 1
            #expect(try await test.call(.request(.queryMessage, header)).responseCode == .queryNotFound)
            header = QueryMessageRequestHeader(topic: "T", key: "none", maxMessages: 2)
            #expect(try await test.call(.request(.queryMessage, header)).responseCode == .queryNotFound)
            header = QueryMessageRequestHeader(topic: "T", key: "all", maxMessages: -1)
            #expect(try await test.call(.request(.queryMessage, header)).responseCode == .queryNotFound)
        }
    }
}
