import Foundation
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// What a start makes of the files that a stop, a crash or a mishap left.
@Suite struct RecoveryTests {
    /// A store with 300 messages in three queues, and the fixture as it is while the store is open.
    private func filled() async throws -> (fixture: StoreFixture, store: MessageStore, bodies: [[String]]) {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for index in 0..<300 { try await store.append([message("t", Int32(index % 3), body: "m\(index)")]) }
        let bodies = try (Int32(0)..<3).map { try store.bodies("t", $0) }
        #expect(bodies.allSatisfy { $0.count == 100 })
        return (fixture, store, bodies)
    }

    private func bodies(_ store: MessageStore) throws -> [[String]] {
        try (Int32(0)..<3).map { try store.bodies("t", $0) }
    }

    @Test func aCleanStopLosesNothingAndWritesGoOn() async throws {
        let (fixture, store, before) = try await filled()
        store.close()
        let again = try fixture.open()
        defer { again.close() }
        #expect(again.recovery.wasCleanStop && again.recovery.rebuiltEntries == 0)
        #expect(try bodies(again) == before)
        #expect(try await again.append([message("t", body: "next")]).queueOffset == 100)
        #expect(again.maximumLogOffset > store.maximumLogOffset)
    }

    @Test func aKilledProcessLosesNothing() async throws {
        let (fixture, store, before) = try await filled()
        defer { store.close() }
        let crashed = try fixture.crashed()
        let again = try crashed.open()
        defer { again.close() }
        #expect(!again.recovery.wasCleanStop && again.recovery.tornReason == nil)
        #expect(again.recovery.logEnd == store.maximumLogOffset)
        #expect(try bodies(again) == before)
    }

    /// What stopped cleanly has no torn tail: the last record's own size, or magic, went bad since, and its place stays.
    @Test(arguments: [0, 3, 4, 7]) func aLastHeaderThatGoesBadAfterACleanStopIsDamage(byte: UInt64) async throws {
        let (fixture, store, before) = try await filled()
        let receipt = try await store.append([message("t", 0, body: "the last one")])
        let end = store.maximumLogOffset
        store.close()
        try fixture.overwrite([0x55], at: UInt64(receipt.logOffsets[0]) + byte)
        let again = try fixture.open()
        #expect(again.recovery.wasCleanStop && again.recovery.tornReason == nil)
        #expect(again.recovery.damagedOffsets == [receipt.logOffsets[0]] && again.recovery.logEnd == end)
        // Served to nobody, and its place given to nobody else.
        #expect(try bodies(again) == before)
        let key = QueueKey(topic: "t", queueID: 0)
        #expect(again.maximumOffset(of: key) == 101)
        let next = try await again.append([message("t", 0, body: "next")])
        #expect(next.queueOffset == 101 && next.logOffsets == [end])
        #expect(try again.read(QueueRequest(key: key, offset: 100, maximumCount: 10)).nextOffset == 102)
        // The next starts know it as damage in the middle.
        let crashed = try fixture.crashed()
        again.close()
        for store in [try fixture.open(), try crashed.open()] {
            #expect(try store.bodies("t", 0) == before[0] + ["next"])
            store.close()
        }
    }

