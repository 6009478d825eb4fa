import Foundation
import MQTransport
import MQWire
import NIOCore
import Testing

@testable import MQBroker

/// Requests that Apache's clients and daemons sent, frame by frame, to our daemons; and their answers held against those of
/// Apache's: the code, the encoding, the header's fields, and the shape of the body.
@Suite struct ReplayTests {
    /// An exchange of `Tests/MQWireTests/Fixtures/exchanges.jsonl`.
    private struct Exchange {
        let name: String
        let peer: String
        var request: RemotingCommand
        let answer: RemotingCommand

        static func all() throws -> [Exchange] {
            let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let file = tests.appendingPathComponent("MQWireTests/Fixtures/exchanges.jsonl")
            return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
                let json = try JSONValue(parsing: String(line))
                // What was pushed to clients, and what was not answered (one-way, held), has no answer to compare.
                guard json["direction"]?.stringValue == "to server", json["answered"]?["frame_hex"] != nil else {
                    return nil
                }
                return Exchange(
                    name: "\(json["request"]?.stringValue ?? "") by \(json["client"]?.stringValue ?? "")",
                    peer: json["peer"]?.stringValue ?? "", request: try command(json["sent"]),
                    answer: try command(json["answered"]))
            }
        }

        private static func command(_ frame: JSONValue?) throws -> RemotingCommand {
            let digits = Array(try #require(frame?["frame_hex"]?.stringValue))
            let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0...($0 + 1)]), radix: 16)
            }
            var buffer = ByteBuffer(bytes: bytes)
            return try #require(try FrameCodec.decode(from: &buffer))
        }
    }

    /// Tables whose keys are names: what counts is what their values look like.
    private static let tables: Set<String> = [
        "topicConfigTable", "subscriptionGroupTable", "offsetTable", "brokerAddrTable", "clusterAddrTable",
        "brokerAddrs",
        "filterServerTable", "subscriptionTable",
    ]

    /// Lists and tables that are empty on one side alone.
    private static let emptyOnOneSide: Set<String> = [
        // One is committed first, which another exchange asks for; nobody had committed any there.
        "body.offsetTable"
    ]

    /// Where two bodies differ in shape; `nil` where they do not. Lists and tables are compared by their first element; an
    /// empty one is only like an empty one.
    private static func difference(_ ours: JSONValue?, _ theirs: JSONValue?, at path: String) -> String? {
        switch (ours, theirs) {
        case (.object(let own)?, .object(let other)?):
            let name = path.split(separator: ".").last.map(String.init) ?? ""
            if tables.contains(name) {
                guard let first = own.first, let second = other.first else {
                    return emptiness(own.isEmpty, other.isEmpty, at: path)
                }
                return difference(first.value, second.value, at: path + ".*")
            }
            let (keys, wanted) = (Set(own.map(\.key)), Set(other.map(\.key)))
            guard keys == wanted else { return "\(path): \(keys.sorted()) instead of \(wanted.sorted())" }
            for member in other {
                let mine = own.first { $0.key == member.key }?.value
                if let found = difference(mine, member.value, at: "\(path).\(member.key)") { return found }
            }
            return nil
        case (.array(let own)?, .array(let other)?):
            guard let first = own.first, let second = other.first else {
                return emptiness(own.isEmpty, other.isEmpty, at: path)
            }
            return difference(first, second, at: path + "[]")
        case (.integer?, .number?), (.number?, .integer?), (.integer?, .integer?), (.number?, .number?),
            (.string?, .string?),
            (.bool?, .bool?), (.null?, _), (_, .null?), (nil, nil):
            return nil
        default: return "\(path): \(String(describing: ours)) instead of \(String(describing: theirs))"
        }
    }

    private static func emptiness(_ ours: Bool, _ theirs: Bool, at path: String) -> String? {
        guard ours != theirs, !emptyOnOneSide.contains(path) else { return nil }
        return "\(path): \(ours ? "empty" : "something") instead of \(theirs ? "nothing" : "something")"
    }

    /// What the requests ask for: topics with messages, members, places.
    private static func prepare(_ test: TestBroker, _ exchanges: [Exchange]) async throws {
        for (topic, queue, count) in [
            ("T_24976_48750093", 0, 1), ("T_25053_48750613", 0, 26), ("demo", 0, 1), ("demo", 2, 1),
            ("T_25182_48752718", 0, 1), ("T_25316_48771181", 1, 1), ("T_25091_48751358", 0, 1),
            ("T_25454_48788205", 0, 4), ("demo2", 0, 1),
        ] as [(String, Int32, Int)] {
            for _ in 0..<count { #expect(try await test.send(topic, queue).responseCode == .success) }
        }
        let commit = UpdateConsumerOffsetRequestHeader(
            consumerGroup: "G_25316_48771181", topic: "T_25316_48771181", queueID: 1, commitOffset: 1)
        #expect(try await test.call(.request(.updateConsumerOffset, commit)).responseCode == .success)
        // Members first: others ask for them.
        for exchange in exchanges where exchange.request.requestCode == .heartbeat {
            #expect(try await test.call(exchange.request).responseCode == .success)
            // The pulls came after a later heartbeat, which was not captured: of the same subscriptions, newer.
            var data = try HeartbeatData(decoding: exchange.request.body)
            for consumer in data.consumers.indices {
                for index in data.consumers[consumer].subscriptions.indices {
                    data.consumers[consumer].subscriptions[index].version += 1000
                }
            }
            #expect(try await test.call(.request(.heartbeat, body: data.encoded())).responseCode == .success)
        }
    }

    @Test func everyExchangeGoesAsWithApachesDaemons() async throws {
        let all = try Exchange.all()
        #expect(all.count == 57)
        // First who was told that a topic is not there; then who sends; last who leaves, or takes something away.
        let senders: Set<RequestCode> = [.sendMessage, .sendMessageV2]
        let last: Set<RequestCode> = [
            .unregisterClient, .deleteSubscriptionGroup, .deleteTopicInBroker, .deleteTopicInNameserver,
            .wipeWritePermission,
        ]
        let early = all.filter { $0.answer.responseCode == .topicNotExist }
        let rest = all.filter { $0.answer.responseCode != .topicNotExist }.sorted { left, right in
            func rank(_ exchange: Exchange) -> Int {
                senders.contains(exchange.request.requestCode) ? 0 : last.contains(exchange.request.requestCode) ? 2 : 1
            }
            return rank(left) < rank(right)
        }
        try await TestBroker.run { (test: TestBroker) async throws in
            for exchange in early { try await Self.replay(exchange, test) }
            try await Self.prepare(test, all)
            for exchange in rest { try await Self.replay(exchange, test) }
        }
    }

    private static func replay(_ exchange: Exchange, _ test: TestBroker) async throws {
        var exchange = exchange
        // The one request that names a place in Apache's log.
        if exchange.request.requestCode == .consumerSendMessageBack { exchange.request.extFields["offset"] = "0" }
        // Held in vain as then, but not for fifteen seconds.
        if exchange.request.requestCode == .pullMessage { exchange.request.extFields["suspendTimeoutMillis"] = "100" }
        let address = exchange.peer == "nameserver" ? test.nameserverAddress : test.address
        var answer = try await test.client.call(exchange.request, to: address, timeout: .seconds(20))
        if exchange.request.requestCode == .queryMessage {
            // The index trails the log.
            _ = try await eventually {
                answer = try await test.client.call(exchange.request, to: address, timeout: .seconds(20))
                return answer.responseCode == .success
            }
        }
        compare(answer, with: exchange)
    }

    private static func compare(_ answer: RemotingCommand, with exchange: Exchange) {
        let theirs = exchange.answer
        let what = "\(exchange.request.code) \(exchange.name)"
        #expect(answer.code == theirs.code, "\(what): \(answer.remark ?? "")")
        // As it was asked; Apache's broker answers pulls in JSON, whatever was asked.
        let isPull = exchange.request.requestCode == .pullMessage
        #expect(answer.serializeType == (isPull ? exchange.request.serializeType : theirs.serializeType), "\(what)")
        let (keys, wanted) = (Set(answer.extFields.pairs.map(\.key)), Set(theirs.extFields.pairs.map(\.key)))
        #expect(keys == wanted, "\(what)")
        switch (answer.body, theirs.body) {
        case (nil, nil): break
        case (let own?, let other?):
            if StoredRecord.readAll(other)?.isEmpty == false {
                #expect(StoredRecord.readAll(own)?.isEmpty == false, "\(what): no records")
            } else if let other = try? JSONValue(parsing: other) {
                let own = try? JSONValue(parsing: own)
                #expect(difference(own, other, at: "body") == nil, "\(what)")
            } else {
                Issue.record("\(what): Apache's body is neither records nor JSON")
            }
        case (let own, let other):
            #expect(
                (own?.readableBytes ?? 0) == 0 && (other?.readableBytes ?? 0) == 0, "\(what): a body on one side only")
        }
    }
}
