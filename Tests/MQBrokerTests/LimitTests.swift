import MQStore
import MQTransport
import MQWire
import NIOCore
import Testing

@testable import MQBroker

/// What a broker does not do for whoever asks: permissions of the whole broker, and limits of what clients may make.
@Suite struct LimitTests {
    private func setPermission(_ bits: Int, of test: TestBroker) async throws {
        let body = ByteBuffer(string: "brokerPermission=\(bits)\n")
        #expect(try await test.call(.request(.updateBrokerConfig, body: body)).responseCode == .success)
    }

    @Test func aBrokerMayBeClosedForReadersOrForWriters() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            let sent = try await test.send("T", body: "m")
            let place = try #require(sent.extFields["msgId"].flatMap { OffsetMessageID($0) }).logOffset
            let back = ConsumerSendMessageBackRequestHeader(
                offset: place, group: "G", delayLevel: -1, maxReconsumeTimes: 3)
            func end() async throws -> String? {
                let answer = try await test.call(RemotingCommand(code: RequestCode.getBrokerRuntimeInfo.rawValue))
                return try TextTable(decoding: answer.body).texts["commitLogMaxOffset"]
            }

            try await setPermission(2, of: test)
            let pull = try await test.pull("T", from: 0)
            #expect(pull.responseCode == .noPermission && pull.body == nil)
            #expect(pull.remark?.contains("broker") == true, "\(pull.remark ?? "")")

            try await setPermission(4, of: test)
            #expect(try await test.bodies(test.pull("T", from: 0)) == ["m"])
            let before = try await end()
            let refused = try await test.call(.request(.consumerSendMessageBack, back))
            #expect(refused.responseCode == .noPermission)
            #expect(try await end() == before)

            try await setPermission(6, of: test)
            #expect(try await test.call(.request(.consumerSendMessageBack, back)).responseCode == .success)
            #expect(try await test.bodies(test.pull("%DLQ%G", from: 0)) == ["m"])
        }
    }

    /// Request 308: the least offset that any group has of each queue; the largest number there is for who lies behind.
    @Test func correctionsAreTheLeastOfTheGroups() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for number in 0..<8 { _ = try await test.send("T", 1, body: "m\(number)") }
            for (group, offset) in [("A", Int64(3)), ("B", 5), ("C", 7)] {
                let commit = UpdateConsumerOffsetRequestHeader(
                    consumerGroup: group, topic: "T", queueID: 1, commitOffset: offset)
                #expect(try await test.call(.request(.updateConsumerOffset, commit)).responseCode == .success)
            }
            func corrections(_ group: String, leavingOut others: String? = nil) async throws -> String {
                var request = RemotingCommand.request(.queryCorrectionOffset)
                request.extFields = ["topic": "T", "compareGroup": group]
                request.extFields["filterGroups"] = others
                return try await test.call(request).body.map { String(buffer: $0) } ?? ""
            }
            #expect(try await corrections("B") == #"{"correctionOffsets":{"1":3}}"#)
            #expect(try await corrections("C", leavingOut: "A") == #"{"correctionOffsets":{"1":5}}"#)
            #expect(try await corrections("A", leavingOut: "A") == #"{"correctionOffsets":{"1":9223372036854775807}}"#)
            #expect(try await corrections("A", leavingOut: "A,B,C") == #"{"correctionOffsets":{}}"#)
            #expect(try await corrections("nobody") == #"{"correctionOffsets":{"1":3}}"#)
        }
    }

    /// A costly condition looks into fewer messages with each pull; the consumer goes on where the last one stopped.
    @Test func aCostlyConditionLooksAtFewMessagesAtOnce() async throws {
        let costly = (0..<1000).map { "n = \($0 + 1000)" }.joined(separator: " OR ")
        let filter = try MessageFilter(expression: costly, type: "SQL92")
        #expect(filter.looksPerPull < 200 && filter.looksPerPull >= 64)
        #expect(try MessageFilter(expression: "n = 1", type: "SQL92").looksPerPull == QueueRequest.scanLimit)
        #expect(try MessageFilter(expression: "a || b", type: "TAG").looksPerPull == QueueRequest.scanLimit)
        try await TestBroker.run { (test: TestBroker) async throws in
            for number in 0..<200 {
                _ = try await test.send("T", body: "m\(number)", properties: ["n": "\(number == 150 ? 1000 : number)"])
            }
            var (offset, found, pulls) = (Int64(0), [String](), 0)
            while offset < 200 {
                let header = PullMessageRequestHeader(
                    consumerGroup: "G", topic: "T", queueID: 0, queueOffset: offset, maxMessages: 32,
                    sysFlag: PullMessageRequestHeader.subscriptionFlag, suspendTimeoutMilliseconds: 0,
                    subscription: costly, expressionType: "SQL92")
                let answer = try await test.call(.request(.pullMessage, header))
                let next = try #require(answer.extFields["nextBeginOffset"].flatMap { Int64($0) })
                // A piece is looked into whole, which is 32 messages here.
                #expect(next > offset && next - offset < filter.looksPerPull + 32)
                if answer.responseCode == .success { found += try test.bodies(answer) }
                (offset, pulls) = (next, pulls + 1)
            }
            #expect(found == ["m150"] && pulls > 1)
        }
    }

    @Test func clientsMakeFiftyThousandTopicsAtMost() {
        var table = TopicTable(saved: nil, configuration: BrokerConfiguration())
        func make(_ name: String) -> Bool {
            if case .created = table.resolve(name, model: "TBW102", clientQueueNums: 1, nowMilliseconds: 1) {
                return true
            }
            return false
        }
        var made = table.table.topics.count
        while made < 60_000, make("t\(made)") { made += 1 }
        #expect(made == 50_000 && table.isFull)
        // Whatever a client's request would make.
        #expect(!make("%RETRY%G"))
        #expect(table.ensure("%DLQ%G", queues: 1, nowMilliseconds: 2) == .missing)
        // What is there is served, and an operator may go on.
        table.didSave(table.unsaved)
        if case .known = table.resolve("t40000", model: "TBW102", clientQueueNums: 1, nowMilliseconds: 2) {
        } else {
            Issue.record("a topic that is there is not known")
        }
        table.put(TopicConfig(name: "by-hand"), nowMilliseconds: 3)
        #expect(table["by-hand"] != nil && table.table.topics.count == 50_001)
        // One that goes makes room for none while it is above the limit, and for one below.
        for name in ["t40000", "t40001"] {
            let isGone = table.remove(name, nowMilliseconds: 4)
            #expect(isGone)
        }
        #expect(make("new") && !make("newer"))
    }

    @Test func clientsMakeFiftyThousandGroupsAtMost() {
        var table = SubscriptionGroupTable()
        for number in 0..<50_001 { _ = table.ensure("g\(number)", nowMilliseconds: 1) }
        #expect(table.names.count == 50_000 && table["g50000"] == nil)
        // Beyond, a group has the defaults and is served; it is only not kept.
        let more = table.ensure("one more", nowMilliseconds: 2)
        #expect(more == SubscriptionGroup(name: "one more") && table["one more"] == nil)
        table.put(SubscriptionGroup(name: "by hand"), nowMilliseconds: 3)
        #expect(table["by hand"] != nil)
    }
}