    /// A long walk is no silent one: whoever waits for a start sees how far it is.
    @Test func aLongWalkTellsHowFarItIs() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        defer { store.close() }
        let drafts = (0..<1000).map { message("t", 0, body: "m\($0)") }
        for _ in 0..<10 { try await store.append(drafts) }
        let crashed = try fixture.crashed()
        let time = Atomic<Int64>(0)
        let told = Mutex<[RecoveryProgress]>([])
        let again = try MessageStore(
            configuration: crashed.configuration(), now: { 1_700_000_000_000 },
            uptime: { time.wrappingAdd(600_000_000, ordering: .relaxed).newValue }, io: SystemStorage(),
            arrivals: { _ in }, recovering: { progress in told.withLock { $0.append(progress) } })
        defer { again.close() }
        // The clock is looked at after every 4096 records, and a second must have gone since the last news.
        #expect(told.withLock { $0.map(\.records) } == [8192] || told.withLock { $0.map(\.records) } == [4096, 8192])
        for progress in told.withLock({ $0 }) {
            #expect(progress.walkedBytes > 0 && progress.walkedBytes < progress.atMostBytes)
            #expect(progress.atMostBytes % (1 << 20) == 0)
        }
    }

    @Test(arguments: [1, 40, 90, 92]) func aTornTailIsCutAndReported(lostBytes: Int) async throws {
        let (fixture, store, before) = try await filled()
        defer { store.close() }
        let crashed = try fixture.crashed().withoutNotes()
        let end = UInt64(store.maximumLogOffset)
        try crashed.overwrite([UInt8](repeating: 0, count: lostBytes), at: end - UInt64(lostBytes))
        let scan = try StoreScanner(root: crashed.root).scan { #expect($0.isChecksumValid) }
        let again = try crashed.open()
        // The properties' length ends the last record: one lost byte of it is zero anyway, and nothing is lost.
        let isIntact = lostBytes == 1
        #expect((again.recovery.tornReason == nil) == isIntact && (scan.tornReason == nil) == isIntact)
        #expect(scan.logOffset == again.recovery.logEnd && scan.records == (isIntact ? 300 : 299))
        #expect(try bodies(again)[2] == (isIntact ? before[2] : before[2].dropLast()))
        // The queue goes on where it was cut, and a second crash finds nothing of what was torn.
        let receipt = try await again.append([message("t", 2, body: "anew")])
        #expect(receipt.queueOffset == (isIntact ? 100 : 99))
        let crashedAgain = try crashed.crashed()
        let third = try crashedAgain.open()
        #expect(third.recovery.tornReason == nil)
        #expect(try third.bodies("t", 2).last == "anew")
        third.close()
        again.close()
    }

    /// A log that is cut before a damaged record, to be copied anew, has the record's place free again.
    @Test func aCutLogForgetsItsLostPlaces() async throws {
        let (fixture, store, before) = try await filled()
        defer { store.close() }
        let crashed = try fixture.crashed().withoutNotes()
        let bad = try #require(try store.entries(of: QueueKey(topic: "t", queueID: 0), from: 50, count: 1).first)
        try crashed.overwrite([UInt8](repeating: 0x11, count: 4), at: UInt64(bad.logOffset) + 8)
        let damaged = try crashed.open()
        #expect(damaged.recovery.damagedOffsets == [bad.logOffset] && damaged.maximumOffset(of: Self.first) == 100)
        damaged.close()
        let cut = try MessageStore(
            configuration: crashed.configuration(), now: { 1_700_000_000_000 }, cuttingAt: bad.logOffset)
        defer { cut.close() }
        #expect(cut.maximumLogOffset == bad.logOffset && cut.maximumOffset(of: Self.first) == 50)
        #expect(try bodies(cut) == before.map { Array($0.prefix(50)) })
        #expect(try await cut.append([message("t", 0, body: "anew")]).queueOffset == 50)
    }
    private static let first = QueueKey(topic: "t", queueID: 0)

    @Test func garbageBehindTheEndIsCut() async throws {
        let (fixture, store, before) = try await filled()
        defer { store.close() }
        let crashed = try fixture.crashed()
        try crashed.overwrite([UInt8](repeating: 0x5A, count: 500), at: UInt64(store.maximumLogOffset))
        let again = try crashed.open()
        defer { again.close() }
        #expect(again.recovery.tornReason == "magic 0x5a5a5a5a" && again.recovery.logEnd == store.maximumLogOffset)
        #expect(try bodies(again) == before)
    }

    @Test func queuesAheadOfTheLogAreCut() async throws {
        let (fixture, store, before) = try await filled()
        defer { store.close() }
        let crashed = try fixture.crashed().withoutNotes()
        let half = try #require(try store.entries(of: QueueKey(topic: "t", queueID: 0), from: 50, count: 1).first)
        let rest = Int(store.maximumLogOffset - half.logOffset)
        try crashed.overwrite([UInt8](repeating: 0, count: rest), at: UInt64(half.logOffset))
        let again = try crashed.open()
        defer { again.close() }
        #expect(again.recovery.logEnd == half.logOffset)
        #expect(try bodies(again) == before.map { Array($0.prefix(50)) })
    }

    @Test(arguments: [true, false]) func lostQueuesAreMadeAnew(cleanly: Bool) async throws {
        let (fixture, store, before) = try await filled()
        if cleanly { store.close() }
        let copy = try fixture.crashed()
        store.close()
        try FileManager.default.removeItem(atPath: copy.root.appending("consumequeue").string)
        let again = try copy.open()
        defer { again.close() }
        #expect(again.recovery.wasCleanStop == cleanly && again.recovery.rebuiltEntries == 300)
        #expect(try bodies(again) == before)
    }

    @Test func aLargeSegmentIsNotReadWhole() async throws {
        let fixture = try StoreFixture()
        var configuration = fixture.configuration(segmentBytes: 32 << 20)
        configuration.checkpointIntervalMilliseconds = 250
        let start: Int64 = 1_700_000_000_000
        let clock = Atomic<Int64>(start)
        let store = try MessageStore(configuration: configuration, now: { clock.load(ordering: .relaxed) })
        let body = String(repeating: "x", count: 100_000)
        for index in 0..<120 {
            clock.store(start + Int64(index), ordering: .relaxed)
            try await store.append([message("t", Int32(index % 2), body: body)])
        }
        // The checkpoint covers the last message once the housekeeper has been round.
        let deadline = ContinuousClock.now.advanced(by: .seconds(10))
        while try Checkpoint.read(from: configuration.checkpointFile, io: SystemStorage())?.reach?.safeOffset
            != store.maximumLogOffset, ContinuousClock.now < deadline
        {
            try await Task.sleep(for: .milliseconds(50))
        }
        let crashed = try fixture.crashed()
        store.close()
        for (copy, isClean) in [(crashed, false), (fixture, true)] {
            configuration = copy.configuration(segmentBytes: 32 << 20)
            let again = try MessageStore(configuration: configuration, now: { start + 4000 })
            #expect(again.recovery.wasCleanStop == isClean && again.recovery.logEnd == store.maximumLogOffset)
            #expect(again.recovery.walkedRecords == 10 && again.recovery.rebuiltEntries == 0)
            #expect(try again.bodies("t", 0).count == 60 && again.bodies("t", 1).count == 60)
            again.close()
        }
    }

    @Test func aTopicMadeAnewKeepsItsNewMessages() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        defer { store.close() }
        for index in 0..<5 { try await store.append([message("t", body: "old\(index)"), message("u", body: "u")]) }
        _ = await withCheckedContinuation { done in store.deleteTopic("t") { done.resume(returning: $0) } }
        for index in 0..<2 { try await store.append([message("t", body: "new\(index)")]) }
        // The log holds both; of two records with one place in a queue the later one counts.
        let crashed = try fixture.crashed()
        let again = try crashed.open()
        defer { again.close() }
        #expect(try again.bodies("t") == ["new0", "new1"] && again.bodies("u").count == 5)
        #expect(try await again.append([message("t", body: "next")]).queueOffset == 2)
    }

    @Test func segmentsOfAnotherSizeAreRefused() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for _ in 0..<30 {
            try await store.append([message("t", body: String(repeating: "x", count: 100_000))])
        }
        store.close()
        #expect {
            try MessageStore(configuration: fixture.configuration(segmentBytes: 4 << 20), now: { 0 })
        } throws: { ($0 as? StoreError)?.code == .layout }
    }

    @Test func aSmallerSegmentSizeCutsNothing() async throws {
        let fixture = try StoreFixture()
        let store = try MessageStore(configuration: fixture.configuration(segmentBytes: 4 << 20), now: { 0 })
        for _ in 0..<20 {
            try await store.append([message("t", body: String(repeating: "x", count: 100_000))])
        }
        store.close()
        let before = try StoreScanner(root: fixture.root).scan { _ in }
        #expect {
            try MessageStore(configuration: fixture.configuration(segmentBytes: 1 << 20), now: { 0 })
        } throws: { ($0 as? StoreError)?.code == .layout }
        let misfit = #expect(throws: StoreError.self) {
            try MessageStore(configuration: fixture.configuration(segmentBytes: 8 << 20), now: { 0 })
        }
        #expect(misfit?.message.hasSuffix("mappedFileSizeCommitLog is 8388608; set it to 4194304") == true)
        #expect(try StoreScanner(root: fixture.root).scan { _ in } == before && before.records == 20)
    }

    @Test func damageInTheMiddleIsReportedByTheScanner() async throws {
        let (fixture, store, _) = try await filled()
        store.close()
        let victim = try #require(try store.entries(of: QueueKey(topic: "t", queueID: 1), from: 10, count: 1).first)
        // The first byte of the body, behind hosts and times.
        try fixture.overwrite([0xFF], at: UInt64(victim.logOffset) + 88)
        var damaged: [Int64] = []
        let end = try StoreScanner(root: fixture.root).scan { found in
            if !found.isChecksumValid { damaged.append(found.record.logOffset) }
        }
        #expect(damaged == [victim.logOffset] && end.tornReason == nil && end.records == 300)
        let again = try fixture.open()
        defer { again.close() }
        #expect(again.recovery.damagedOffsets == [victim.logOffset])
    }

    /// Where a record is damaged: the body, its size, its magic, its own offset.
    @Test(arguments: [88, 2, 5, 35]) func damageInTheMiddleCostsOneMessageAndNoOther(within: UInt64) async throws {
        let (fixture, store, before) = try await filled()
        defer { store.close() }
        let victim = try #require(try store.entries(of: QueueKey(topic: "t", queueID: 1), from: 10, count: 1).first)
        let crashed = try fixture.crashed()
        try crashed.overwrite([0xFF], at: UInt64(victim.logOffset) + within)
        var expected = before
        expected[1].remove(at: 10)
        for _ in 0..<2 {
            let again = try crashed.open()
            #expect(again.recovery.damagedOffsets == [victim.logOffset] && again.recovery.tornReason == nil)
            #expect(again.recovery.logEnd == store.maximumLogOffset)
            #expect(again.maximumOffset(of: QueueKey(topic: "t", queueID: 1)) == 100)
            for queue in Int32(0)..<3 { #expect(try again.bodies("t", queue) == expected[Int(queue)]) }
            again.close()
            try Data().write(to: URL(fileURLWithPath: crashed.root.appending("abort").string))
        }
    }

    @Test func aReaderGoesPastADamagedRecordAndNamesIt() async throws {
        let (fixture, store, before) = try await filled()
        let key = QueueKey(topic: "t", queueID: 1)
        let victim = try #require(try store.entries(of: key, from: 10, count: 1).first)
        defer { store.close() }
        // The record's place in its queue: its entry leads to a record that names another place.
        try fixture.overwrite([0x77], at: UInt64(victim.logOffset) + 27)
        let reading = try store.read(QueueRequest(key: key, offset: 10, maximumCount: 1))
        #expect(reading.status == .noMatch && reading.nextOffset == 11)
        #expect(reading.damagedLogOffsets == [victim.logOffset])
        var expected = before[1]
        expected.remove(at: 10)
        let whole = try store.read(QueueRequest(key: key, offset: 0, maximumCount: 100))
        #expect(whole.count == 99 && whole.nextOffset == 100 && whole.damagedLogOffsets == [victim.logOffset])
        #expect(StoredRecord.readAll(whole.body).map { $0.map { String(buffer: $0.body) } } == expected)
    }

    /// Entries behind the walk's beginning are forgotten and made anew; a crash before their sync must not meet a
    /// checkpoint that still vouches for them.
    @Test func theCheckpointGoesBackBeforeEntriesAreForgotten() throws {
        let disk = SimulatedDisk(seed: 1)
        let clock = SimulatedClock()
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 1 << 16
        configuration.indexSlots = 64
        configuration.indexEntries = 1024
        let store = try SteppedStore(configuration, on: disk, clock: clock)
        for number in 0..<20 {
            clock.advance(10_000)
            _ = store.append([message("t", Int32(number % 2), body: "m\(number)")])
            store.write()
        }
        store.flush()
        store.writeCheckpoint()
        // Times alone, as RocketMQ writes them.
        var before = try #require(try Checkpoint.read(from: configuration.checkpointFile, io: disk))
        before.reach = nil
        try before.write(to: configuration.checkpointFile, io: disk)
        disk.kill()
        let again = try SteppedStore(configuration, on: disk, clock: clock)
        let report = again.store.recovery
        #expect(!report.wasCleanStop && report.walkedFrom > 0 && report.rebuiltEntries > 0)
        let first = try #require(try again.store.record(atLogOffset: report.walkedFrom)).storeTimestamp
        let after = try #require(try Checkpoint.read(from: configuration.checkpointFile, io: disk))
        let margin = RecoveryStart.foreignMargin
        #expect(first < before.safeTimestamp - margin && after.safeTimestamp == first + margin)
    }

    /// The last sync that was noted lies in the segment that is gone: its zeros end nothing.
    @Test(arguments: ["a short file", "no file"]) func whatIsBehindALostSegmentStays(bad: String) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(.sync)
        defer { store.close() }
        for index in 0..<80 {
            try await store.append([message("t", body: "m\(index)" + String(repeating: "x", count: 100_000))])
        }
        let before = try store.bodies("t")
        let crashed = try fixture.crashed()
        let second = crashed.root.appending("commitlog").appending(Segment.name(1 << 20)).string
        if bad == "no file" {
            try FileManager.default.removeItem(atPath: second)
        } else {
            #expect(truncate(second, 200_000) == 0)
        }
        try? FileManager.default.removeItem(atPath: crashed.root.appending("checkpoint").string)
        let ends = QueueEnds(
            logStart: 0, logEndBefore: 0, logEnd: (1 << 20) + 300_000,
            entries: [.init(key: Self.first, start: 0, end: 12)])
        try Data(ends.bytes).write(to: URL(fileURLWithPath: crashed.root.appending("queueEnds").string))
        let again = try crashed.open(.sync)
        defer { again.close() }
        #expect(again.recovery.logEnd == store.maximumLogOffset && again.recovery.letGoRecords == 0)
        #expect(try again.bodies("t").last == before.last && again.maximumOffset(of: Self.first) == 80)
        let lost = bad == "no file" ? (1 << 20)..<(2 << 20) : (1 << 20) + 200_000..<(2 << 20)
        #expect(again.recovery.lostPieces == [Int64(lost.lowerBound)..<Int64(lost.upperBound)])
    }

    /// A checkpoint is lost after a kill, and a piece in the middle of the log went bad or is gone: what stands behind it
    /// was synced once, or may have been, and stays.
    @Test(arguments: [true, false], ["a hole", "a short file", "no file"])
    func withoutACheckpointNothingSoundGoes(isNoted: Bool, bad: String) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(.sync)
        defer { store.close() }
        for index in 0..<80 {
            try await store.append([message("t", body: "m\(index)" + String(repeating: "x", count: 100_000))])
        }
        let before = try store.bodies("t")
        let crashed = try fixture.crashed()
        let log = crashed.root.appending("commitlog")
        let second = log.appending(Segment.name(1 << 20)).string
        switch bad {
        case "a hole":
            let file = try #require(FileHandle(forUpdatingAtPath: second))
            try file.seek(toOffset: 300_000)
            try file.write(contentsOf: Data(count: 65536))
            try file.close()
        case "a short file": #expect(truncate(second, 300_000) == 0)
        default: try FileManager.default.removeItem(atPath: second)
        }
        if bad != "a hole" {
            try Checkpoint(logTimestamp: 1, queueTimestamp: 1).write(
                to: crashed.configuration().checkpointFile, io: SystemStorage())
            if bad == "no file" { #expect(throws: StoreError.self) { try crashed.open(.sync) } }
        }
        try? FileManager.default.removeItem(atPath: crashed.root.appending("checkpoint").string)
        if !isNoted { try? FileManager.default.removeItem(atPath: crashed.root.appending("queueEnds").string) }
        let again = try crashed.open(.sync)
        defer { again.close() }
        #expect(again.recovery.logEnd == store.maximumLogOffset && again.recovery.letGoRecords == 0)
        let left = try again.bodies("t")
        #expect(left.count >= 69 && left.count < 80 && left.allSatisfy(before.contains))
        #expect(left.last == before.last && again.maximumOffset(of: Self.first) == 80)
    }
}
