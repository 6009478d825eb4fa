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

    /// A killed store of many queues whose ends are sound: a few pages of each are read, and none is cut.
    @Test func aStartCostsLittleForEachQueue() throws {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 1 << 20
        configuration.entriesPerQueueFile = 4000
        configuration.indexSlots = 16
        configuration.indexEntries = 64
        let stepped = try SteppedStore(configuration, on: disk, clock: clock)
        let queueCount = 40
        for queueID in 0..<Int32(queueCount) {
            for _ in 0..<40 { _ = stepped.append((0..<15).map { _ in message("t", queueID, body: "m") }) }
            stepped.write()
        }
        stepped.flush()
        stepped.writeCheckpoint()
        disk.kill()
        let hooked = HookedDisk(disk)
        let store = try MessageStore(
            configuration: configuration, now: { 1_700_000_000_000 }, uptime: { 0 }, io: hooked, arrivals: { _ in })
        #expect(!store.recovery.wasCleanStop && store.recovery.rebuiltEntries == 0)
        let (readBytes, resizes) = hooked.counted
        #expect(readBytes < queueCount * 8000, "\(readBytes) bytes")
        // The log's end is cut.
        #expect(resizes < queueCount, "\(resizes) changes of a file's size")
        store.close()
    }

    /// Who reads while the writer of a slave cuts a queue is let see what is there.
    @Test func aCutHidesBeforeItTakesAway() throws {
        let hooked = HookedDisk(disk)
        let queue = try queue(on: hooked)
        try queue.write(bytes((0..<10).map { QueueEntry(logOffset: $0 * 100, size: 100, tagCode: 1) }), at: 0)
        queue.publish(10)
        let seen = Mutex<[Int64]>([])
        let look: @Sendable () -> Void = { seen.withLock { $0 += [queue.minimumOffset, queue.maximumOffset] } }
        hooked.beforeNextWrite(look)
        try queue.cut(atQueueOffset: 6)
        #expect(seen.withLock { $0 } == [0, 6])
        try queue.beginAnew(at: 8)
        #expect(queue.minimumOffset == 8 && queue.maximumOffset == 8)
    }

    /// A reader that began before a cut is led no further than the queue goes: what comes there next is for it, too.
    @Test func whoReadsACutQueueComesBack() throws {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 16_384
        configuration.indexSlots = 16
        configuration.indexEntries = 64
        let stepped = try SteppedStore(configuration, on: disk, clock: clock)
        for index in 0..<10 { _ = stepped.append([message("t", body: "m\(index)")]) }
        stepped.write()
        stepped.close()
        let hooked = HookedDisk(disk)
        let store = try MessageStore(
            configuration: configuration, now: { 1_700_000_000_000 }, uptime: { 0 }, io: hooked, arrivals: { _ in })
        let key = QueueKey(topic: "t", queueID: 0)
        let queue = try #require(store.queues.queue(key))
        hooked.beforeNextRead { try queue.cut(atQueueOffset: 5) }
        let reading = try store.read(QueueRequest(key: key, offset: 7, maximumCount: 8))
        #expect(reading.nextOffset == 7 && reading.damagedLogOffsets.isEmpty && reading.count == 0)
        store.close()
    }

    /// The housekeeper may hold a queue whose topic was deleted, and made anew, meanwhile: the files have the same names.
    @Test func aQueueThatIsGoneTakesNothingAway() throws {
        let table = try QueueTable(directory: "/disk/queues", entriesPerFile: 8, io: disk)
        let key = QueueKey(topic: "t", queueID: 0)
        func made(from logOffset: Int64) throws -> ConsumeQueue {
            let queue = try table.makeIfMissing(key)
            let entries = (0..<20).map { QueueEntry(logOffset: logOffset + $0 * 100, size: 100, tagCode: 1) }
            try queue.write(bytes(entries), at: 0)
            queue.publish(20)
            return queue
        }
        let old = try made(from: 0)
        try table.remove(topic: "t")
        let new = try made(from: 5000)
        try old.hideBeginning(beforeLogOffset: 1500)
        try old.removeHidden()
        try old.cut(atQueueOffset: 9)
        try old.beginAnew(at: 30)
        #expect(try disk.names(in: "/disk/queues/t/0").count == 3)
        #expect(try new.entries(from: 0, count: 20).count == 20)
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

    /// Its first file is lost, and the next one holds nothing any more: what recovery writes before it must be found.
    @Test func aQueueIsMadeAnewBeforeAnEmptyFile() throws {
        func write(_ entries: Range<Int64>, to queue: ConsumeQueue) throws {
            var bytes = ByteBuffer()
            for index in entries { QueueEntry(logOffset: index * 100, size: 100, tagCode: 0).write(to: &bytes) }
            try queue.write(bytes, at: entries.lowerBound)
        }
        let disk = SimulatedDisk(seed: 1)
        let first = try queue(on: disk)
        try write(0..<64, to: first)
        try write(64..<70, to: first)
        first.publish(70)
        try first.cut(atQueueOffset: 64)
        disk.lose("/disk/q/00000000000000000000")
        try disk.open("/disk/q/00000000000000001280", .write).resize(to: 1280)
        let again = try queue(on: disk)
        #expect(again.minimumOffset == 64 && again.maximumOffset == 64)
        try again.cut(atQueueOffset: 0)
        try write(0..<3, to: again)
        again.publish(3, beginningAt: 0)
        #expect(try again.entries(from: 0, count: 3).map(\.logOffset) == [0, 100, 200])
        #expect(try queue(on: disk).maximumOffset == 3)
    }
}
