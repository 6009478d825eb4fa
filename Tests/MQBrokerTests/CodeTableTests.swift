import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MQBroker

/// Every request code of RocketMQ 4.9 that clients and tools use, through real sockets: those that are carried out, with
/// the code that Apache's daemons answer; those that only go the other way; and those that nobody knows.
@Suite struct CodeTableTests {
    private enum Target { case broker, nameserver }

    private struct Row {
        var code: Int32
        var target = Target.broker
        var fields: ExtFields = [:]
        var body: ByteBuffer?
        var answer: ResponseCode = .success
        /// What the answer's body must contain.
        var says = ""
        /// The fields that the answer must have, as Apache's has.
        var has: [String] = []
    }

    private static func row(
        _ code: Int32, _ fields: ExtFields = [:], body: String? = nil, answer: ResponseCode = .success,
        says: String = "", has: [String] = []
    ) -> Row {
        Row(
            code: code, fields: fields, body: body.map { ByteBuffer(string: $0) }, answer: answer, says: says, has: has)
    }

    private static func atNameserver(
        _ code: Int32, _ fields: ExtFields = [:], body: String? = nil, answer: ResponseCode = .success,
        says: String = "", has: [String] = []
    ) -> Row {
        var made = row(code, fields, body: body, answer: answer, says: says, has: has)
        made.target = .nameserver
        return made
    }

    private static let send: ExtFields = [
        "producerGroup": "PG", "topic": "T", "defaultTopic": "TBW102", "defaultTopicQueueNums": "4", "queueId": "0",
        "sysFlag": "0", "bornTimestamp": "1", "flag": "0", "properties": "KEYS\u{1}k\u{2}", "reconsumeTimes": "0",
        "unitMode": "false", "batch": "false",
    ]
    private static let sendV2: ExtFields = [
        "a": "PG", "b": "T", "c": "TBW102", "d": "4", "e": "0", "f": "0", "g": "1", "h": "0", "i": "", "j": "0",
        "k": "false", "m": "false",
    ]
    private static let queue: ExtFields = ["topic": "T", "queueId": "0"]
    private static let group: ExtFields = ["consumerGroup": "G"]
    private static let locks =
        #"{"consumerGroup":"G","clientId":"one","mqSet":[{"topic":"T","brokerName":"broker-a","queueId":0}]}"#

    private static let sent = ["msgId", "queueId", "queueOffset"]

