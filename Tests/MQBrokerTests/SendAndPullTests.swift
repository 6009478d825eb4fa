import Foundation
import MQStore
import MQTransport
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQBroker

@Suite struct SendAndPullTests {
    @Test func aMessageIsAnsweredAsApacheDoesAndPulled() async throws {
        try await TestBroker.run { test in
            let answer = try await test.send("T", body: "hello", properties: ["UNIQ_KEY": "U", "WAIT": "true"])
            #expect(answer.responseCode == .success && answer.remark == nil)
            #expect(
                Set(answer.extFields.pairs.map(\.key)) == ["msgId", "queueId", "queueOffset", "MSG_REGION", "TRACE_ON"])
            #expect(answer.extFields["MSG_REGION"] == "DefaultRegion" && answer.extFields["TRACE_ON"] == "true")
            let id = try #require(OffsetMessageID(answer.extFields["msgId"] ?? ""))
            #expect(id.logOffset == 0 && id.host.addressText == "127.0.0.1" && "\(id.host)" == test.address)

            let pulled = try await test.pull("T", from: 0)
            #expect(pulled.responseCode == .success && pulled.remark == "FOUND")
            let header: PullMessageResponseHeader = try pulled.header()
            #expect(header == PullMessageResponseHeader(nextBeginOffset: 1, minOffset: 0, maxOffset: 1))
            let record = try #require(StoredRecord.readAll(pulled.body ?? ByteBuffer())?.first)
            #expect(record.properties.text == "UNIQ_KEY\u{1}U\u{2}CLUSTER\u{1}DefaultCluster")
            #expect(record.offsetMessageID == id && record.topic == "T")

            let seen = try await test.call(.request(.viewMessageByID, ViewMessageRequestHeader(offset: 0)))
            #expect(seen.body == pulled.body)
        }
    }

    @Test func aBatchIsSplitAndItsIdsAreJoined() async throws {
        try await TestBroker.run { test in
            var body = ByteBuffer()
            BatchBody.encode(
                (0..<3).map {
                    .init(body: ByteBuffer(string: "b\($0)"), properties: ByteBuffer(string: "UNIQ_KEY\u{1}\($0)"))
                }, into: &body)
            let header = SendMessageRequestHeader(
                producerGroup: "PG", topic: "T", defaultTopic: "TBW102", defaultTopicQueueNums: 4, queueID: 1,
                sysFlag: 0,
                bornTimestamp: 1, flag: 0, properties: "WAIT\u{1}true", reconsumeTimes: 0, batch: true)
            let answer = try await test.call(
                RemotingCommand(code: 320, extFields: header.shortFields, body: body))
            #expect(answer.responseCode == .success)
            #expect(answer.extFields["msgId"]?.split(separator: ",").count == 3)
            let pulled = try await test.pull("T", 1, from: 0)
            #expect(try test.bodies(pulled) == ["b0", "b1", "b2"])
            let record = try #require(StoredRecord.readAll(pulled.body ?? ByteBuffer())?.last)
            #expect(record.properties.text == "UNIQ_KEY\u{1}2\u{2}WAIT\u{1}true\u{2}CLUSTER\u{1}DefaultCluster")
        }
    }

    @Test func aHeldPullIsWokenByTheAppend() async throws {
        try await TestBroker.run { test in
            _ = try await test.send("T", body: "first")
            async let held = test.pull("T", from: 1, holdMilliseconds: 15_000)
            // Held before the message comes.
            #expect(await eventually { test.broker.heldPulls == 1 })
            let start = ContinuousClock.now
            _ = try await test.send("T", body: "second")
            #expect(try await test.bodies(held) == ["second"])
            // Far below its hold: it was woken. How far is a figure for the bench, not for a busy machine.
            #expect(ContinuousClock.now - start < .seconds(3))
        }
    }

    @Test(arguments: [Int64.max, Int64.max / 2, 1 << 40])
    func aHoldOfAnyLengthIsTaken(_ milliseconds: Int64) async throws {
        try await TestBroker.run { test in
            _ = try await test.send("T", body: "first")
            async let held = test.pull("T", from: 1, holdMilliseconds: milliseconds)
            #expect(await eventually { test.broker.heldPulls == 1 })
            _ = try await test.send("T", body: "second")
            #expect(try await test.bodies(held) == ["second"])
        }
    }

    @Test func aHoldEndsWhenItsTimeIsUpAndIgnoresOtherTags() async throws {
        try await TestBroker.run { test in
            _ = try await test.send("T", body: "first")
            let start = ContinuousClock.now
            async let held = test.pull("T", from: 1, holdMilliseconds: 700, subscription: "A || B")
            #expect(await eventually { test.broker.heldPulls == 1 })
            _ = try await test.send("T", body: "other", properties: ["TAGS": "C"])
            let answer = try await held
            #expect(ContinuousClock.now - start >= .milliseconds(600))
            #expect(answer.responseCode == .pullRetryImmediately && answer.extFields["nextBeginOffset"] == "2")
            _ = try await test.send("T", body: "wanted", properties: ["TAGS": "B"])
            #expect(try test.bodies(await test.pull("T", from: 0, subscription: "A || B")) == ["wanted"])
        }
    }

    @Test func wrongRequestsAreRefusedWithTheirCode() async throws {
        try await TestBroker.run({
            $0.autoCreateTopics = false
            $0.maximumMessageBytes = 1000
        }) { test in
            let create = CreateTopicRequestHeader(topic: "T", readQueueNums: 2, writeQueueNums: 2, perm: 6)
            #expect(try await test.call(.request(.updateAndCreateTopic, create)).responseCode == .success)
            let wall = CreateTopicRequestHeader(topic: "R", readQueueNums: 2, writeQueueNums: 2, perm: 4)
            #expect(try await test.call(.request(.updateAndCreateTopic, wall)).responseCode == .success)
            #expect(try await test.send("unknown").responseCode == .topicNotExist)
            #expect(try await test.send("R").responseCode == .noPermission)
            #expect(try await test.send("SCHEDULE_TOPIC_XXXX").responseCode == .noPermission)
            #expect(try await test.send("T", 2).responseCode == .systemError)
            #expect(try await test.send("T", body: String(repeating: "x", count: 1001)).responseCode == .messageIllegal)
            #expect(try await test.send("a b").responseCode == .systemError)
            #expect(try await test.pull("unknown", from: 0).responseCode == .topicNotExist)
            #expect(try await test.pull("T", 9, from: 0).responseCode == .systemError)
            #expect(try await test.pull("T", from: 0).responseCode == .pullNotFound)
            #expect(try await test.pull("T", from: 5).responseCode == .pullOffsetMoved)
            let unknown = try await test.call(RemotingCommand(code: 4711))
            #expect(unknown.responseCode == .requestCodeNotSupported && unknown.remark?.contains("4711") == true)
        }
    }

    @Test func synchronousRolesSayWhatTheyCannotPromise() async throws {
        try await TestBroker.run({
            $0.role = .syncMaster
            $0.flushDiskType = .sync
        }) { test in
            let answer = try await test.send("T")
            #expect(answer.responseCode == .slaveNotAvailable && answer.extFields["queueOffset"] == "0")
        }
    }

    @Test func onlyOffsetsThatAClientCanHaveReachedAreKept() async throws {
        try await TestBroker.run { test in
            _ = try await test.send("T")
            func commit(_ topic: String, _ queue: Int32, _ offset: Int64, group: String = "G") async throws
                -> ResponseCode
            {
                let header = UpdateConsumerOffsetRequestHeader(
                    consumerGroup: group, topic: topic, queueID: queue, commitOffset: offset)
                return try await test.call(.request(.updateConsumerOffset, header)).responseCode
            }
            #expect(try await commit("T", 0, 1) == .success)
            #expect(try await commit("nonsense", 0, 1) == .topicNotExist)
            #expect(try await commit("T", 0, -1) == .systemError)
            #expect(try await commit("T", -1, 1) == .systemError)
            #expect(try await commit("T", 9999, 1) == .systemError)
            #expect(try await commit("T", 0, 1, group: "") == .systemError)
            // A pull commits too, and is answered whatever it says.
            let flags = PullMessageRequestHeader.subscriptionFlag | PullMessageRequestHeader.commitOffsetFlag
            let pull = PullMessageRequestHeader(
                consumerGroup: "G", topic: "T", queueID: 0, queueOffset: 0, maxMessages: 32, sysFlag: flags,
                commitOffset: -7, suspendTimeoutMilliseconds: 0, subscription: "*", subscriptionVersion: 0)
            #expect(try await test.call(.request(.pullMessage, pull)).responseCode == .success)
            let table = try await test.call(.request(.getAllConsumerOffset)).body
            #expect(table.map { String(buffer: $0) } == #"{"offsetTable":{"T@G":{"0":1}}}"#)
        }
    }

    @Test func aSmallMessageDoesNotKeepItsReadBuffer() {
        var read = ByteBuffer(repeating: 7, count: 65_536)
        let small = read.readSlice(length: 100)
        #expect(small?.storageCapacity ?? 0 >= 65_536)
        #expect(small?.unpinned().storageCapacity ?? .max <= 256 && small?.unpinned() == small)
        // A large one is most of its buffer and is not copied.
        let large = read.readSlice(length: 60_000)
        #expect(large?.unpinned().storageCapacity == large?.storageCapacity)
    }

    @Test func theFastPortAnswersToo() async throws {
        // A fixed one: beside a port of the system's choice, two below may be somebody else's.
        let port = try DaemonPlace.freePort()
        try await TestBroker.run({
            $0.listenPort = port
            $0.haListenPort = port + 1
        }) { test in
            let answer = try await test.client.call(
                RemotingCommand(code: 21), to: "127.0.0.1:\(port - 2)", timeout: .seconds(10))
            #expect(try TopicConfigTable(decoding: answer.body).topics["TBW102"] != nil)
        }
    }

    @Test func everythingIsThereAfterARestart() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("broker-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for round in 0..<2 {
            try await TestBroker.run({ $0.storeRoot = FilePath(root.path) }) { test in
                let commit = UpdateConsumerOffsetRequestHeader(
                    consumerGroup: "G", topic: "T", queueID: 0, commitOffset: 1)
                if round == 0 {
                    _ = try await test.send("T", body: "kept")
                    #expect(try await test.call(.request(.updateConsumerOffset, commit)).responseCode == .success)
                } else {
                    #expect(test.broker.recovery?.wasCleanStop == true)
                    #expect(try test.bodies(await test.pull("T", from: 0)) == ["kept"])
                    let query = QueryConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 0)
                    #expect(try await test.call(.request(.queryConsumerOffset, query)).extFields["offset"] == "1")
                }
            }
        }
    }

    @Test func aTopicWhoseTableWasNotSavedKeepsItsMessages() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("broker-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let table = root.appendingPathComponent("config/topics.json")
        var before = Data()
        for round in 0..<3 {
            try await TestBroker.run({ $0.storeRoot = FilePath(root.path) }) { test in
                if round == 1 { _ = try await test.send("T", body: "kept") }
                if round == 2 { #expect(try test.bodies(await test.pull("T", from: 0)) == ["kept"]) }
            }
            // What a save that failed would have left.
            if round == 0 { before = try Data(contentsOf: table) }
            if round == 1 { try before.write(to: table) }
        }
    }

    /// Each of the tables: one that is no JSON, and one that is none of ours.
    @Test(arguments: ["{oops", "[]"]) func aBrokenTableTakesItsBackup(content: String) async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("broker-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let config = root.appendingPathComponent("config")
        let names = ["topics", "subscriptionGroup", "consumerOffset", "delayOffset"]
        try await TestBroker.run({ $0.storeRoot = FilePath(root.path) }) { test in
            _ = try await test.send("T", body: "kept")
        }
        for name in names {
            let file = config.appendingPathComponent("\(name).json")
            let backup = file.appendingPathExtension("bak")
            try? FileManager.default.removeItem(at: backup)
            if FileManager.default.fileExists(atPath: file.path) {
                try FileManager.default.moveItem(at: file, to: backup)
            } else {
                try Data("{}".utf8).write(to: backup)
            }
            try Data(content.utf8).write(to: file)
        }
        try await TestBroker.run({ $0.storeRoot = FilePath(root.path) }) { test in
            let bodies = try test.bodies(await test.pull("T", from: 0))
            #expect(bodies == ["kept"])
        }
        for name in names {
            let aside = config.appendingPathComponent("\(name).json.broken")
            #expect(try Data(contentsOf: aside) == Data(content.utf8), "\(name)")
        }
        for name in ["topics.json", "topics.json.bak"] {
            try Data(content.utf8).write(to: config.appendingPathComponent(name))
        }
        let error = await #expect(throws: StoreError.self) {
            try await TestBroker.run({ $0.storeRoot = FilePath(root.path) }) { _ in }
        }
        #expect(error?.code == .broken && error?.path?.lastComponent?.string == "topics.json", "\(error as Any)")
    }

    @Test func aTableThatCouldNotBeSavedIsSavedOnceItCan() async throws {
        try await TestBroker.run({ $0.offsetSavePeriod = .milliseconds(20) }) { test in
            _ = try await test.send("T")
            let config = URL(fileURLWithPath: test.root.appending("config").string)
            let obstacle = config.appendingPathComponent("consumerOffset.json.tmp")
            try FileManager.default.createDirectory(at: obstacle, withIntermediateDirectories: true)
            let commit = UpdateConsumerOffsetRequestHeader(
                consumerGroup: "G", topic: "T", queueID: 0, commitOffset: 41)
            #expect(try await test.call(.request(.updateConsumerOffset, commit)).responseCode == .success)
            // Some saves fail meanwhile; nothing changes after them.
            try await Task.sleep(for: .milliseconds(200))
            try FileManager.default.removeItem(at: obstacle)
            let deadline = ContinuousClock.now.advanced(by: .seconds(10))
            let file = config.appendingPathComponent("consumerOffset.json")
            while !((try? String(contentsOf: file, encoding: .utf8)) ?? "").contains("41"),
                ContinuousClock.now < deadline
            {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try String(contentsOf: file, encoding: .utf8).contains("41"))
        }
    }
}
