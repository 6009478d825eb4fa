import Foundation
import MQReplication
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import Synchronization
import SystemPackage
import Testing

@testable import MQBroker

/// A master and its slave behind one nameserver, asked through their ports.
@Suite struct ReplicationTests {
    private static func pair(
        _ role: BrokerRole = .asyncMaster, timeoutMilliseconds: Int64 = 5000,
        slave change: @escaping (inout BrokerConfiguration) -> Void = { _ in },
        _ body: (_ master: TestBroker, _ slave: TestBroker) async throws -> Void
    ) async throws {
        try await TestBroker.run({
            $0.role = role
            $0.registrationPeriod = .milliseconds(100)
            $0.syncFlushTimeoutMilliseconds = timeoutMilliseconds
            $0.slaveReads = true
        }) { master in
            try await TestBroker.run({
                $0.role = .slave
                $0.brokerID = 1
                $0.nameservers = [master.nameserverAddress]
                $0.registrationPeriod = .milliseconds(100)
                $0.slaveSyncPeriod = .milliseconds(100)
                $0.slaveReads = true
                change(&$0)
            }) { slave in try await body(master, slave) }
        }
    }

    private func runtime(_ broker: TestBroker, _ key: String) async throws -> String? {
        let answer = try await broker.call(RemotingCommand(code: RequestCode.getBrokerRuntimeInfo.rawValue))
        return try JSONValue(parsing: answer.body ?? ByteBuffer())["table"]?[key]?.stringValue
    }

