import FoundationEssentials
import Glibc
import LabHistory
import Logging
import MQBroker
import MQClient
import MQNameserver
import MQStore
import MQTransport
import MQWire
import NIOCore
import NIOPosix
import SystemPackage
import Testing

@testable import LabTrials

/// Negative controls at the wire: real nameserver, real broker, real client, and between them a `WireDouble` that does
/// one wrong thing. Each must be caught as what it is; without mischief the same load must pass.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct WireControlTests {
    @Test func anHonestBrokerPasses() async throws {
        let (verdict, _, _) = try await Self.trial(.none)
        #expect(verdict.status == .pass, "\(verdict)")
        #expect(verdict.counts.ok > 50 && verdict.counts.deliveredValues == verdict.counts.ok, "\(verdict.counts)")
    }

    @Test func aMessageStoredTwiceIsCountedAsDuplicated() async throws {
        let (verdict, strikes, _) = try await Self.trial(.storeTwice)
        #expect(verdict.status == .pass, "duplicates are legal under at least once: \(verdict)")
        #expect(strikes > 0 && verdict.counts.duplicated == strikes, "\(strikes) strikes, \(verdict.counts)")
    }

    @Test func aMessageDeliveredTwiceIsCountedAsDuplicated() async throws {
        let (verdict, strikes, _) = try await Self.trial(.deliverTwice)
        #expect(strikes > 0 && verdict.counts.duplicated > 0, "\(strikes) strikes, \(verdict.counts)")
    }

    @Test func aSwallowedMessageIsLost() async throws {
        let (verdict, strikes, _) = try await Self.trial(.swallow)
        #expect(verdict.status == .fail, "\(verdict)")
        let lost = try #require(verdict.findings.first { $0.anomaly == .lost }, "\(verdict)")
        #expect(strikes > 0 && lost.count == strikes, "\(strikes) strikes, \(lost)")
        #expect(lost.witness != nil)
    }

    @Test func aMessageRefusedAndStoredIsUnexpected() async throws {
        let (verdict, strikes, _) = try await Self.trial(.refuseAndStore)
        #expect(verdict.status == .fail, "\(verdict)")
        let unexpected = try #require(verdict.findings.first { $0.anomaly == .unexpected }, "\(verdict)")
        #expect(strikes > 0 && unexpected.count >= strikes, "\(strikes) strikes, \(unexpected)")
    }

    @Test func anAlteredBodyIsCorrupted() async throws {
        let (verdict, strikes, _) = try await Self.trial(.corrupt(marker: Array("control/p0-".utf8)))
        #expect(verdict.status == .fail, "\(verdict)")
        let corrupted = try #require(verdict.findings.first { $0.anomaly == .corrupted }, "\(verdict)")
        #expect(strikes > 0 && corrupted.count == strikes, "\(strikes) strikes, \(corrupted)")
    }

    @Test func aMessageAcknowledgedElsewhereThanItIsStoredIsNoticed() async throws {
        let (verdict, strikes, _) = try await Self.trial(.misplace)
        #expect(verdict.status == .fail, "\(verdict)")
        let elsewhere = verdict.findings.filter { $0.anomaly == .inconsistentOffset }
        #expect(strikes > 0 && elsewhere.map(\.count) == [strikes], "\(strikes) strikes, \(elsewhere)")
    }

    @Test func anAnswerThatCannotBeReadIsEvidence() async throws {
        let (verdict, strikes, events) = try await Self.trial(.garble)
        #expect(verdict.status == .fail, "\(verdict)")
        let notices = events.count { if case .unreadable = $0.body { true } else { false } }
        #expect(strikes > 0 && notices > 0 && verdict.count(of: .corrupted) == notices, "\(strikes), \(verdict)")
        #expect(verdict.counts.deliveredValues == verdict.counts.ok, "each was readable the next time: \(verdict)")
    }

    /// One byte of a body is turned in the broker's file, after everything was delivered and before it is scanned.
    @Test func aDamagedRecordIsAFindingOfItsOwn() async throws {
        let (verdict, _, _) = try await Self.trial(.none, damage: Array("control/p0-7/".utf8))
        #expect(verdict.status == .fail, "\(verdict)")
        #expect(verdict.findings.filter { $0.status != .pass }.map(\.anomaly) == [.damaged], "\(verdict)")
        #expect(verdict.finding(.damaged)?.witness?.value == ValueID(producer: 0, sequence: 7), "\(verdict)")
    }

    /// What a reader passed over is owed all the same, and the drain, which trusts no position, gets it.
    @Test func whatTheReaderWasLedPastIsReadByTheDrain() async throws {
        let (verdict, strikes, events) = try await Self.trial(.skipLive)
        var live: Set<ValueID> = []
        for case .deliver(let delivery) in events.map(\.body) where !delivery.isDrain {
            if let value = delivery.value { live.insert(value) }
        }
        #expect(strikes > 0 && live.count < verdict.counts.ok, "\(strikes) strikes, \(live.count) read")
        #expect(verdict.counts.deliveredValues == verdict.counts.ok, "\(verdict)")
        #expect(verdict.count(of: .undelivered) == 0 && verdict.count(of: .lost) == 0, "\(verdict)")
        #expect(verdict.count(of: .pollSkip) > 0, "the broker that skips is told of: \(verdict)")
    }

    /// Both queues' ends are asked for side by side, each with a request that is never answered: the drain's time is the
    /// whole drain's, not each request's.
    @Test func aDrainWithoutAnswersEndsInTimeAndIsInconclusive() async throws {
        let (verdict, strikes, events) = try await Self.trial(.hideEnds, drainTimeout: .seconds(1))
        #expect(strikes >= 2 && verdict.status == .inconclusive, "\(verdict)")
        let open = try #require(verdict.finding(.undrained), "\(verdict)")
        #expect(open.count == 2 && open.summary.contains("its end was never told"), "\(open)")
        let began = events.first { $0.body == .phase("drain") }?.atNanoseconds
        let ended = events.last { if case .drained = $0.body { true } else { false } }?.atNanoseconds
        let took = try #require(ended) - #require(began)
        #expect(took < 2_500_000_000, "\(took) ns for a drain of 1 s")
    }

    // MARK: The rig

    static let topic = TopicPlan(name: "control", queues: 2)
    static let sends = 100
    static let plan = WorkloadPlan(producers: 1, ratePerSecond: 200, bodyBytes: 128, consumers: 1)

    /// Runs the load for a hundred sends and judges its history.
    static func trial(
        _ mischief: WireDouble.Mischief, drainTimeout: Duration = .seconds(10), damage: [UInt8]? = nil
    ) async throws -> (Verdict, strikes: Int, [HistoryEvent]) {
        let folder = try temporaryFolder()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let quiet = Logger(label: "control", factory: { _ in SwiftLogNoOpLogHandler() })
        let nameserver = NameserverService(
            configuration: NameserverConfiguration(bindAddress: "127.0.0.1", listenPort: 0), group: group, logger: quiet
        )
        let realNameserver = "127.0.0.1:\(try await nameserver.start().port ?? 0)"
        var configuration = BrokerConfiguration()
        configuration.bindAddress = "127.0.0.1"
        configuration.listenPort = 0
        configuration.nameservers = [realNameserver]
        configuration.storeRoot = folder.appending("store")
        configuration.segmentBytes = 16 << 20
        // On a busy machine the writer may get its turn late.
        configuration.sendWait = .seconds(60)
        let broker = BrokerService(configuration: configuration, group: group, logger: quiet)
        let realBroker = "127.0.0.1:\(try await broker.start().port ?? 0)"

        let before = WireDouble(target: realBroker, mischief: mischief, group: group)
        let brokerDouble = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: before)
        let doubled = "127.0.0.1:\(try await brokerDouble.start().port ?? 0)"
        let route = WireDouble(target: realNameserver, mischief: .none, reroute: (realBroker, doubled), group: group)
        let nameserverDouble = RemotingServer(
            configuration: .init(host: "127.0.0.1", port: 0), group: group, logger: quiet, handler: route)
        let seen = "127.0.0.1:\(try await nameserverDouble.start().port ?? 0)"

        let verdict = try await judge(
            nameserver: seen, broker: realBroker, store: configuration.storeRoot, drainTimeout, damage, folder)
        let events = try Self.events(folder.appending("history.jsonl"))
        await nameserverDouble.shutdown()
        await brokerDouble.shutdown()
        await route.shutdown()
        await before.shutdown()
        await broker.shutdown()
        await nameserver.shutdown()
        try await group.shutdownGracefully()
        try FileManager.default.removeItem(atPath: folder.string)
        return (verdict, before.strikes, events)
    }

    private static func events(_ path: FilePath) throws -> [HistoryEvent] {
        var lines = HistoryLines()
        var events: [HistoryEvent] = []
        try lines.feed(Array(Data(contentsOf: URL(filePath: path.string)))) { event, _ in events.append(event) }
        return events
    }

    private static func judge(
        nameserver: String, broker: String, store: FilePath, _ drainTimeout: Duration, _ damage: [UInt8]?,
        _ folder: FilePath
    ) async throws -> Verdict {
        let client = MQConnection(configuration: .init(nameservers: [nameserver], randomSeed: 1))
        let admin = MQAdmin(client: client)
        for name in [topic.name, "swallowed"] {
            try await admin.createTopic(name, readQueues: 2, writeQueues: 2, on: broker)
        }
        try await waitForRoute(admin)
        let path = folder.appending("history.jsonl")
        let recorder = try HistoryRecorder(path: path, clock: RunClock())
        recorder.record(
            .run(
                RunHeader(
                    formatVersion: HistoryFormat.version, runID: "control", seed: 1, startedAtMilliseconds: 0,
                    topic: topic.name, plan: PlanSize(faults: 0, scans: 1))))
        recorder.record(.planned(.scan(PlannedScan(replica: "broker-a", broker: "broker-a"))))
        let load = Workload(plan: plan, topic: topic, runID: "control", seed: 1)
        try await load.run(through: client, recorder: recorder, drainTimeout: drainTimeout) {
            recorder.record(.phase("baseline"))
            // As many sends as the mischief needs, however slow the machine is; bounded, should none succeed.
            let deadline = ContinuousClock.now + .seconds(30)
            while recorder.tally.invoked < sends, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        await client.shutdown()
        if let damage { try Self.damage(store, after: damage) }
        try scan(store, into: recorder)
        recorder.record(.end(RunEnd(completed: true, detail: "")))
        try recorder.close()

        let run = RunFolder(path: folder)
        try run.write(
            RunManifest(
                runID: "control", lab: "control", mode: "none", seed: 1, startedAtMilliseconds: 0, state: .completed,
                controllerPID: 0, lossAllowed: false, placement: [:], configurations: [:], clocks: [:],
                agentVersion: ""))
        return try Judgement.judge(run).verdict
    }

    private static func waitForRoute(_ admin: MQAdmin) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            if (try? await admin.topicRoute(topic.name)) != nil { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("no route to the control's topic")
    }

    /// Turns a bit of the byte behind the first place at which the commit log holds `marker`.
    private static func damage(_ store: FilePath, after marker: [UInt8]) throws {
        let folder = store.appending("commitlog")
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted().first)
        let file = try FileDescriptor.open(folder.appending(name), .readWrite)
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
        let place = try #require(bytes[..<count].firstRange(of: marker)?.upperBound)
        _ = try file.writeAll(toAbsoluteOffset: Int64(place), [bytes[place] ^ 1])
    }

    private static func scan(_ store: FilePath, into recorder: HistoryRecorder) throws {
        var records = 0
        let end = try StoreScanner(root: store).scan { found in
            guard found.record.topic == topic.name else { return }
            records += 1
            let properties = found.record.properties
            recorder.record(
                .scanned(
                    ScannedRecord(
                        replica: "broker-a", queueID: Int(found.record.queueID),
                        queueOffset: found.record.queueOffset, logOffset: found.record.logOffset,
                        value: properties["KEYS"].flatMap { ValueID($0) },
                        runID: properties[ProbeMessage.runProperty], checksumAgrees: found.isChecksumValid)))
        }
        recorder.record(
            .scanEnded(
                ReplicaScan(
                    replica: "broker-a", records: records, endOffset: end.logOffset, complete: true,
                    detail: end.tornReason ?? "")))
    }

    private static func temporaryFolder() throws -> FilePath {
        var template = Array("/tmp/seatrial-control-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        return FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
