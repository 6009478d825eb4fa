import Foundation
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// `StoreScrubber` against stores that were damaged on purpose, and against sound ones that look odd.
@Suite struct ScrubberTests {
    private func scrubbed(_ fixture: StoreFixture) throws -> (summary: StoreScrubber.Summary, [StoreScrubber.Finding]) {
        var findings: [StoreScrubber.Finding] = []
        let summary = try StoreScrubber(root: fixture.root).scrub { findings.append($0) }
        return (summary, findings)
    }

    /// A store that was stopped: 250 messages in queue 0 of `t`, with tags, and 250 in queue 1; three files a queue, and
    /// three segments.
    private func filled() async throws -> (fixture: StoreFixture, entries: [QueueEntry]) {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let padding = String(repeating: "p", count: 5000)
        for index in 0..<500 {
            try await store.append([
                message("t", Int32(index % 2), body: "\(index)|\(padding)", properties: ["TAGS": "tag\(index % 7)"])
            ])
        }
        let entries = try store.entries(of: QueueKey(topic: "t", queueID: 0), from: 0, count: 250)
        store.close()
        #expect(try scrubbed(fixture).1.isEmpty && entries.count == 250)
        return (fixture, entries)
    }

    private func queueFile(_ fixture: StoreFixture, _ queue: Int = 0, firstEntry: Int64 = 0) -> String {
        fixture.root.appending("consumequeue/t/\(queue)").appending(Segment.name(firstEntry * 20)).string
    }

