import Foundation
import MQTransport
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQBroker

/// A topic that a message makes is on the disk before anybody hears that the message is: a crash must not leave the one
/// without the other.
@Suite struct TopicSaveTests {
    private static func isSaved(_ topic: String, _ test: TestBroker) throws -> Bool {
        let file = test.root.appending("config").appending("topics.json").string
        guard let data = FileManager.default.contents(atPath: file) else { return false }
        let json = try JSONValue(parsing: String(decoding: data, as: UTF8.self))
        return json["topicConfigTable"]?[topic] != nil
    }

    @Test func aHalfsAnEndsAndTheDeadLettersTopicsAreSavedFirst() async throws {
        for _ in 0..<5 {
            try await TestBroker.run { (test: TestBroker) async throws in
                _ = try await test.send("T")
                let half = try await test.send("T", properties: ["TRAN_MSG": "true", "PGROUP": "P"])
                #expect(try Self.isSaved(SystemTopic.half, test))
                #expect(half.responseCode == .success)
                let place = try #require(half.extFields["msgId"].flatMap { OffsetMessageID($0) }).logOffset
                let end = EndTransactionRequestHeader(
                    producerGroup: "P", tranStateTableOffset: 0, commitLogOffset: place,
                    commitOrRollback: SysFlag.transactionRollback.rawValue)
                #expect(try await test.call(.request(.endTransaction, end)).responseCode == .success)
                #expect(try Self.isSaved(SystemTopic.operations, test))
                _ = try await test.send("%RETRY%G", reconsumeTimes: 16)
                #expect(try Self.isSaved("%DLQ%G", test))
            }
        }
    }

    @Test func whoeverComesWhileATopicIsSavedWaitsAsWell() async throws {
        try await TestBroker.run { (test: TestBroker) async throws in
            for round in 0..<10 {
                try await withThrowingTaskGroup(of: Bool.self) { tasks in
                    for _ in 0..<16 {
                        tasks.addTask {
                            _ = try await test.send("T\(round)")
                            return try Self.isSaved("T\(round)", test)
                        }
                    }
                    for try await isSaved in tasks { #expect(isSaved) }
                }
            }
        }
    }
}
