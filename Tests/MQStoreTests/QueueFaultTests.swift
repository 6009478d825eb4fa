import Foundation
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// Changes of the code that neither the simulation nor another test once noticed, for queues and index.
@Suite struct QueueFaultTests {
    private let disk = SimulatedDisk(seed: 5)
    private let clock = SimulatedClock()

    private func queue(on io: any StorageIO) throws -> ConsumeQueue {
        let queue = try ConsumeQueue(
            key: QueueKey(topic: "t", queueID: 0), directory: "/disk/q", entriesPerFile: 64, io: io,
            names: NameJournal(io: io))
        try queue.extend()
        return queue
    }

    private func bytes(_ entries: [QueueEntry]) -> ByteBuffer {
        var buffer = ByteBuffer()
        for entry in entries { entry.write(to: &buffer) }
        return buffer
    }

    /// A sync between the mark and the bytes takes the mark with it: another one must follow the bytes.
    @Test func entriesThatASyncJustMissedAreInTheNextOne() throws {
        let hooked = HookedDisk(disk)
        let queue = try queue(on: hooked)
        try queue.write(bytes([QueueEntry(logOffset: 0, size: 100, tagCode: 1)]), at: 0)
        try queue.sync()
        hooked.beforeNextWrite { try queue.sync() }
        try queue.write(bytes([QueueEntry(logOffset: 100, size: 100, tagCode: 2)]), at: 1)
        queue.publish(2)
        try queue.sync()
        let file = FilePath("/disk/q").appending(Segment.name(0)).string
        let durable = try #require(
            disk.state.withLock { state in state.names.files[file].flatMap { state.inodes[$0]?.durable } })
        let expected = bytes([.init(logOffset: 0, size: 100, tagCode: 1), .init(logOffset: 100, size: 100, tagCode: 2)])
        #expect(Array(durable.prefix(40)) == Array(expected.readableBytesView))
    }

    /// An entry of which half reached the disk leads to no record of its own; it may point anywhere.
    @Test func aHalfWrittenEntryIsForgotten() throws {
        let queue = try queue(on: disk)
        let sound = (0..<3).map { QueueEntry(logOffset: $0 * 100, size: 100, tagCode: 1) }
        try queue.write(bytes(sound + [QueueEntry(logOffset: 0, size: 100, tagCode: 0)]), at: 0)
        queue.publish(4)
        try queue.cutTail(atLogOffset: 1000) { entry, offset in sound.indices.contains(Int(offset)) }
        #expect(queue.maximumOffset == 3)
    }

    /// The end of a stopped log that nothing else knows of: a half message is in no queue, and another implementation
    /// notes no reach.
    @Test func aStoppedLogKeepsADamagedEndThatIsInNoQueue() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try await store.append([message("t", body: "m")])
        var half = message("t", body: "half")
        half.sysFlag.insert(.transactionPrepared)
        let receipt = try await store.append([half])
        let end = store.maximumLogOffset
        store.close()
        try fixture.overwrite([0x55], at: UInt64(receipt.logOffsets[0]) + 88)
        let again = try fixture.withoutNotes().open()
        #expect(again.recovery.wasCleanStop && again.recovery.logEnd == end && again.recovery.tornReason == nil)
        #expect(again.recovery.damagedOffsets == [receipt.logOffsets[0]])
        again.close()
    }

    /// What a queue knows of records that are gone with the log's end would lead readers to those that come there next.
    @Test func entriesBehindTheEndOfAStoppedLogAreForgotten() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for _ in 0..<250 { try await store.append([message("t", body: String(repeating: "x", count: 9000))]) }
        let key = QueueKey(topic: "t", queueID: 0)
        let entries = try store.entries(of: key, from: 0, count: 250)
        store.close()
        let log = fixture.root.appending("commitlog").string
        for name in try FileManager.default.contentsOfDirectory(atPath: log) where name >= Segment.name(1 << 20) {
            try FileManager.default.removeItem(atPath: log + "/" + name)
        }
        let again = try fixture.withoutNotes().open()
        let kept = entries.prefix { $0.end <= 1 << 20 }.count
        #expect(again.maximumOffset(of: key) == Int64(kept) && kept > 50)
        let next = try await again.append([message("t", body: "next")])
        #expect(next.queueOffset == Int64(kept))
        again.close()
    }

    /// An index that is on the disk before its log would lead to other messages after a power cut.
    @Test func theIndexVouchesForNothingThatTheLogMayLose() throws {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 16_384
        configuration.indexSlots = 16
        configuration.indexEntries = 64
        configuration.flushPolicy = .async
        let store = try SteppedStore(configuration, on: disk, clock: clock)
        _ = store.append([message("t", body: "m", properties: ["KEYS": "k"])])
        store.write()
        store.indexAll()
        func header() throws -> IndexHeader? {
            let name = try #require(try disk.names(in: configuration.indexDirectory).first)
            let file = try disk.open(configuration.indexDirectory.appending(name), .read)
            return IndexHeader(try file.bytes(at: 0, count: IndexLayout.headerBytes))
        }
        store.commitIndex()
        store.commitIndex()
        #expect(try header()?.endTimestamp == 0)
        store.flush()
        store.commitIndex()
        #expect(try header()?.nextEntry == 2)
        store.close()
    }

    /// A full disk, met by the header's block: once there is space all keys are indexed, in this life.
    @Test func aFullDiskDoesNotEndTheIndex() throws {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 16_384
        // The slots' blocks, the first of which is the header's as well, are not the entries'.
        configuration.indexSlots = 3000
        configuration.indexEntries = 9
        let store = try SteppedStore(configuration, on: disk, clock: clock)
        func send(_ numbers: Range<Int>) {
            for index in numbers {
                _ = store.append([message("t", body: "m\(index)", properties: ["KEYS": "k\(index)"])])
            }
            store.write()
            store.flush()
        }
        send(0..<3)
        store.indexAll()
        disk.change { $0.blockLimit = $0.usedBlocks }
        store.commitIndex()
        store.commitIndex()
        disk.change { $0.blockLimit = nil }
        send(3..<20)
        for _ in 0..<3 {
            store.indexAll()
            store.commitIndex()
        }
        for index in 0..<20 {
            let found = try store.store.records(
                topic: "t", key: "k\(index)", within: 0...Int64.max, limit: 9, maximumBytes: 1 << 20)
            #expect(found.map { String(buffer: $0.body) } == ["m\(index)"])
        }
        store.close()
    }
}