    /// Changes bytes of a file where they stand.
    private func rot(_ path: String, at offset: Int64, _ change: (inout [UInt8]) -> Void, count: Int = 1) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: UInt64(offset))
        var bytes = [UInt8](try #require(try file.read(upToCount: count)))
        change(&bytes)
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: Data(bytes))
        try file.close()
    }

    /// Each byte of an entry: where the record is, its size, the hash of its tag.
    @Test(arguments: 0..<20) func everyByteOfAnEntryIsHeldAgainstItsRecord(byte: Int) async throws {
        let (fixture, _) = try await filled()
        try rot(queueFile(fixture, firstEntry: 100), at: Int64(20 * 23 + byte)) { $0[0] ^= 0x04 }
        let findings = try scrubbed(fixture).1
        let places = findings.map { finding -> Int64? in
            if case .damagedEntry("t", 0, let place, _) = finding { place } else { nil }
        }
        #expect(places == [123], "\(findings)")
    }

    /// A sound entry, but another message's: of the same queue, and of another one.
    @Test(arguments: [0, 1]) func anEntryOfAnotherMessageIsNone(queue: Int) async throws {
        let (fixture, _) = try await filled()
        let other = try Data(contentsOf: URL(fileURLWithPath: queueFile(fixture, queue)))[(20 * 50)..<(20 * 51)]
        try rot(queueFile(fixture), at: 20 * 60, { $0 = Array(other) }, count: 20)
        let findings = try scrubbed(fixture).1
        #expect(findings.count == 1)
        guard case .damagedEntry("t", 0, 60, _)? = findings.first else { return #expect(Bool(false), "\(findings)") }
    }

    @Test(arguments: [0, 100, 200]) func aQueuesFileThatIsGoneIsNamed(firstEntry: Int64) async throws {
        let (fixture, entries) = try await filled()
        try FileManager.default.removeItem(atPath: queueFile(fixture, firstEntry: firstEntry))
        #expect(
            try scrubbed(fixture).1 == [
                .missingEntries(
                    topic: "t", queueID: 0, queueOffsets: firstEntry..<min(firstEntry + 100, 250),
                    logOffset: entries[Int(firstEntry)].logOffset)
            ])
    }

    @Test func allOfAQueueThatIsGoneIsNamed() async throws {
        let (fixture, entries) = try await filled()
        try FileManager.default.removeItem(atPath: fixture.root.appending("consumequeue/t/0").string)
        #expect(
            try scrubbed(fixture).1 == [
                .missingEntries(topic: "t", queueID: 0, queueOffsets: 0..<250, logOffset: entries[0].logOffset)
            ])
    }

    /// One in the middle, and the last one, of which the queues and the checkpoint know.
    @Test func aSegmentThatIsGoneIsNamed() async throws {
        let (fixture, entries) = try await filled()
        let segment: Int64 = 1 << 20
        let log = fixture.root.appending("commitlog")
        let last = (entries[249].logOffset / segment) * segment
        #expect(last == 2 * segment)
        let hidden = fixture.root.appending("hidden").string
        try FileManager.default.moveItem(atPath: log.appending(Segment.name(segment)).string, toPath: hidden)
        let (summary, findings) = try scrubbed(fixture)
        #expect(findings == [.missingSegments(segment..<2 * segment)])
        #expect(summary.records < 500 && summary.logEnd > last)
        try FileManager.default.moveItem(atPath: hidden, toPath: log.appending(Segment.name(segment)).string)
        // Every file behind the second is gone: the end, as far as anybody knows.
        for name in try FileManager.default.contentsOfDirectory(atPath: log.string) where name >= Segment.name(last) {
            try FileManager.default.removeItem(atPath: log.appending(name).string)
        }
        let first = try #require(entries.firstIndex { $0.logOffset >= last })
        let end = try scrubbed(fixture).1
        #expect(end.contains(.entriesBehindEnd(topic: "t", queueID: 0, queueOffsets: Int64(first)..<250)), "\(end)")
        // Of each of the two queues, and of the checkpoint.
        #expect(end.count == 3)
    }

    /// The checkpoint knows of messages that are in no queue.
    @Test func anEndThatOnlyTheCheckpointKnowsIsMissed() async throws {
        let fixture = try StoreFixture()
        let clock = Atomic<Int64>(1_700_000_000_000)
        let store = try MessageStore(
            configuration: fixture.configuration(), now: { clock.load(ordering: .relaxed) })
        try await store.append([message("t", body: "first")])
        clock.wrappingAdd(5000, ordering: .relaxed)
        var half = message("t", body: "half")
        half.sysFlag.insert(.transactionPrepared)
        let receipt = try await store.append([half])
        let end = store.maximumLogOffset
        store.close()
        #expect(try scrubbed(fixture).1.isEmpty)
        try fixture.overwrite([UInt8](repeating: 0, count: 200), at: UInt64(receipt.logOffsets[0]))
        #expect(try scrubbed(fixture).1 == [.damagedPlace(receipt.logOffsets[0]..<end)])
        // As RocketMQ writes it.
        let checkpoint = try #require(FileHandle(forUpdatingAtPath: fixture.root.appending("checkpoint").string))
        try checkpoint.truncate(atOffset: UInt64(Checkpoint.encodedSize))
        try checkpoint.close()
        #expect(
            try scrubbed(fixture).1 == [
                .missingEnd(logOffset: receipt.logOffsets[0], syncedTimestamp: 1_700_000_005_000)
            ])
    }

    /// The record's sum covers its body alone: what names its place is held against the entry.
    @Test(arguments: ["topic", "queue", "place", "tag"]) func aRecordsRottenNameIsFound(field: String) async throws {
        let (fixture, entries) = try await filled()
        let start = entries[33].logOffset
        let offset: Int64 =
            switch field {
            case "queue": start + Int64(RecordLayout.queueIDOffset) + 3
            case "place": start + Int64(RecordLayout.queueOffsetOffset) + 7
            // Behind a body of 5003 bytes: the topic's length and its one letter, the length of the properties.
            case "topic": start + Int64(entries[33].size) - 2 - 9 - 1
            default: start + Int64(entries[33].size) - 2
            }
        try rot(fixture.firstSegment, at: offset) { $0[0] ^= 0x01 }
        let findings = try scrubbed(fixture).1
        let names = findings.contains { finding in
            if case .damagedEntry("t", 0, 33, start) = finding { true } else { false }
        }
        #expect(names, "\(findings)")
    }

    /// When a delayed message is due follows from its level and its time.
    @Test func aDelayedMessagesTimeIsHeldAgainstItsRecord() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for level in 1...18 {
            try await store.append([
                message(DelayLevels.topic, Int32(level - 1), body: "m", properties: ["DELAY": "\(level)"])
            ])
        }
        store.close()
        #expect(try scrubbed(fixture).1.isEmpty)
        let path = fixture.root.appending("consumequeue/\(DelayLevels.topic)/4").appending(Segment.name(0)).string
        // Another table of levels: two seconds more, and then what no table can say.
        try rot(path, at: 12, { $0 = Self.bytes(1_700_000_000_000 + 62_000) }, count: 8)
        #expect(try scrubbed(fixture).1.isEmpty)
        for bit in 0..<64 {
            try rot(path, at: 12, { $0 = Self.bytes((1_700_000_000_000 + 60_000) ^ (1 << Int64(bit))) }, count: 8)
            let findings = try scrubbed(fixture).1
            #expect(findings.count == 1, "bit \(bit): \(findings)")
        }
    }

    private static func bytes(_ number: Int64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }

    /// What RocketMQ writes before a queue's first message, what is in no queue, what was deleted, what is too old.
    @Test func whatLooksOddAndIsSoundIsNotNamed() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.append([message("gone", body: "m")])
        let failure = await withCheckedContinuation { done in store.deleteTopic("gone") { done.resume(returning: $0) } }
        #expect(failure == nil)
        for kind in [SysFlag.transactionPrepared, .transactionRollback] {
            var draft = message("t", body: "m")
            draft.sysFlag.insert(kind)
            try await store.append([draft])
        }
        for index in 0..<300 {
            try await store.append([message("t", body: String(repeating: "x", count: 9000 + index))])
        }
        store.close()
        let again = try fixture.open()
        again.housekeeper.removeBeginning(before: 1 << 20)
        #expect(again.minimumLogOffset == 1 << 20)
        again.close()
        #expect(try scrubbed(fixture).1.isEmpty)
        // A queue that begins at place 2, as RocketMQ writes it.
        let folder = fixture.root.appending("consumequeue/t/7")
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        var bytes = ByteBuffer()
        for _ in 0..<2 { QueueEntry(logOffset: 0, size: .max, tagCode: 0).write(to: &bytes) }
        bytes.writeBytes([UInt8](repeating: 0, count: 2000 - bytes.readableBytes))
        try Data(bytes.readableBytesView).write(to: URL(fileURLWithPath: folder.appending(Segment.name(0)).string))
        #expect(try scrubbed(fixture).1.isEmpty)
    }

    /// A queue that is gone, with messages that the log no longer has: only the note of where it ended tells.
    @Test func aQueueThatLostItsEndIsNamed() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for index in 0..<5 { try await store.append([message("t", 1, body: "m\(index)")]) }
        for _ in 0..<300 { try await store.append([message("t", body: String(repeating: "x", count: 9000))]) }
        store.close()
        let again = try fixture.open()
        again.housekeeper.removeBeginning(before: 1 << 20)
        #expect(again.minimumLogOffset == 1 << 20)
        again.close()
        #expect(try scrubbed(fixture).1.isEmpty)
        try FileManager.default.removeItem(atPath: fixture.root.appending("consumequeue/t/1").string)
        #expect(
            try scrubbed(fixture).1 == [.missingQueueEnd(topic: "t", queueID: 1, queueOffsets: 0..<5)])
        // What the log has is named as such, and not once more.
        try FileManager.default.removeItem(atPath: fixture.root.appending("consumequeue/t/0").string)
        let findings = try scrubbed(fixture).1
        #expect(findings.count == 2, "\(findings)")
    }

    /// A topic that Apache's broker deleted: its records stay, and nothing notes it but `topics.json`.
    @Test func aTopicThatIsNotConfiguredAndHasNoFolderWasDeleted() async throws {
        let (fixture, _) = try await filled()
        try FileManager.default.removeItem(atPath: fixture.root.appending("consumequeue/t").string)
        let table = ReplacedFile(fixture.root.appending("config").appending("topics.json"))
        try table.save(Array(#"{"topicConfigTable":{"other":{}}}"#.utf8))
        #expect(try scrubbed(fixture).1.isEmpty)
        try table.save(Array(#"{"topicConfigTable":{"t":{}}}"#.utf8))
        #expect(try scrubbed(fixture).1.count == 2)
    }

    private final class Flag: Sendable { let isSet = Atomic(false) }

    /// Beside a writer that never rests, and a topic that comes and goes.
    @Test(.timeLimit(.minutes(2))) func aBusyStoreIsSound() async throws {
        let fixture = try StoreFixture()
        var configuration = fixture.configuration()
        configuration.retention.forcedRatio = nil
        let store = try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
        // A log without any message has no files.
        try await store.append([message("t0", body: "first")])
        let over = Flag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<3 {
                group.addTask {
                    let body = String(repeating: "x", count: 700 + worker * 300)
                    while !over.isSet.load(ordering: .relaxed) {
                        try await store.append(
                            (0..<20).map { message("t\(worker)", Int32($0 % 3), body: body, properties: ["TAGS": "a"]) }
                        )
                    }
                }
            }
            group.addTask {
                while !over.isSet.load(ordering: .relaxed) {
                    try await store.append([message("passing", body: "m")])
                    await withCheckedContinuation { done in store.deleteTopic("passing") { _ in done.resume() } }
                }
            }
            // Whatever happens: else the others would never end.
            defer { over.isSet.store(true, ordering: .relaxed) }
            for _ in 0..<4 {
                let (summary, findings) = try scrubbed(fixture)
                #expect(findings.isEmpty, "\(findings.prefix(5))")
                #expect(summary.records > 0)
                // What retention takes while a scrub looks is no damage.
                group.addTask { store.housekeeper.removeBeginning(before: store.maximumLogOffset - (4 << 20)) }
            }
            over.isSet.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
        store.close()
        let (summary, findings) = try scrubbed(fixture)
        #expect(findings.isEmpty && summary.records > 0, "\(findings.prefix(5))")
    }

    @Test func damageIsNamedWhereverItIs() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for index in 0..<50 { try await store.append([message("t", Int32(index % 2), body: "m\(index)")]) }
        // Beside a store that is open.
        #expect(try scrubbed(fixture).0.findings == 0)
        let key = QueueKey(topic: "t", queueID: 1)
        let entries = try store.entries(of: key, from: 0, count: 25)
        store.close()
        let (summary, none) = try scrubbed(fixture)
        #expect(summary.records == 50 && summary.entries == 50 && none.isEmpty)
        #expect(summary.logEnd == store.maximumLogOffset)
        try fixture.overwrite([0xFF], at: UInt64(entries[3].logOffset) + 88)
        try fixture.overwrite([0xFF], at: UInt64(entries[7].logOffset) + 4)
        let queue = fixture.root.appending("consumequeue/t/1").appending(String(repeating: "0", count: 20)).string
        let file = try #require(FileHandle(forUpdatingAtPath: queue))
        try file.seek(toOffset: 9 * 20 + 7)
        try file.write(contentsOf: Data([0x55]))
        try file.close()
        let (_, findings) = try scrubbed(fixture)
        #expect(
            findings.first == .damagedRecord(logOffset: entries[3].logOffset, topic: "t", queueID: 1, queueOffset: 3))
        #expect(findings.contains(.damagedPlace(entries[7].logOffset..<entries[7].end)))
        let damaged = findings.compactMap { finding -> Int64? in
            if case .damagedEntry(_, _, let offset, _) = finding { offset } else { nil }
        }
        #expect(damaged == [9])
        // Recovery takes what is damaged out of the readers' way, and that is said too.
        try Data().write(to: URL(fileURLWithPath: fixture.root.appending("abort").string))
        let again = try fixture.open()
        #expect(try again.bodies("t", 1).count == 23)
        again.close()
        let (later, known) = try scrubbed(fixture)
        #expect(known.contains(.lostMessages(topic: "t", queueID: 1, queueOffsets: 3..<4)))
        let lost = known.reduce(0) { if case .lostMessages(_, _, let places) = $1 { $0 + places.count } else { $0 } }
        #expect(lost == later.lostMessages, "\(known)")
        #expect(later.findings == known.count - known.count { if case .lostMessages = $0 { true } else { false } })
    }

    /// What was synced is no torn tail, whether its head is left or nothing, and a start says the same.
    @Test(arguments: [88, 0]) func aDamagedLastRecordIsJudgedAsByAStart(firstByte: Int64) async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        var last: Int64 = 0
        for index in 0..<50 {
            last = try await store.append([message("t", body: "m\(index)" + String(repeating: "x", count: 100))])
                .logOffsets[0]
        }
        let end = store.maximumLogOffset
        store.close()
        try Data().write(to: URL(fileURLWithPath: fixture.root.appending("abort").string))
        let zeros = [UInt8](repeating: 0, count: Int(end - last - firstByte))
        try fixture.overwrite(zeros, at: UInt64(last + firstByte))
        let expected = StoreScrubber.Finding.damagedPlace(last..<end)
        let (before, findings) = try scrubbed(fixture)
        #expect(findings == [expected] && before.logEnd == end)
        let again = try fixture.open()
        #expect(again.recovery.damagedOffsets == [last] && again.recovery.logEnd == end)
        #expect(again.recovery.tornReason == nil)
        again.close()
        let (after, known) = try scrubbed(fixture)
        #expect(known.contains(expected) && after.findings == 1 && after.logEnd == end, "\(known)")
    }

    /// A file in the middle that lost its end is one damaged place, and what is behind it is looked at.
    @Test func aShortSegmentIsOneDamagedPlace() async throws {
        let (fixture, _) = try await filled()
        let segment: Int64 = 1 << 20
        let path = fixture.root.appending("commitlog").appending(Segment.name(segment)).string
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.truncate(atOffset: 500_000)
        try file.close()
        let (summary, findings) = try scrubbed(fixture)
        guard case .damagedPlace(let place)? = findings.first else {
            Issue.record("\(findings)")
            return
        }
        #expect(findings.count == 1 && place.upperBound == 2 * segment && place.contains(segment + 500_000))
        #expect(summary.logEnd > 2 * segment)
    }

    /// Elsewhere everything beside the log would seem to be missing.
    @Test func whatIsNoStoreIsNotLookedThrough() async throws {
        let (fixture, _) = try await filled()
        for (folder, words) in [
            ("commitlog", "the folder of a log"), ("consumequeue/t/0", "or a queue"), ("nosuch", "no such folder"),
            ("config", "no 'commitlog'"),
        ] {
            try FileManager.default.createDirectory(
                atPath: fixture.root.appending("config").string, withIntermediateDirectories: true)
            let error = #expect(throws: StoreError.self) {
                _ = try StoreScrubber(root: fixture.root.appending(folder)).scrub { _ in }
            }
            #expect(error?.code == .noStore && error?.message.contains(words) == true, "\(error as Any)")
        }
        // A file in a folder's place.
        let error = #expect(throws: StoreError.self) {
            _ = try StoreScrubber(root: fixture.root.appending("checkpoint")).scrub { _ in }
        }
        #expect(error?.code == .noStore)
    }
}
