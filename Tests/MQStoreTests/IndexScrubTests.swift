import Foundation
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// `StoreScrubber` and the index files: damaged on purpose, sound, and in the middle of being written.
@Suite struct IndexScrubTests {
    private static let layout = IndexLayout(slotCount: 16, entryCount: 64)

    private static func configuration(_ fixture: StoreFixture) -> StoreConfiguration {
        var configuration = fixture.configuration()
        configuration.indexSlots = layout.slotCount
        configuration.indexEntries = layout.entryCount
        return configuration
    }

    private static func scrubbed(
        _ fixture: StoreFixture, slots: Int? = nil
    ) throws -> (summary: StoreScrubber.Summary, findings: [StoreScrubber.Finding]) {
        var findings: [StoreScrubber.Finding] = []
        let summary = try StoreScrubber(root: fixture.root, indexSlots: slots).scrub { findings.append($0) }
        return (summary, findings)
    }

    private static func indexed(_ store: MessageStore, upTo logOffset: Int64) async throws {
        for _ in 0..<1000 where store.indexEnd.logOffset < logOffset { try await Task.sleep(for: .milliseconds(5)) }
    }

    /// 60 messages of three keys each, a second apart: three files of 63 entries, the last one with 54.
    private static func fill(_ fixture: StoreFixture) async throws -> MessageStore {
        let clock = SimulatedClock()
        let store = try MessageStore(configuration: configuration(fixture), now: { clock.milliseconds })
        var last: Int64 = 0
        for number in 0..<60 {
            clock.advance(1000)
            let properties: MessageProperties = ["UNIQ_KEY": "U\(number)", "KEYS": "k\(number % 5) n\(number)"]
            last = try await store.append([message("T", body: "b\(number)", properties: properties)]).logOffsets[0]
        }
        try await indexed(store, upTo: last)
        return store
    }

