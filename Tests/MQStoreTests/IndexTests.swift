import Foundation
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// The index: what Apache's broker would have written, and what a search finds.
@Suite struct IndexTests {
    private static func small(_ fixture: StoreFixture) -> StoreConfiguration {
        var configuration = fixture.configuration()
        configuration.indexSlots = 7
        configuration.indexEntries = 20
        return configuration
    }

    private static func wait(_ store: MessageStore, for logOffset: Int64) async throws {
        for _ in 0..<500 where store.indexEnd.logOffset < logOffset || store.index?.all.isEmpty != false {
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private static func found(_ store: MessageStore, _ key: String, _ times: ClosedRange<Int64> = 0...Int64.max) throws
        -> [String]
    {
        try store.records(topic: "T", key: key, within: times, limit: 32, maximumBytes: 1 << 20)
            .map { String(buffer: $0.body) }
    }

    @Test func hashesAreApaches() {
        // `Math.abs` of the smallest number is itself; RocketMQ takes 0.
        #expect(JavaStringHash.hash("polygenelubricants") == .min)
        #expect(IndexLayout.hash(topic: "T", key: "k") == abs(JavaStringHash.hash("T#k")))
        #expect(IndexLayout(slotCount: 5_000_000, entryCount: 20_000_000).fileBytes == 420_000_040)
    }

    /// A clock that was set back must not be counted through: searchers wait meanwhile.
    @Test(arguments: [10, 400 * 86_400_000] as [Int64]) func namesGoOnWhenTheClockIsSetBack(_ back: Int64) throws {
        let fixture = try StoreFixture()
        let layout = IndexLayout(slotCount: 7, entryCount: 20)
        let clock = Mutex<(time: Int64, looks: Int)>((1_790_000_000_000, 0))
        let index = try MessageIndex(
            directory: fixture.root.appending("index"), layout: layout, logEnd: 0, io: SystemStorage(),
            isGap: { _, _ in false },
            now: {
                clock.withLock { clock in
                    clock.looks += 1
                    return clock.time
                }
            })
        _ = try index.add()
        clock.withLock { $0 = ($0.time - back, 0) }
        _ = try index.add()
        let names = index.all.compactMap { $0.path.lastComponent?.string }
        #expect(names.count == 2 && names[0] < names[1])
        #expect(clock.withLock { $0.looks } <= 2)
    }

    /// The same messages give the same hashes and places as in the index file that Apache's broker wrote.
    @Test func entriesAreApaches() throws {
        struct Sample: Decodable {
            struct Entry: Decodable {
                var keyHash: Int32
                var logOffset: Int64
            }
            var entriesFrom0: [Entry]
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let sample = try decoder.decode(Sample.self, from: Data(ApacheSampleTests.bytes("index-decoded.json")))
        var log = try ByteBuffer(bytes: ApacheSampleTests.bytes("commitlog.head"))
        var ours: [(Int32, Int64)] = []
        while case .record(let record) = StoredRecord.read(from: &log) {
            guard let message = IndexedMessage(record) else { continue }
            ours += message.hashes.map { ($0, message.logOffset) }
        }
        let theirs = sample.entriesFrom0.dropFirst().map { ($0.keyHash, $0.logOffset) }
        let count = min(ours.count, theirs.count)
        #expect(count > 300)
        #expect(zip(ours, theirs).allSatisfy { $0 == $1 })
    }

    @Test func aKeyLeadsToItsMessagesAndNoOthers() async throws {
        let fixture = try StoreFixture()
        let clock = SimulatedClock()
        let store = try MessageStore(configuration: Self.small(fixture), now: { clock.milliseconds })
        let start = clock.milliseconds
        var last: Int64 = 0
        for number in 0..<60 {
            clock.advance(1000)
            let receipt = try await store.append([
                message(
                    "T", body: "b\(number)", properties: ["UNIQ_KEY": "U\(number)", "KEYS": "k\(number % 3) other"])
            ])
            last = receipt.logOffsets[0]
        }
        try await Self.wait(store, for: last)
        #expect(try Self.found(store, "U7") == ["b7"])
        #expect(try Self.found(store, "k1") == (0..<20).map { "b\($0 * 3 + 1)" })
        // The newest ones, in the log's order.
        let newest = try store.records(topic: "T", key: "k1", within: 0...Int64.max, limit: 2, maximumBytes: 1 << 20)
        #expect(newest.map { String(buffer: $0.body) } == ["b55", "b58"])
        #expect(try Self.found(store, "k0", (start + 4000)...(start + 10_000)) == ["b3", "b6", "b9"])
        #expect(try Self.found(store, "other").count == 32)
        #expect(try Self.found(store, "nobody") == [])
        // A search under another topic finds nothing, whatever the hashes.
        #expect(try store.records(topic: "X", key: "U7", within: 0...Int64.max, limit: 9, maximumBytes: 99).isEmpty)
        // 19 entries fit a file, three a message; a message is never in two files.
        let files = try #require(store.index?.all)
        #expect(files.count == 10 && files.dropLast().allSatisfy { $0.header.nextEntry == 19 })
        store.close()

        let again = try MessageStore(configuration: Self.small(fixture), now: { clock.milliseconds })
        #expect(try Self.found(again, "U59") == ["b59"] && again.indexEnd.logOffset == last)
        again.close()
    }

    @Test func aLostIndexIsMadeAnew() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let receipt = try await store.append([message("T", body: "b", properties: ["KEYS": "k"])])
        store.close()
        let directory = store.configuration.indexDirectory.string
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 1)
        try FileManager.default.removeItem(atPath: directory)
        let again = try fixture.open()
        try await Self.wait(again, for: receipt.logOffsets[0])
        #expect(try Self.found(again, "k") == ["b"])
        again.close()
    }

    @Test func aStoreWithoutAnIndexMakesNone() async throws {
        let fixture = try StoreFixture()
        var configuration = fixture.configuration()
        configuration.indexesKeys = false
        let store = try MessageStore(configuration: configuration, now: { 1 })
        try await store.append([message("T", body: "b", properties: ["KEYS": "k"])])
        #expect(try Self.found(store, "k") == [])
        store.close()
        #expect(!FileManager.default.fileExists(atPath: configuration.indexDirectory.string))
    }

    /// A reader that shares no code with the writer, field by field (`Tests/store_format/check.py`).
    @Test func anotherReaderFindsTheFilesInRocketMQsFormat() async throws {
        let fixture = try StoreFixture()
        let clock = SimulatedClock()
        let store = try MessageStore(configuration: Self.small(fixture), now: { clock.milliseconds })
        for number in 0..<300 {
            clock.advance(Int64(number % 7) * 300)
            var properties: MessageProperties = ["UNIQ_KEY": "U\(number)"]
            if number % 2 == 0 { properties["KEYS"] = "k\(number % 5) schl\u{FC}ssel\(number)" }
            if number % 3 == 0 { properties["TAGS"] = "tag\(number % 4)" }
            let body = String(repeating: "b", count: number * 37 % 9000)
            try await store.append([message("T\(number % 2)", Int32(number % 3), body: body, properties: properties)])
        }
        store.close()
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("store_format/check.py").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", script, fixture.root.string, "--slots", "7", "--entries", "20"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = try String(decoding: output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(
            process.terminationStatus == 0 && text == "300 records, 300 queue entries, 600 index entries\n", "\(text)")
    }
}
