import MQStore
import MQTransport
import MQWire
import NIOCore
import Testing

@testable import MQBroker

@Suite struct TagFilterTests {
    @Test func expressionsChooseByHash() {
        func hash(_ tag: String) -> Int64 { Int64(JavaStringHash.hash(tag)) }
        for all in [nil, "", "*", " * "] { #expect(TagFilter(expression: all).wants(hash("A"))) }
        let two = TagFilter(expression: "A || B")
        #expect(two.wants(hash("A")) && two.wants(hash("B")) && !two.wants(hash("C")) && !two.wants(0))
        #expect(TagFilter(expression: "A||B") == two)
        // One bar, and a blank within, belong to the tag.
        let odd = TagFilter(expression: " my tag || A|B ")
        #expect(
            odd.wants(hash("my tag")) && odd.wants(hash("A|B")) && !odd.wants(hash("A")) && !odd.wants(hash("mytag")))
    }

    @Test func anExpressionOfBarsAloneIsRefused() throws {
        #expect(throws: MessageFilter.Objection.self) { try MessageFilter(expression: "||", type: "TAG") }
        #expect(try MessageFilter(expression: "", type: "TAG").mayWant(0))
    }
}

@Suite struct HeldPullsTests {
    private let queue = QueueKey(topic: "t", queueID: 0)

    private func held(_ name: String, _ offset: Int64, _ deadline: Int64, tag: String? = nil, connection: UInt64 = 1)
        -> HeldPulls<String>.Held
    {
        .init(
            request: name, connection: connection, offset: offset, filter: .tags(TagFilter(expression: tag)),
            deadline: deadline)
    }

    @Test func onlyThoseWakeWhoWantWhatCame() {
        var pulls = HeldPulls<String>()
        for pull in [held("a", 5, 100), held("b", 6, 100), held("c", 5, 100, tag: "X")] {
            let isHeld = pulls.hold(pull, on: queue)
            #expect(isHeld)
        }
        let other = QueueArrival(key: QueueKey(topic: "t", queueID: 1), maximumOffset: 9, tagCodes: [0])
        #expect(pulls.wake(other).isEmpty)
        #expect(pulls.wake(QueueArrival(key: queue, maximumOffset: 6, tagCodes: [0])).map(\.request) == ["a"])
        let tagged = Int64(JavaStringHash.hash("X"))
        let woken = pulls.wake(QueueArrival(key: queue, maximumOffset: 7, tagCodes: [tagged]))
        #expect(Set(woken.map(\.request)) == ["b", "c"] && pulls.count == 0)
    }

    @Test func timeAndDepartureEndAHold() {
        var pulls = HeldPulls<String>()
        for pull in [held("a", 0, 100), held("b", 0, 200), held("c", 0, 300, connection: 2)] {
            _ = pulls.hold(pull, on: queue)
        }
        #expect(pulls.expire(nowMilliseconds: 99).isEmpty)
        #expect(pulls.expire(nowMilliseconds: 150).map(\.request) == ["a"])
        #expect(pulls.connectionClosed(2).map(\.request) == ["c"])
        #expect(pulls.expire(nowMilliseconds: 1000).map(\.request) == ["b"])
        #expect(pulls.count == 0)
    }
}

@Suite struct QueueLockTableTests {
    @Test func aLockExpiresUnlessItIsRenewed() {
        let queue = QueueIdentity(topic: "t", brokerName: "b", queueID: 0)
        var table = QueueLockTable()
        func lock(_ client: String, at time: Int64) -> Bool {
            !table.lock(group: "g", clientID: client, queues: [queue], nowMilliseconds: time).isEmpty
        }
        let outcomes = [
            lock("a", at: 0), lock("b", at: 60_000), lock("a", at: 60_000), lock("b", at: 120_000),
            lock("b", at: 120_001), lock("a", at: 120_002),
        ]
        #expect(outcomes == [true, false, true, false, true, false])
    }
}

@Suite struct TableTests {
    @Test func automaticTopicsFollowTheirModel() {
        var table = TopicTable(saved: nil, configuration: BrokerConfiguration())
        guard
            case .created(let made) = table.resolve("t", model: "TBW102", clientQueueNums: 4, nowMilliseconds: 1)
        else {
            Issue.record("not made")
            return
        }
        #expect(made.writeQueueNums == 4 && made.permission == .readWrite)
        // Until it is on the disk, whoever comes next must wait as well.
        #expect(table.resolve("t", model: "TBW102", clientQueueNums: 9, nowMilliseconds: 2) == .saving(made))
        table.didSave(table.unsaved)
        #expect(table.resolve("t", model: "TBW102", clientQueueNums: 9, nowMilliseconds: 2) == .known(made))
        #expect(table.resolve("u", model: "nothing", clientQueueNums: 4, nowMilliseconds: 2) == .missing)
        #expect(table.table.dataVersion.counter == 1)
        var closed = BrokerConfiguration()
        closed.autoCreateTopics = false
        var other = TopicTable(saved: table.table, configuration: closed)
        #expect(other.resolve("u", model: "TBW102", clientQueueNums: 4, nowMilliseconds: 2) == .missing)
        #expect(other["t"] == made)
    }