    /// A store that was stopped, and the paths of its index files.
    private static func filled() async throws -> (fixture: StoreFixture, files: [FilePath]) {
        let fixture = try StoreFixture()
        let store = try await fill(fixture)
        store.close()
        let directory = store.configuration.indexDirectory
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.string).sorted()
        let (summary, findings) = try scrubbed(fixture)
        #expect(findings.isEmpty && files.count == 3, "\(findings)")
        #expect(summary.indexEntries == 180 && summary.unreadIndexFiles == 0)
        return (fixture, files.map { directory.appending($0) })
    }

    private static func rot(_ path: FilePath, at offset: Int64, _ change: (inout UInt8) -> Void) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: path.string))
        try file.seek(toOffset: UInt64(offset))
        var byte = try #require(try file.read(upToCount: 1)?.first)
        change(&byte)
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: Data([byte]))
        try file.close()
    }

    /// Each byte of an entry: the key's hash, where the record is, when it was stored, the entry before it in its slot.
    @Test(arguments: 0..<20, [0, 2]) func everyByteOfAnEntryIsHeldAgainstItsRecord(byte: Int, number: Int) async throws
    {
        let (fixture, files) = try await Self.filled()
        try Self.rot(files[number], at: Self.layout.position(ofEntry: 30) + Int64(byte)) { $0 ^= 0x44 }
        let findings = try Self.scrubbed(fixture).findings
        guard case .damagedIndexEntries(files[number].lastComponent?.string, 30..<31, _)? = findings.first,
            findings.count == 1
        else { return #expect(Bool(false), "\(findings)") }
    }

    /// An entry that no log could hold, and one that leads to itself: neither ends the scrub.
    @Test func aChainWithoutAnEndAndAPlaceWithoutALogAreNamed() async throws {
        let (fixture, files) = try await Self.filled()
        let name = try #require(files[1].lastComponent?.string)
        let place = Self.layout.position(ofEntry: 10)
        for byte in 0..<8 { try Self.rot(files[1], at: place + 4 + Int64(byte)) { $0 = byte == 0 ? 0x7F : 0xFF } }
        for byte in 0..<4 {
            try Self.rot(files[1], at: Self.layout.position(ofEntry: 40) + 16 + Int64(byte)) {
                $0 = byte == 3 ? 40 : 0
            }
        }
        let findings = try Self.scrubbed(fixture).findings
        #expect(findings.count == 2)
        #expect(findings.first == .damagedIndexEntries(file: name, entries: 10..<11, logOffset: .max))
        guard case .damagedIndexEntries(name, 40..<41, _)? = findings.last else {
            return #expect(Bool(false), "\(findings)")
        }
    }

    @Test(arguments: [0, 2]) func aRottenSlotIsNamed(number: Int) async throws {
        let (fixture, files) = try await Self.filled()
        try Self.rot(files[number], at: IndexLayout.slotsPosition + 4 * 9 + 3) { $0 ^= 0x40 }
        let name = try #require(files[number].lastComponent?.string)
        #expect(try Self.scrubbed(fixture).findings == [.damagedIndexSlots(file: name, slots: 9..<10)])
    }

    /// All of a header but the count of its slots, which RocketMQ's versions do not count alike.
    @Test(arguments: Array(0..<32) + Array(36..<40)) func aRottenHeaderIsNamed(byte: Int) async throws {
        let (fixture, files) = try await Self.filled()
        let name = try #require(files[0].lastComponent?.string)
        try Self.rot(files[0], at: Int64(byte)) { $0 ^= 0x21 }
        let findings = try Self.scrubbed(fixture).findings
        let named = findings.contains { finding in
            if case .damagedIndexHeader(name, _) = finding { true } else { false }
        }
        #expect(named, "\(findings)")
    }

    /// A file of a shape that nobody has told is said to be unread, and not to be damaged.
    @Test func anUnknownShapeIsSaid() async throws {
        let fixture = try StoreFixture()
        var configuration = fixture.configuration()
        configuration.indexSlots = 7
        configuration.indexEntries = 64
        let store = try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
        let receipt = try await store.append([message("T", body: "b", properties: ["KEYS": "k"])])
        try await Self.indexed(store, upTo: receipt.logOffsets[0])
        store.close()
        let blind = try Self.scrubbed(fixture)
        #expect(blind.findings.isEmpty && blind.summary.unreadIndexFiles == 1 && blind.summary.indexEntries == 0)
        let told = try Self.scrubbed(fixture, slots: 7)
        #expect(told.findings.isEmpty && told.summary.unreadIndexFiles == 0 && told.summary.indexEntries == 1)
    }

    /// Beside a store that is open the last file's slots are in memory alone; after a kill they are gone.
    @Test func aFileThatIsBeingWrittenIsSound() async throws {
        let fixture = try StoreFixture()
        let store = try await Self.fill(fixture)
        #expect(try Self.scrubbed(fixture).findings.isEmpty)
        let killed = try fixture.crashed()
        #expect(try Self.scrubbed(killed).findings.isEmpty)
        // What is too old goes, with the files that lead there alone.
        for number in 0..<200 {
            try await store.append([
                message("T", body: String(repeating: "x", count: 9000), properties: ["KEYS": "late\(number)"])
            ])
        }
        store.housekeeper.removeBeginning(before: 1 << 20)
        #expect(try Self.scrubbed(fixture).findings.isEmpty)
        store.close()
        let (summary, findings) = try Self.scrubbed(fixture)
        #expect(findings.isEmpty && summary.indexEntries > 0, "\(findings)")
    }

    /// The log's first file is gone, and nothing that would have gone with it when it was too old.
    @Test func aBeginningThatIsGoneIsToldFromOneThatIsTooOld() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for _ in 0..<250 { try await store.append([message("t", body: String(repeating: "x", count: 9000))]) }
        store.close()
        #expect(try Self.scrubbed(fixture).findings.isEmpty)
        try FileManager.default.removeItem(atPath: fixture.firstSegment)
        #expect(
            try Self.scrubbed(fixture).findings == [
                .missingBeginning(topic: "t", queueID: 0, queueOffsets: 0..<100, logOffset: 1 << 20)
            ])
    }

    /// Entries count seconds, not milliseconds cut to 32 bits: a file may hold more than 24 days.
    @Test func aFileOfManyDaysFindsItsLastMessage() async throws {
        let fixture = try StoreFixture()
        let clock = SimulatedClock()
        let store = try MessageStore(configuration: Self.configuration(fixture), now: { clock.milliseconds })
        try await store.append([message("T", body: "first", properties: ["KEYS": "k"])])
        clock.advance(60 * 86_400_000)
        let time = clock.milliseconds
        let receipt = try await store.append([message("T", body: "last", properties: ["KEYS": "k"])])
        try await Self.indexed(store, upTo: receipt.logOffsets[0])
        let found = try store.records(
            topic: "T", key: "k", within: (time - 1000)...(time + 1000), limit: 9, maximumBytes: 1 << 20)
        #expect(found.map { String(buffer: $0.body) } == ["last"])
        store.close()
        #expect(IndexEntry.seconds(from: 1, to: 1 + 60 * 86_400_000) == 60 * 86_400)
    }
}
