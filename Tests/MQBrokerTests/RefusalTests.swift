import MQTransport
import MQWire
import NIOCore
import Testing

@testable import MQBroker

/// What RocketMQ 4.9.8's broker refuses or corrects, seen there with the same requests.
@Suite struct RefusalTests {
    private static func topic(_ name: String) -> RemotingCommand {
        .request(
            .updateAndCreateTopic,
            CreateTopicRequestHeader(
                topic: name, defaultTopic: "TBW102", readQueueNums: 1, writeQueueNums: 1, perm: 6,
                topicFilterType: "SINGLE_TAG"))
    }

    /// Without them delays, transactions or automatic topics would end.
    @Test func theSystemsTopicsAreNobodysToChange() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for name in [
                "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "TBW102", "DefaultCluster", "broker-a", "rmq_sys_x",
            ] {
                let deletion = RemotingCommand.request(.deleteTopicInBroker, TopicRequestHeader(topic: name))
                for request in [Self.topic(name), deletion] {
                    let answer = try await test.call(request)
                    #expect(answer.responseCode == .systemError, "\(name): \(request.code)")
                }
            }
            #expect(try await test.call(Self.topic("mine")).responseCode == .success)
            _ = try await test.send("T", body: "later", properties: ["DELAY": "1"])
            #expect(try await eventually { try await test.bodies(test.pull("T", from: 0)) == ["later"] })
        }
    }

    @Test(arguments: ["SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "SCHEDULE_TOPIC_XXXX"])
    func onlyTheBrokerWritesToItsOwn(name: String) async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            #expect(try await test.send(name).responseCode == .noPermission)
        }
    }

    @Test func aRefusedSendBearsTheMarksOfASend() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for (topic, queueID, code) in [("a b", 0, ResponseCode.systemError), ("T", 99, .systemError)] {
                let answer = try await test.send(topic, Int32(queueID))
                #expect(answer.responseCode == code)
                #expect(answer.extFields["TRACE_ON"] == "true" && answer.extFields["MSG_REGION"] == "DefaultRegion")
            }
        }
    }

    @Test func aGroupThatMayNotBroadcastIsRefused() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            _ = try await test.send("T")
            var group = SubscriptionGroup(name: "G")
            group.broadcastEnabled = false
            _ = try await test.call(.request(.updateAndCreateSubscriptionGroup, body: group.encoded()))
            for (model, code) in [(MessageModel.broadcasting, ResponseCode.noPermission), (.clustering, .success)] {
                let member = ConsumerData(
                    groupName: "G", messageModel: model, subscriptions: [SubscriptionData(topic: "T")])
                let data = HeartbeatData(clientID: "one", consumers: [member])
                _ = try await test.call(.request(.heartbeat, body: data.encoded()))
                let header = PullMessageRequestHeader(
                    consumerGroup: "G", topic: "T", queueID: 0, queueOffset: 0, maxMessages: 1, sysFlag: 0)
                #expect(try await test.call(.request(.pullMessage, header)).responseCode == code, "\(model)")
            }
        }
    }

    @Test func aDeletedGroupTakesItsOffsetsWhenToldTo() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            _ = try await test.send("T")
            let commit = UpdateConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 0, commitOffset: 1)
            _ = try await test.call(.request(.updateConsumerOffset, commit))
            for (removes, isKept) in [("false", true), ("true", false)] {
                var request = RemotingCommand.request(.deleteSubscriptionGroup)
                request.extFields = ["groupName": "G", "removeOffset": removes]
                #expect(try await test.call(request).responseCode == .success)
                let offsets = try await test.call(.request(.getAllConsumerOffset)).body.map { String(buffer: $0) } ?? ""
                #expect(offsets.contains("T@G") == isKept, "removeOffset=\(removes)")
            }
        }
    }

    /// The native client's JSON has no objects for keys.
    @Test func aNativeMemberIsResetInItsOwnForm() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            _ = try await test.send("T")
            let member = ConsumerData(groupName: "G", subscriptions: [SubscriptionData(topic: "T")])
            var heartbeat = RemotingCommand.request(
                .heartbeat, body: HeartbeatData(clientID: "one", consumers: [member]).encoded())
            heartbeat.language = .cpp
            _ = try await test.call(heartbeat)
            let header = ResetOffsetRequestHeader(topic: "T", group: "G", timestamp: -1, isForced: true)
            #expect(try await test.call(.request(.invokeBrokerToResetOffset, header)).responseCode == .success)
            #expect(await eventually { test.pushed.requests.contains { $0.code == 220 } })
            let notice = try #require(test.pushed.requests.first { $0.code == 220 }?.body)
            let first = try JSONValue(parsing: notice)["offsetTable"]?.arrayValue?.first
            #expect(first == ["brokerName": "broker-a", "offset": 1, "queueId": 0, "topic": "T"])
        }
    }

    @Test func toolsAreToldTheRest() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            // Its time is up at once: the level's place shows once it was delivered.
            _ = try await test.send("T", properties: ["DELAY": "1", "KEYS": "k"])
            #expect(try await eventually { try await test.bodies(test.pull("T", from: 0)).count == 1 })
            let info = try await JSONValue(parsing: test.call(.request(.getBrokerRuntimeInfo)).body ?? ByteBuffer())
            #expect(info["table"]?["scheduleMessageOffset_1"]?.stringValue == "1,1")
            var spans = RemotingCommand.request(.queryConsumeTimeSpan)
            spans.extFields = ["topic": "T", "group": "G"]
            let set = try await JSONValue(parsing: test.call(spans).body ?? ByteBuffer())["consumeTimeSpanSet"]
            let times = set?.arrayValue?.compactMap { $0["minTimeStampStr"]?.stringValue } ?? []
            #expect(times.count == 4 && times.allSatisfy { $0.utf8.count == "2026-01-01#00:00:00:000".utf8.count })
            var entries = RemotingCommand.request(.queryConsumeQueue)
            entries.extFields = ["topic": "none", "queueId": "0", "index": "0", "count": "1"]
            let none = try await test.call(entries)
            #expect(none.responseCode == .success && none.body == nil && none.remark?.contains("is not exist") == true)
            let query = QueryMessageRequestHeader(topic: "T", key: "other", maxMessages: 1)
            let answer = try await test.call(.request(.queryMessage, query))
            #expect(answer.responseCode == .queryNotFound)
            _ = try answer.header(QueryMessageResponseHeader.self)
        }
    }
}
