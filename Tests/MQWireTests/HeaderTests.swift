import MQWire
import Testing

@Suite struct HeaderTests {
    @Test func bothFormsOfASendSayTheSame() throws {
        let long = try SendMessageRequestHeader(request: GoldenFrame.named("SEND_MESSAGE CPP broker JSON sent"))
        #expect(long.topic.hasPrefix("T_"))
        #expect(long.defaultTopic == "TBW102")
        #expect(long.queueID == 0)
        #expect(long.properties.contains("UNIQ_KEY\u{1}"))
        let short = try SendMessageRequestHeader(request: GoldenFrame.named("SEND_MESSAGE_V2 JAVA broker JSON sent"))
        #expect(short.producerGroup == "1795348793301")
        #expect(short.topic == "demo")
        #expect(short.queueID == 3)
        #expect(short.brokerName == "broker-a")
        #expect(!short.batch)
        var request = RemotingCommand(code: RequestCode.sendMessageV2.rawValue, extFields: long.shortFields)
        #expect(try SendMessageRequestHeader(request: request) == long)
        request = RemotingCommand(code: RequestCode.sendMessage.rawValue, extFields: long.fields)
        #expect(try SendMessageRequestHeader(request: request) == long)
    }

    @Test func aPullIsReadFromBothClients() throws {
        let native: PullMessageRequestHeader = try GoldenFrame.named("PULL_MESSAGE CPP broker JSON sent").header()
        #expect(native.suspendTimeoutMilliseconds == 15_000)
        #expect(native.maxMessages == 32)
        #expect(native.allowsHold && native.hasSubscription && !native.commitsOffset)
        let java: PullMessageRequestHeader = try GoldenFrame.named("PULL_MESSAGE JAVA broker ROCKETMQ sent").header()
        #expect(java.topic == "demo")
        #expect(java.subscription == nil)
        let answer: PullMessageResponseHeader = try GoldenFrame.named("PULL_MESSAGE CPP broker JSON answered").header()
        #expect(answer == PullMessageResponseHeader(nextBeginOffset: 1, minOffset: 0, maxOffset: 1))
    }

    @Test func registrationsAreRead() throws {
        let header: RegisterBrokerRequestHeader = try GoldenFrame.named("REGISTER_BROKER").header()
        #expect(header.brokerName == "broker-a")
        #expect(header.brokerID == 0)
        #expect(header.haServerAddress == "127.0.0.1:10912")
        #expect(!header.compressed)
        #expect(header.bodyCRC32 != nil)
    }

    @Test func headersSurviveTheirFields() throws {
        func check<Header: CommandHeader & Equatable>(_ header: Header) throws {
            #expect(try Header(fields: header.fields) == header)
        }
        try check(PullMessageRequestHeader(consumerGroup: "g", topic: "t", queueID: 1, queueOffset: 2, maxMessages: 3))
        try check(SendMessageResponseHeader(messageID: "ID", queueID: 1, queueOffset: 9, transactionID: "x"))
        try check(CreateTopicRequestHeader(topic: "t", readQueueNums: 4, writeQueueNums: 8, order: true))
        try check(UnregisterClientRequestHeader(clientID: "c", consumerGroup: "g"))
        try check(QueryMessageRequestHeader(topic: "t", key: "k", maxMessages: 3, isUniqueKey: true))
        try check(
            EndTransactionRequestHeader(
                producerGroup: "g", tranStateTableOffset: 1, commitLogOffset: 2, commitOrRollback: 8))
        try check(ConsumerSendMessageBackRequestHeader(offset: 5, group: "g", delayLevel: -1, maxReconsumeTimes: 3))
        try check(RegisterBrokerResponseHeader(haServerAddress: nil, masterAddress: "a:1"))
        try check(QueryDataVersionResponseHeader(changed: true))
        try check(PutKeyValueRequestHeader(namespace: "n", key: "k", value: "v"))
    }

    @Test func aBadFieldIsNamed() {
        let missing = #expect(throws: HeaderError.self) { try QueueRequestHeader(fields: ["topic": "t"]) }
        #expect(missing?.field == "queueId")
        let wrong = #expect(throws: HeaderError.self) {
            try QueueRequestHeader(fields: ["topic": "t", "queueId": "99999999999"])
        }
        #expect(wrong?.description == "field queueId: '99999999999' is not an integer from -2147483648 to 2147483647")
    }
}
