import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Testing

@testable import MQBroker

@Suite struct ReplyTests {
    private static func reply(
        _ test: TestBroker, to asker: String?, code: RequestCode = .sendReplyMessageV2,
        topic: String = "DefaultCluster_REPLY_TOPIC", through replier: RemotingClient
    ) async throws -> RemotingCommand {
        var properties: MessageProperties = ["CORRELATION_ID": "c-1", "WAIT": "true"]
        properties["REPLY_TO_CLIENT"] = asker
        let header = SendMessageRequestHeader(
            producerGroup: "R", topic: topic, queueID: 0, bornTimestamp: 5, flag: 3, properties: properties.text)
        let fields = code == .sendReplyMessage ? header.fields : header.shortFields
        return try await replier.call(
            RemotingCommand(code: code.rawValue, extFields: fields, body: ByteBuffer(string: "the answer")),
            to: test.address, timeout: .seconds(20))
    }

    @Test func aReplyReachesWhoeverAsked() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            let data = HeartbeatData(clientID: "asker", producerGroups: ["P"])
            _ = try await test.call(.request(.heartbeat, body: data.encoded()))
            let replier = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet)
            for (count, code) in [RequestCode.sendReplyMessageV2, .sendReplyMessage].enumerated() {
                let answer = try await Self.reply(test, to: "asker", code: code, through: replier)
                #expect(answer.responseCode == .success, "\(answer.remark ?? "")")
                let pushes = test.pushed.requests.filter { $0.code == 326 }
                // Told after the asker had it, and once.
                #expect(pushes.count == count + 1)
            }
            let push = try #require(test.pushed.requests.first { $0.code == 326 })
            let header: ReplyMessageRequestHeader = try push.header()
            #expect(push.body.map { String(buffer: $0) } == "the answer" && !push.isOneWay)
            #expect(header.storeHost == test.address && header.bornHost.hasPrefix("127.0.0.1:"))
            #expect(header.message.flag == 3 && header.message.topic == "DefaultCluster_REPLY_TOPIC")
            let properties = MessageProperties(text: header.message.properties)
            #expect(properties["CORRELATION_ID"] == "c-1" && properties["PUSH_REPLY_TIME"] != nil)
            // It is stored as well.
            let isStored = try await eventually {
                try await test.pull("DefaultCluster_REPLY_TOPIC", from: 0).extFields["maxOffset"] == "2"
            }
            #expect(isStored)
            await replier.shutdown()
        }
    }

    @Test func aReplyThatCannotArriveIsSaidToTheReplier() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            let replier = RemotingClient(group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet)
            let gone = try await Self.reply(test, to: "nobody", through: replier)
            #expect(gone.responseCode == .systemError && gone.remark?.contains("nobody is not connected") == true)
            let unnamed = try await Self.reply(test, to: nil, through: replier)
            #expect(unnamed.responseCode == .systemError && unnamed.remark?.contains("REPLY_TO_CLIENT") == true)
            let lost = try await Self.reply(test, to: "x", topic: "none", through: replier)
            #expect(lost.responseCode == .topicNotExist)
            await replier.shutdown()
        }
    }
}