    @Test func offsetsSurviveTheirFileAndApaches() throws {
        var table = ConsumerOffsetTable()
        table.commit(group: "G", queue: QueueKey(topic: "a@b", queueID: 1), offset: 7)
        let again = ConsumerOffsetTable(json: try JSONValue(parsing: table.json.text))
        #expect(again.offset(group: "G", queue: QueueKey(topic: "a@b", queueID: 1)) == 7)
        let apaches = ConsumerOffsetTable(json: try JSONValue(parsing: #"{"offsetTable":{"T@G":{0:11,3:2}}}"#))
        #expect(apaches.offset(group: "G", queue: QueueKey(topic: "T", queueID: 3)) == 2)
    }

    @Test func membersComeGoAndFallSilent() {
        var table = ClientTable()
        let data = HeartbeatData(
            clientID: "c", consumers: [ConsumerData(groupName: "G", subscriptions: [SubscriptionData(topic: "t")])])
        #expect(table.heartbeat(data, connection: 1, nowMilliseconds: 0) == ["G"])
        #expect(table.heartbeat(data, connection: 1, nowMilliseconds: 10) == [])
        #expect(table.heartbeat(data, connection: 2, nowMilliseconds: 20) == ["G"])
        #expect(table.connections(of: "G") == [2])
        #expect(table.expire(seenBefore: 20) == [])
        #expect(table.expire(seenBefore: 21) == ["G"])
        #expect(table.clientIDs(of: "G").isEmpty)
    }

    @Test func badSettingsNameTheirPlace() throws {
        func message(_ text: String) throws -> String {
            var settings = Settings(file: try PropertiesFile(text: text, name: "b.properties"))
            do throws(ConfigurationError) {
                _ = try BrokerConfiguration(settings: &settings)
                return settings.unknownKeyWarnings(ignoring: BrokerConfiguration.ignoredKeys).joined()
            } catch { return "\(error)" }
        }
        #expect(try message("brokerName=a\nflushDiskType=NEVER").contains("b.properties:2: flushDiskType: 'NEVER'"))
        #expect(try message("listenPort=2").contains("listenPort"))
        #expect(try message("mapedFileSizeConsumeQueue=30").contains("multiple of 20"))
        #expect(try message("namesrvAddr=nowhere").contains("host:port"))
        #expect(try message("flushDskType=SYNC_FLUSH").contains("did you mean flushDiskType"))
        #expect(try message("brokerName=a\ndeleteWhen=04;16\nfileReservedTime=48").isEmpty)
        #expect(try message("deleteWhen=24").contains("hours of the day"))
        #expect(try message("diskMaxUsedSpaceRatio=99").contains("10 to 95"))
        // Access control that is asked for and not there must not be taken for granted.
        #expect(try message("aclEnable=true").contains("b.properties:1: aclEnable: 'true' is not accepted"))
        #expect(try message("aclEnable=false").isEmpty)
        #expect(try message("messageDelayLevel=1s 5x").contains("b.properties:1: messageDelayLevel has no effect"))
        #expect(try message("messageDelayLevel=\(DelayLevels.words)\ntransientStorePoolEnable=false").isEmpty)
        #expect(try message("brokerName=a\nstorePathIndex=/x").contains("b.properties:2: storePathIndex has no effect"))
    }

    /// `MessageStoreConfig` of RocketMQ 4.5 to 4.9 spells it with two p; a file that drives its broker must drive ours.
    @Test(arguments: ["mapped", "maped"])
    func bothSpellingsOfTheSegmentsSizeCount(word: String) throws {
        let text = "\(word)FileSizeCommitLog=67108864\n\(word)FileSizeConsumeQueue=600\n"
        var settings = Settings(file: try PropertiesFile(text: text, name: "b.properties"))
        let configuration = try BrokerConfiguration(settings: &settings)
        #expect(configuration.segmentBytes == 64 << 20)
        #expect(configuration.queueFileBytes == 600)
        #expect(settings.unknownKeyWarnings(ignoring: BrokerConfiguration.ignoredKeys).isEmpty)
    }

    @Test func theCurrentSpellingWinsOverTheOlderOne() throws {
        let text = "mapedFileSizeCommitLog=134217728\nmappedFileSizeCommitLog=67108864\n"
        var settings = Settings(file: try PropertiesFile(text: text, name: "b.properties"))
        #expect(try BrokerConfiguration(settings: &settings).segmentBytes == 64 << 20)
    }
}