    @Test func aSlaveHasLogAndTablesAndTakesNothing() async throws {
        try await Self.pair { master, slave in
            for index in 0..<20 {
                let answer = try await master.send("T", Int32(index % 2), body: "m\(index)")
                #expect(answer.responseCode == .success)
            }
            let commit = UpdateConsumerOffsetRequestHeader(
                consumerGroup: "G", topic: "T", queueID: 0, commitOffset: 7)
            #expect(try await master.call(.request(.updateConsumerOffset, commit)).responseCode == .success)
            // What was there before it came, and what comes.
            #expect(
                try await eventually {
                    try await slave.bodies(slave.pull("T", 0, from: 0)).count == 10
                })
            #expect(try await slave.bodies(slave.pull("T", 1, from: 8)) == ["m17", "m19"])
            _ = try await master.send("T", 0, body: "later")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 10)) == ["later"] })
            let query = QueryConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 0)
            #expect(
                try await eventually {
                    try await slave.call(.request(.queryConsumerOffset, query)).extFields["offset"] == "7"
                })
            // A pull that waits on the slave is woken by what the master is sent.
            async let held = slave.pull("T", 0, from: 11, holdMilliseconds: 10_000)
            try await Task.sleep(for: .milliseconds(100))
            _ = try await master.send("T", 0, body: "waited for")
            #expect(try await slave.bodies(held) == ["waited for"])
            let refused = try await slave.send("T")
            #expect(refused.responseCode == .serviceNotAvailable && refused.remark?.contains("slave") == true)
            // Both are in the route, and the nameserver gives the master's role to nobody else.
            let route = try await master.client.call(
                .request(.getRouteByTopic, TopicRequestHeader(topic: "T")), to: master.nameserverAddress,
                timeout: .seconds(5))
            let data = try TopicRouteData(decoding: route.body)
            #expect(data.brokerDatas.first?.addresses == [0: master.address, 1: slave.address])
            #expect(try await runtime(master, "slaveBehindBytes") == "0")
            #expect(try await runtime(slave, "followsMaster") == "true")
        }
    }

    /// `ok` under SYNC_MASTER means that a slave has it; without one, or without its word in time, it does not.
    @Test func aSynchronousMasterSaysWhatItsSlaveHas() async throws {
        try await TestBroker.run({ $0.role = .syncMaster }) { alone in
            let answer = try await alone.send("T")
            #expect(answer.responseCode == .slaveNotAvailable)
        }
        try await Self.pair(.syncMaster, timeoutMilliseconds: 300) { master, slave in
            #expect(try await eventually { try await master.send("T", body: "before").responseCode == .success })
            let start = try await slave.bodies(slave.pull("T", 0, from: 0)).count
            #expect(start > 0)
            for index in 0..<50 {
                #expect(try await master.send("T", body: "m\(index)").responseCode == .success)
                // It is there at once: that is the promise.
                let bodies = try await slave.bodies(slave.pull("T", 0, from: Int64(start + index)))
                #expect(bodies == ["m\(index)"])
            }
            await slave.broker.shutdown()
            let late = try await master.send("T", body: "late")
            #expect([ResponseCode.slaveNotAvailable, .flushSlaveTimeout].contains(late.responseCode), "\(late)")
            #expect(try await eventually { try await master.send("T").responseCode == .slaveNotAvailable })
            // Whoever does not want to wait is not told.
            let waits: MessageProperties = ["WAIT": "false"]
            #expect(try await master.send("T", properties: waits).responseCode == .success)
        }
    }

    /// A slave that is sent the log and tells what it has only when it is asked to: the master's wait is in a test's hand.
    private struct HeldSlave {
        let master: TestBroker
        let channel: any Channel

        init(of master: TestBroker) async throws {
            self.master = master
            let answer = try await master.call(.request(.haLogSpan, LogSpanRequestHeader()))
            let place = try HostPort(answer.header(LogSpanResponseHeader.self).haAddress)
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: place.port).get()
            try await report()
        }

        /// Says to have all of the master's log.
        func report() async throws {
            let end = try #require(Int64(try await Self.logEnd(master)))
            try await channel.writeAndFlush(ByteBuffer(integer: end)).get()
        }

        static func logEnd(_ broker: TestBroker) async throws -> String {
            let answer = try await broker.call(RemotingCommand(code: RequestCode.getBrokerRuntimeInfo.rawValue))
            let table = try JSONValue(parsing: answer.body ?? ByteBuffer())["table"]
            return try #require(table?["commitLogMaxOffset"]?.stringValue)
        }
    }

    private static func end(_ half: RemotingCommand) throws -> RemotingCommand {
        let place = try #require(half.extFields["msgId"].flatMap { OffsetMessageID($0) }).logOffset
        let offset = try #require(half.extFields["queueOffset"].flatMap { Int64($0) })
        return .request(
            .endTransaction,
            EndTransactionRequestHeader(
                producerGroup: "P", tranStateTableOffset: offset, commitLogOffset: place,
                commitOrRollback: SysFlag.transactionCommit.rawValue))
    }

    private static let halfProperties: MessageProperties = ["TRAN_MSG": "true", "PGROUP": "P", "UNIQ_KEY": "u"]

    /// What is sent back, and the end of a transaction, are told as done once a slave has them: not before its word.
    @Test func aSendBackAndACommitAreAsDurableAsASend() async throws {
        try await TestBroker.run({
            $0.role = .syncMaster
            $0.syncFlushTimeoutMilliseconds = 1000
        }) { master in
            // Nothing waits for a slave before the first one has come.
            let sent = try await master.send("T", body: "failed")
            let half = try await master.send("T", 1, body: "half", properties: Self.halfProperties)
            let slave = try await HeldSlave(of: master)
            #expect(try await eventually { try await runtime(master, "slaveBehindBytes") == "0" })
            // To the dead letters, where no delay stands between the answer and the message.
            let failed = try #require(sent.extFields["msgId"].flatMap { OffsetMessageID($0) }).logOffset
            let back = ConsumerSendMessageBackRequestHeader(
                offset: failed, group: "G", delayLevel: -1, maxReconsumeTimes: 3)
            let unheard = try await master.call(.request(.consumerSendMessageBack, back))
            #expect(unheard.responseCode == .flushSlaveTimeout, "\(unheard)")
            let ended = try await master.call(Self.end(half))
            #expect(ended.responseCode == .flushSlaveTimeout, "\(ended)")
            // Which it has by now; and a later end is over, not waited for.
            try await slave.report()
            #expect(try await eventually { try await runtime(master, "slaveBehindBytes") == "0" })
            #expect(try await master.call(Self.end(half)).responseCode == .success)
            try await slave.channel.close()
        }
    }

    /// A producer that repeats its commit while the first waits for the slave hears what the first does, and not before.
    @Test func aRepeatedCommitWaitsWithTheFirst() async throws {
        try await TestBroker.run({
            $0.role = .syncMaster
            $0.syncFlushTimeoutMilliseconds = 3000
        }) { master in
            let half = try await master.send("T", 1, body: "half", properties: Self.halfProperties)
            let slave = try await HeldSlave(of: master)
            #expect(try await eventually { try await runtime(master, "slaveBehindBytes") == "0" })
            let request = try Self.end(half)
            let codes = try await withThrowingTaskGroup(of: ResponseCode.self) { tasks in
                for _ in 0..<5 { tasks.addTask { try await master.call(request).responseCode } }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(codes == Array(repeating: .flushSlaveTimeout, count: 5))
            // One of them was stored.
            #expect(try await master.bodies(master.pull("T", 1, from: 0)) == ["half"])
            try await slave.channel.close()
        }
    }

    /// Without a slave a commit is weak, as a send is; a send-back is not refused, or each try of a message would double it.
    @Test func withoutASlaveACommitSaysSo() async throws {
        try await TestBroker.run({ $0.role = .syncMaster }) { alone in
            let half = try await alone.send(
                "T", 1, body: "half", properties: ["TRAN_MSG": "true", "PGROUP": "P", "UNIQ_KEY": "u"])
            let place = try #require(half.extFields["msgId"].flatMap { OffsetMessageID($0) }).logOffset
            let end = EndTransactionRequestHeader(
                producerGroup: "P", tranStateTableOffset: 0, commitLogOffset: place,
                commitOrRollback: SysFlag.transactionCommit.rawValue)
            let ended = try await alone.call(.request(.endTransaction, end))
            #expect(ended.responseCode == .slaveNotAvailable && ended.remark?.contains("stored") == true)
            let back = ConsumerSendMessageBackRequestHeader(
                offset: place, group: "G", delayLevel: -1, maxReconsumeTimes: 3)
            let taken = try await alone.call(.request(.consumerSendMessageBack, back))
            #expect(taken.responseCode == .success && taken.remark?.contains("no slave") == true, "\(taken)")
        }
    }

    @Test func aDeletedTopicIsGoneFromTheSlave() async throws {
        try await Self.pair { master, slave in
            _ = try await master.send("T")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)).count == 1 })
            let gone = try await master.call(.request(.deleteTopicInBroker, TopicRequestHeader(topic: "T")))
            #expect(gone.responseCode == .success)
            #expect(try await eventually { try await slave.pull("T", 0, from: 0).responseCode == .topicNotExist })
            _ = try await master.send("T", body: "anew")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)) == ["anew"] })
        }
    }

    /// Four messages, and then a new topic's first one: of its number one flipped bit could have made it. The slave asks.
    @Test func aTopicMadeAnewIsServedByTheSlave() async throws {
        try await Self.pair(slave: { $0.slaveSyncPeriod = .seconds(1) }) { master, slave in
            for _ in 0..<4 { _ = try await master.send("T") }
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)).count == 4 })
            let gone = try await master.call(.request(.deleteTopicInBroker, TopicRequestHeader(topic: "T")))
            #expect(gone.responseCode == .success)
            _ = try await master.send("T", body: "anew")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)) == ["anew"] })
        }
    }

    /// `slaveReadEnable=false`, RocketMQ's default: nobody is sent to a slave, and who comes because the master is gone is
    /// served, and told to try the master next.
    @Test func aSlaveServesWhoeverFindsNoMaster() async throws {
        try await Self.pair(slave: { $0.slaveReads = false }) { master, slave in
            _ = try await master.send("T", body: "m")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)) == ["m"] })
            await master.broker.shutdown()
            let answer = try await slave.pull("T", 0, from: 0)
            #expect(try slave.bodies(answer) == ["m"] && answer.extFields["suggestWhichBrokerId"] == "0")
        }
    }

    /// A consumer that its master has brought further than the slave is waits, and is not sent back.
    @Test func aSlaveThatIsBehindSetsNobodyBack() async throws {
        try await Self.pair { master, slave in
            _ = try await master.send("T", body: "m0")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)) == ["m0"] })
            for (queueID, offset) in [(Int32(0), Int64(2)), (1, 2)] {
                let answer = try await slave.pull("T", queueID, from: offset)
                #expect(answer.responseCode == .pullRetryImmediately && answer.extFields["nextBeginOffset"] == "2")
            }
            #expect(try await master.pull("T", 0, from: 2).responseCode == .pullOffsetMoved)
            async let held = slave.pull("T", 0, from: 2, holdMilliseconds: 20_000)
            #expect(await eventually { slave.broker.heldPulls == 1 })
            for number in 1...2 { _ = try await master.send("T", body: "m\(number)") }
            #expect(try await slave.bodies(held) == ["m2"])
        }
    }

    /// It would last until the next copy of the master's tables, and a deleted topic's messages would be gone.
    @Test func tablesAreChangedOnTheMasterAlone() async throws {
        try await Self.pair { master, slave in
            _ = try await master.send("T", body: "m")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)) == ["m"] })
            let topic = CreateTopicRequestHeader(
                topic: "new", defaultTopic: "TBW102", readQueueNums: 1, writeQueueNums: 1, perm: 6,
                topicFilterType: "SINGLE_TAG")
            let changes: [RemotingCommand] = [
                .request(.updateAndCreateTopic, topic),
                .request(.deleteTopicInBroker, TopicRequestHeader(topic: "T")),
                .request(.updateAndCreateSubscriptionGroup, body: SubscriptionGroup(name: "G").encoded()),
                RemotingCommand(code: RequestCode.deleteSubscriptionGroup.rawValue, extFields: ["groupName": "G"]),
                .request(
                    .updateConsumerOffset,
                    UpdateConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 0, commitOffset: 1)),
            ]
            for change in changes {
                #expect(try await slave.call(change).responseCode == .systemError, "\(change.code)")
            }
            #expect(try await slave.bodies(slave.pull("T", 0, from: 0)) == ["m"])
        }
    }

    /// What a power cut leaves of a master: its store as it was a moment ago, or nothing of it.
    private static func earlierStore(of broker: TestBroker, isEmpty: Bool) throws -> FilePath {
        let path = FilePath(NSTemporaryDirectory()).appending("earlier-\(UUID().uuidString)")
        if isEmpty {
            try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
        } else {
            try FileManager.default.copyItem(atPath: broker.root.string, toPath: path.string)
        }
        return path
    }

    /// A broker of the master's name on another store, started beside its slave.
    private static func master(
        _ store: FilePath, like old: TestBroker, nameservers: [String]
    ) async throws -> (service: BrokerService, address: String) {
        var configuration = old.broker.configuration
        configuration.storeRoot = store
        configuration.nameservers = nameservers
        let broker = BrokerService(
            configuration: configuration, group: MultiThreadedEventLoopGroup.singleton, logger: TestBroker.quiet)
        return (broker, try await broker.start().hostPort)
    }

    private static func bodies(_ address: String, through broker: TestBroker) async throws -> [String] {
        let header = PullMessageRequestHeader(
            consumerGroup: "G", topic: "T", queueID: 0, queueOffset: 0, maxMessages: 32,
            sysFlag: PullMessageRequestHeader.subscriptionFlag, commitOffset: 0, suspendTimeoutMilliseconds: 0,
            subscription: "*", subscriptionVersion: 0)
        let answer = try await broker.client.call(
            .request(.pullMessage, header), to: address, timeout: .seconds(5))
        return try broker.bodies(answer)
    }

    /// A master that comes back shorter than its slave, or empty, has all of it again before it serves, and the slave
    /// follows it on.
    @Test(arguments: [false, true]) func whatAMasterLostItTakesBack(isEmpty: Bool) async throws {
        try await Self.pair { old, slave in
            for index in 0..<10 { _ = try await old.send("T", 0, body: "m\(index)") }
            let commit = UpdateConsumerOffsetRequestHeader(
                consumerGroup: "G", topic: "T", queueID: 0, commitOffset: 4)
            _ = try await old.call(.request(.updateConsumerOffset, commit))
            let store = try Self.earlierStore(of: old, isEmpty: isEmpty)
            defer { try? FileManager.default.removeItem(atPath: store.string) }
            for index in 10..<20 { _ = try await old.send("T", 0, body: "m\(index)") }
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)).count == 20 })
            let query = QueryConsumerOffsetRequestHeader(consumerGroup: "G", topic: "T", queueID: 0)
            #expect(
                try await eventually {
                    try await slave.call(.request(.queryConsumerOffset, query)).extFields["offset"] == "4"
                })
            await old.broker.shutdown()
            let new = try await Self.master(store, like: old, nameservers: [old.nameserverAddress])
            #expect(try await Self.bodies(new.address, through: slave) == (0..<20).map { "m\($0)" })
            if isEmpty {
                let offset = try await slave.client.call(
                    .request(.queryConsumerOffset, query), to: new.address, timeout: .seconds(5))
                #expect(offset.extFields["offset"] == "4")
            }
            let send = SendMessageRequestHeader(
                producerGroup: "PG", topic: "T", defaultTopic: "TBW102", defaultTopicQueueNums: 4, queueID: 0,
                sysFlag: 0, bornTimestamp: 1, flag: 0, properties: "", reconsumeTimes: 0)
            let sent = try await slave.client.call(
                .request(.sendMessage, send, body: ByteBuffer(string: "next")), to: new.address, timeout: .seconds(5))
            #expect(sent.extFields["queueOffset"] == "20")
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 20)) == ["next"] })
            await new.service.shutdown()
        }
    }

    /// A power cut that kept a later write and lost an earlier one leaves a hole: with a copy at hand the log is cut there
    /// and copied anew, and no message is missing.
    @Test func aHoleInTheLogIsFilledFromTheSlave() async throws {
        try await Self.pair { old, slave in
            for index in 0..<10 { _ = try await old.send("T", 0, body: "body-\(index)") }
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)).count == 10 })
            let store = try Self.earlierStore(of: old, isEmpty: false)
            defer { try? FileManager.default.removeItem(atPath: store.string) }
            await old.broker.shutdown()
            // Nothing of it was known to be synced.
            try? FileManager.default.removeItem(atPath: store.appending("checkpoint").string)
            let segment = store.appending("commitlog").appending(String(repeating: "0", count: 20)).string
            var bytes = try Data(contentsOf: URL(fileURLWithPath: segment))
            let place = try #require(bytes.range(of: Data("body-5".utf8)))
            bytes.replaceSubrange(place, with: Data(count: 6))
            try bytes.write(to: URL(fileURLWithPath: segment))
            let new = try await Self.master(store, like: old, nameservers: [old.nameserverAddress])
            #expect(try await Self.bodies(new.address, through: slave) == (0..<10).map { "body-\($0)" })
            await new.service.shutdown()
            // The control: without a nameserver there is nobody to ask, and the hole stays.
            try bytes.write(to: URL(fileURLWithPath: segment))
            try? FileManager.default.removeItem(atPath: store.appending("checkpoint").string)
            try Data().write(to: URL(fileURLWithPath: store.appending("abort").string))
            let alone = try await Self.master(store, like: old, nameservers: [])
            let left = (0..<10).filter { $0 != 5 }.map { "body-\($0)" }
            #expect(try await Self.bodies(alone.address, through: slave) == left)
            await alone.service.shutdown()
        }
    }

    private static func send(_ body: String, to address: String, through broker: TestBroker) async throws {
        let send = SendMessageRequestHeader(
            producerGroup: "PG", topic: "T", defaultTopic: "TBW102", defaultTopicQueueNums: 4, queueID: 0,
            sysFlag: 0, bornTimestamp: 1, flag: 0, properties: "", reconsumeTimes: 0)
        let answer = try await broker.client.call(
            .request(.sendMessage, send, body: ByteBuffer(string: body)), to: address, timeout: .seconds(5))
        #expect(answer.responseCode == .success)
    }

    /// A master that went on without what its slave has: the slave's log is cut where they part, what is cut is kept and
    /// told, and the slave follows.
    @Test func aLogThatPartedIsCutKeptAndFollows() async throws {
        try await Self.pair { old, slave in
            for index in 0..<10 { _ = try await old.send("T", 0, body: "m\(index)") }
            let store = try Self.earlierStore(of: old, isEmpty: false)
            defer { try? FileManager.default.removeItem(atPath: store.string) }
            let place = try await runtime(old, "commitLogMaxOffset")
            for index in 10..<20 { _ = try await old.send("T", 0, body: "m\(index)") }
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)).count == 20 })
            await old.broker.shutdown()
            // Alone, it knows no nameserver, and takes messages of its own.
            let alone = try await Self.master(store, like: old, nameservers: [])
            try await Self.send("own", to: alone.address, through: slave)
            await alone.service.shutdown()
            #expect(try await slave.bodies(slave.pull("T", 0, from: 0)).count == 20)
            let new = try await Self.master(store, like: old, nameservers: [old.nameserverAddress])
            let own = (0..<10).map { "m\($0)" } + ["own"]
            #expect(try await Self.bodies(new.address, through: slave) == own)
            // While it starts anew it may refuse a connection.
            func slaveHas(_ bodies: [String]) async -> Bool {
                await eventually { (try? await slave.bodies(slave.pull("T", 0, from: 0))) == bodies }
            }
            #expect(await slaveHas(own))
            try await Self.send("next", to: new.address, through: slave)
            #expect(await slaveHas(own + ["next"]))
            #expect(try await runtime(slave, "followsMaster") == "true")
            #expect(try await runtime(slave, "logEpoch") == "3")
            #expect(try await (Int64(runtime(slave, "cutBytes") ?? "") ?? 0) > 0)
            let name = try #require(try await runtime(slave, "lastCut"))
            #expect(name.hasPrefix(String(repeating: "0", count: 20 - (place?.count ?? 0)) + (place ?? "?")))
            var kept: [String] = []
            _ = try StoreScanner(root: slave.root.appending("cut").appending(name)).scan {
                kept.append(String(buffer: $0.record.body))
            }
            #expect(kept == (10..<20).map { "m\($0)" })
            await new.service.shutdown()
        }
    }

    /// A master whose store is gone, and whose slave was not there when it started, begins with nothing: its slave does not
    /// throw its own log away for it.
    @Test func aMasterWithoutAPastIsNotFollowed() async throws {
        try await Self.pair { old, slave in
            for index in 0..<10 { _ = try await old.send("T", 0, body: "m\(index)") }
            #expect(try await eventually { try await slave.bodies(slave.pull("T", 0, from: 0)).count == 10 })
            let store = try Self.earlierStore(of: old, isEmpty: true)
            defer { try? FileManager.default.removeItem(atPath: store.string) }
            await old.broker.shutdown()
            let alone = try await Self.master(store, like: old, nameservers: [])
            try await Self.send("own", to: alone.address, through: slave)
            // What its slave would be told of it by a nameserver.
            let slaveStore = try #require(slave.broker.opened)
            let siblings = Siblings(
                configuration: slave.broker.configuration, store: slaveStore.store,
                epochs: slaveStore.replication.epochs, lanes: slaveStore.lanes, client: slave.client,
                logger: TestBroker.quiet)
            guard case .log(let log) = await siblings.log(of: alone.address) else {
                Issue.record("no answer")
                return
            }
            guard case .object = log.rejoining(segmentBytes: 1 << 20) else {
                Issue.record("\(log.rejoining(segmentBytes: 1 << 20))")
                return
            }
            await alone.service.shutdown()
        }
    }

    /// Refuses all, as a broker that starts or stops does.
    private final class Starting: RemotingRequestHandler {
        let code: ResponseCode
        init(_ code: ResponseCode) { self.code = code }
        func handle(_ request: RemotingCommand, on connection: RemotingConnection, reply: RemotingReply) {
            reply.send(code, remark: "not now")
        }
    }

    /// Only who does not know the question is a broker of another kind, and followed without a comparison.
    @Test(arguments: [ResponseCode.serviceNotAvailable, .systemError, .requestCodeNotSupported])
    func whoeverStartsIsNotTakenForAnother(code: ResponseCode) async throws {
        try await TestBroker.run { broker in
            let server = RemotingServer(
                configuration: .init(host: "127.0.0.1", port: 0), group: MultiThreadedEventLoopGroup.singleton,
                logger: TestBroker.quiet, handler: Starting(code))
            let address = try await server.start().hostPort
            let context = try #require(broker.broker.opened)
            let siblings = Siblings(
                configuration: broker.broker.configuration, store: context.store, epochs: context.replication.epochs,
                lanes: context.lanes, client: broker.client, logger: TestBroker.quiet)
            switch await siblings.log(of: address) {
            case .foreign: #expect(code == .requestCodeNotSupported)
            case .silent: #expect(code != .requestCodeNotSupported)
            case .log: Issue.record("it has no log")
            }
            await server.shutdown()
        }
    }

    @Test func rolesAndNumbersFitEachOther() throws {
        func configuration(_ text: String) throws -> BrokerConfiguration {
            var settings = Settings(file: try PropertiesFile(text: text, name: "b.properties"))
            return try BrokerConfiguration(settings: &settings)
        }
        #expect(try configuration("brokerRole=SYNC_MASTER\nbrokerId=3").brokerID == 0)
        #expect(try configuration("brokerRole=SLAVE\nbrokerId=3").brokerID == 3)
        #expect {
            _ = try configuration("brokerRole=SLAVE")
        } throws: { "\($0)".contains("brokerId") }
    }
}