    /// In order: the first make what the later ones ask for. `id` is the offset id of the first message.
    private static func brokerRows(id: String, transactionOffset: Int64) -> [Row] {
        let pull: ExtFields = [
            "consumerGroup": "G", "topic": "T", "queueId": "0", "queueOffset": "0", "maxMsgNums": "32", "sysFlag": "4",
            "commitOffset": "0", "suspendTimeoutMillis": "0", "subscription": "*", "subVersion": "0",
        ]
        return [
            row(10, send, body: "m", has: sent), row(310, sendV2, body: "m", has: sent),
            row(
                11, pull, says: "KEYS", has: ["suggestWhichBrokerId", "nextBeginOffset", "minOffset", "maxOffset"]),
            row(
                12, ["topic": "T", "key": "k", "maxNum": "8", "beginTimestamp": "0", "endTimestamp": "9999999999999"],
                says: "KEYS", has: ["indexLastUpdateTimestamp", "indexLastUpdatePhyoffset"]),
            row(14, ["consumerGroup": "G", "topic": "T", "queueId": "0"], has: ["offset"]),
            row(15, ["consumerGroup": "G", "topic": "T", "queueId": "0", "commitOffset": "1"]),
            row(
                17,
                [
                    "topic": "Made", "defaultTopic": "TBW102", "readQueueNums": "2", "writeQueueNums": "2", "perm": "6",
                    "topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
                ]),
            row(21, says: #""topicName":"Made""#), row(25, body: "longPollingEnable=true\n"),
            row(26, says: "brokerName=broker-a", has: ["version"]), row(28, says: #""bootTimestamp""#),
            row(29, ["topic": "T", "queueId": "0", "timestamp": "1"], has: ["offset"]),
            row(30, queue, has: ["offset"]), row(31, queue, has: ["offset"]), row(32, queue, has: ["timestamp"]),
            row(33, ["offset": "0"], says: "KEYS"),
            row(36, ["offset": "0", "group": "G", "delayLevel": "1", "unitMode": "false", "maxReconsumeTimes": "3"]),
            row(
                37,
                [
                    "producerGroup": "PG", "tranStateTableOffset": "0", "commitLogOffset": String(transactionOffset),
                    "commitOrRollback": "8", "fromTransactionCheck": "false", "msgId": "x",
                ]),
            row(38, group, says: "one"), row(41, body: locks, says: #""queueId":0"#), row(42, body: locks),
            row(43, says: "T@G"), row(45, says: "offsetTable"), row(46),
            row(200, body: #"{"groupName":"G2","consumeEnable":true,"retryQueueNums":1}"#),
            row(201, says: #""G2""#), row(202, ["topic": "T"], says: "maxOffset"),
            row(203, group, says: #""clientId":"one""#), row(204, ["producerGroup": "P"], says: #""clientId":"one""#),
            row(207, ["groupName": "G2"]), row(208, group, says: "consumeTps"),
            row(222, ["topic": "T", "group": "G", "timestamp": "-1", "isForce": "true"], says: "offsetTable"),
            row(223, ["topic": "T", "group": "G"], says: #"{"consumerTable":{"one":{{"#),
            row(300, ["topic": "T"], says: #"["G"]"#), row(303, ["topic": "T", "group": "G"], says: "minTimeStamp"),
            row(305, says: "SCHEDULE_TOPIC_XXXX"), row(306),
            row(307, ["consumerGroup": "G", "clientId": "one"], says: "properties"),
            row(308, ["topic": "T", "compareGroup": "G"], says: "correctionOffsets"),
            row(309, ["consumerGroup": "G", "clientId": "one", "msgId": id], says: "CR_SUCCESS"),
            row(314, ["srcGroup": "G", "destGroup": "G3", "topic": "T", "offline": "true"]),
            row(315, ["statsName": "TOPIC_PUT_NUMS", "statsKey": "T"], says: "statsMinute"), row(316),
            row(317, ["isOrder": "false"], says: #""totalDiff""#),
            row(
                321, ["topic": "T", "queueId": "0", "index": "0", "count": "8", "consumerGroup": "G"],
                says: "physicSize"),
            row(323, ["msgId": id], answer: .systemError), row(328, says: #""P""#), row(329),
            row(35, ["clientID": "nobody", "producerGroup": "P"]), row(215, ["topic": "Made"]),
        ]
    }

    private static let nameserverRows: [Row] = [
        atNameserver(100, ["namespace": "N", "key": "k", "value": "v"]),
        atNameserver(101, ["namespace": "N", "key": "k"], has: ["value"]),
        atNameserver(219, ["namespace": "N"], says: #""k":"v""#),
        atNameserver(102, ["namespace": "N", "key": "k"]),
        atNameserver(
            103,
            [
                "brokerName": "other", "brokerAddr": "127.0.0.1:1", "clusterName": "C", "haServerAddr": "127.0.0.1:2",
                "brokerId": "0", "compressed": "false", "bodyCrc32": "0",
            ]),
        atNameserver(
            322, ["brokerName": "other", "brokerAddr": "127.0.0.1:1", "clusterName": "C", "brokerId": "0"],
            body: #"{"timestamp":1,"counter":1}"#, says: "counter", has: ["changed"]),
        atNameserver(106, says: #""other""#), atNameserver(206, says: #""T""#),
        atNameserver(105, ["topic": "T"], says: "queueDatas"),
        atNameserver(105, ["topic": "no"], answer: .topicNotExist),
        atNameserver(205, ["brokerName": "other"], has: ["wipeTopicCount"]),
        atNameserver(327, ["brokerName": "other"], has: ["addTopicCount"]),
        atNameserver(
            104, ["brokerName": "other", "brokerAddr": "127.0.0.1:1", "clusterName": "C", "brokerId": "0"]),
        atNameserver(224, ["cluster": "DefaultCluster"], says: #""T""#), atNameserver(304, says: "topicList"),
        atNameserver(311, says: "topicList"), atNameserver(312, says: "topicList"),
        atNameserver(313, says: "topicList"), atNameserver(318, body: "clusterTest=false\n", answer: .systemError),
        atNameserver(319, says: "listenPort"), atNameserver(216, ["topic": "T"]),
    ]

    /// What RocketMQ 4.9's clients and tools use, as its sources have them.
    private static let used: Set<Int32> = Set(
        [10, 310, 320, 11, 12, 14, 15, 17, 21, 25, 26] + Array(28...30) + Array(33...43) + [45, 46]
            + Array(100...106) + Array(200...208) + Array(212...217) + [219] + Array(220...224) + [300]
            + Array(304...307) + [309] + Array(314...319) + Array(322...327))
    /// Those that brokers ask of clients; heartbeats, batches and replies, which have tests of their own below; and
    /// those that Apache's names and carries out nowhere.
    private static let askedOfClients: Set<Int32> = [39, 40, 220, 221, 326]
    private static let apart: Set<Int32> = [34, 320, 324, 325]
    private static let nowhere: Set<Int32> = [212, 213, 214, 217]

    @Test func theTableHasEveryCodeThatIsUsed() {
        let rows = Set((Self.brokerRows(id: "", transactionOffset: 0) + Self.nameserverRows).map(\.code))
        let left = Self.used.subtracting(rows).subtracting(Self.askedOfClients).subtracting(Self.apart)
        #expect(left == Self.nowhere, "\(left.sorted())")
    }

    /// A consumer that answers what brokers ask of it.
    private final class Asked: RemotingRequestHandler {
        let codes = Mutex<[Int32]>([])

        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            codes.withLock { $0.append(request.code) }
            let body =
                switch request.code {
                case 221: #"{"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:5}}"#
                case 309: #"{"autoCommit":true,"consumeResult":"CR_SUCCESS","order":false,"spentTimeMills":1}"#
                default: #"{"properties":{}}"#
                }
            reply.send(request.response(.success, body: ByteBuffer(string: body)))
        }
    }

    @Test func everyCodeIsAnsweredAsApachesDaemonsDo() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            let asked = Asked()
            let client = RemotingClient(
                group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet, requestHandler: asked)
            let data = HeartbeatData(
                clientID: "one", producerGroups: ["P", "PG"],
                consumers: [ConsumerData(groupName: "G", subscriptions: [SubscriptionData(topic: "T")])])
            let welcome = try await client.call(
                .request(.heartbeat, body: data.encoded()), to: test.address, timeout: .seconds(20))
            #expect(welcome.responseCode == .success)
            let first = try await test.send("T", properties: [PropertyName.keys: "k"])
            let half = try await test.send(
                "T", properties: [PropertyName.transactionPrepared: "true", PropertyName.producerGroup: "PG"])
            let id = try #require(first.extFields["msgId"])
            let place = try #require(half.extFields["msgId"].flatMap { OffsetMessageID($0) })
            // The index trails the log.
            let query = Self.brokerRows(id: id, transactionOffset: 0).first { $0.code == 12 }?.fields ?? [:]
            #expect(
                try await eventually {
                    var request = RemotingCommand.request(.queryMessage)
                    request.extFields = query
                    return try await test.call(request).responseCode == .success
                })
            for row in Self.brokerRows(id: id, transactionOffset: place.logOffset) + Self.nameserverRows {
                try await check(row, test, client)
            }
            await client.shutdown()
            // What a broker asks of its clients: notices of a changed group and of a reset, and the three questions.
            let codes = asked.codes.withLock { Set($0) }
            #expect(codes.isSuperset(of: [40, 220, 221, 307, 309]), "\(codes.sorted())")
        }
    }

    private func check(_ row: Row, _ test: TestBroker, _ client: RemotingClient) async throws {
        var request = RemotingCommand.request(RequestCode(rawValue: row.code))
        request.extFields = row.fields
        request.body = row.body
        let address = row.target == .broker ? test.address : test.nameserverAddress
        let answer = try await client.call(request, to: address, timeout: .seconds(20))
        let text = answer.body.map { String(buffer: $0) } ?? ""
        #expect(
            answer.responseCode == row.answer && (row.says.isEmpty || text.contains(row.says)),
            "\(row.code): \(answer.code) \(answer.remark ?? "") \(text.prefix(300))")
        let missing = row.has.filter { answer.extFields[$0] == nil }
        #expect(missing.isEmpty, "\(row.code) lacks \(missing): \(answer.extFields)")
        // The same with the compact header: the encoding is the asker's choice.
        var compact = request
        compact.serializeType = .rocketmq
        let again = try await client.call(compact, to: address, timeout: .seconds(20))
        #expect(again.serializeType == .rocketmq, "\(row.code)")
        #expect(again.code != ResponseCode.requestCodeNotSupported.rawValue, "\(row.code)")
    }

    /// Batches and replies have bodies and properties of their own; they are sent as clients send them.
    @Test func batchesAndRepliesAreTaken() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            var batch = ByteBuffer()
            for text in ["one", "two"] {
                let size = 4 + 4 + 4 + 4 + 4 + text.utf8.count + 2
                batch.writeMultipleIntegers(Int32(size), Int32(0), Int32(0), Int32(0), Int32(text.utf8.count))
                batch.writeString(text)
                batch.writeInteger(Int16(0))
            }
            var request = RemotingCommand.request(.sendBatchMessage)
            request.extFields = Self.sendV2
            request.extFields["m"] = "true"
            request.body = batch
            let answer = try await test.call(request)
            #expect(answer.responseCode == .success)
            #expect(answer.extFields["msgId"]?.split(separator: ",").count == 2)
            for code in [RequestCode.sendReplyMessage, .sendReplyMessageV2] {
                var reply = RemotingCommand.request(code)
                reply.extFields = code == .sendReplyMessage ? Self.send : Self.sendV2
                reply.body = ByteBuffer(string: "r")
                // A reply must say to whom it goes: taken, understood, and refused for that.
                let refused = try await test.call(reply)
                #expect(refused.responseCode == .systemError && refused.remark?.contains("REPLY_TO_CLIENT") == true)
            }
        }
    }

    /// Numbers that Apache's 4.9.8 names and carries out nowhere, those that only clients carry out, and others.
    @Test(arguments: [
        0, 1, 9, 13, 16, 39, 40, 99, 209, 210, 211, 212, 213, 214, 217, 218, 220, 221, 301, 326, 9999, -1,
    ])
    func anUnknownCodeIsRefusedByItsNumber(_ code: Int32) async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for address in [test.address, test.nameserverAddress] {
                let answer = try await test.client.call(
                    .request(RequestCode(rawValue: code)), to: address, timeout: .seconds(20))
                #expect(answer.responseCode == .requestCodeNotSupported)
                #expect(answer.remark?.contains("\(code)") == true, "\(answer.remark ?? "")")
            }
        }
    }
}
