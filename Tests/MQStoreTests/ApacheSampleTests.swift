import Foundation
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// A store that Apache's broker wrote.
@Suite struct ApacheSampleTests {
    static func bytes(_ name: String) throws -> [UInt8] {
        let url = try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures/\(name)")
        return try Array(Data(contentsOf: url))
    }

    @Test func theScannerReadsItsLogToTheCut() throws {
        let fixture = try StoreFixture()
        let log = try Self.bytes("commitlog.head")
        try FileManager.default.createDirectory(
            atPath: fixture.root.appending("commitlog").string, withIntermediateDirectories: true)
        try Data(log).write(to: URL(fileURLWithPath: fixture.firstSegment))
        var expected: Int64 = 0
        var bodies: [String] = []
        let end = try StoreScanner(root: fixture.root).scan { found in
            #expect(found.isChecksumValid)
            #expect(found.record.logOffset == expected)
            expected += Int64(found.record.totalSize)
            bodies.append(String(buffer: found.record.body))
        }
        #expect(bodies.prefix(3) == ["m0", "m1", "m2"])
        // The sample ends inside a record: 64 KiB of a longer file.
        #expect(end.tornReason != nil && end.logOffset == expected && end.records == bodies.count)
        #expect(Int64(log.count) - expected < 400 && bodies.count > 300)
    }

    @Test func theWriterWritesTheSameRecordsButForTheirTimes() async throws {
        let fixture = try StoreFixture()
        var log = try ByteBuffer(bytes: Self.bytes("commitlog.head"))
        let store = try fixture.open()
        var originals: [StoredRecord] = []
        while case .record(let record) = StoredRecord.read(from: &log) {
            originals.append(record)
            // What Apache put into several requests is one here, and so is its order.
            try await store.append([record.draft()])
        }
        store.close()
        var index = 0
        _ = try StoreScanner(root: fixture.root).scan { found in
            var ours = found.record
            ours.storeTimestamp = originals[index].storeTimestamp
            #expect(ours == originals[index])
            index += 1
        }
        #expect(index == originals.count && index > 300)
    }

    @Test func itsCheckpointQueueAndTablesAreRead() throws {
        let checkpoint = try #require(Checkpoint(Self.bytes("checkpoint")))
        #expect(checkpoint.logTimestamp == 0x1A2_0322_2AEE && checkpoint.indexTimestamp == 0)
        #expect(try checkpoint.bytes == Self.bytes("checkpoint"))
        var queue = try ByteBuffer(bytes: Self.bytes("consumequeue-demo-0.head"))
        #expect(QueueEntry(from: &queue) == QueueEntry(logOffset: 0x349EC, size: 0xF7, tagCode: 0))
        let topics = try JSONValue(parsing: ByteBuffer(bytes: Self.bytes("config/topics.json")))
        #expect(try TopicConfigTable(json: topics).topics["SCHEDULE_TOPIC_XXXX"]?.readQueueNums == 18)
        let delays = try JSONValue(parsing: ByteBuffer(bytes: Self.bytes("config/delayOffset.json")))
        #expect(delays["offsetTable"]?["2"]?.integerValue == 1)
    }
}
