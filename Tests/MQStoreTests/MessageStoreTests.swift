import Foundation
import Glibc
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

@Suite struct MessageStoreTests {
    @Test func whatIsAppendedIsReadInItsOrder() async throws {
        let fixture = try StoreFixture()
        let arrivals = Mutex<[QueueArrival]>([])
        let now: Int64 = 1_700_000_000_005
        let store = try MessageStore(configuration: fixture.configuration(), now: { now }) { new in
            arrivals.withLock { $0 += new }
        }
        defer { store.close() }
        let first = try await store.append([message("t", body: "a"), message("t", body: "b")])
        let second = try await store.append([message("t", body: "c", properties: ["TAGS": "x"])])
        #expect(first.queueOffset == 0 && first.logOffsets.count == 2 && second.queueOffset == 2)
        #expect(first.durability == .written && first.storeTimestamp == now)
        #expect(try store.bodies("t") == ["a", "b", "c"])
        #expect(try store.record(atLogOffset: second.logOffsets[0]).map { String(buffer: $0.body) } == "c")
        #expect(try store.record(atLogOffset: second.logOffsets[0] + 1) == nil)
        let codes = arrivals.withLock { $0.flatMap(\.tagCodes) }
        #expect(codes == [0, 0, Int64(JavaStringHash.hash("x"))])
        #expect(arrivals.withLock { $0.last?.maximumOffset } == 3)
    }

    /// A topic's queues lie in the log by turns. Their records are read with one call as long as little lies between, and
    /// come as if each had been read alone.
    @Test func recordsNearEachOtherAreReadWithOneCall() async throws {
        let hooked = HookedDisk(SimulatedDisk(seed: 5))
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 4 << 20
        // The index reads the log as well.
        configuration.indexesKeys = false
        let store = try MessageStore(configuration: configuration, now: { 1 }, io: hooked)
        defer { store.close() }
        for round in 0..<40 {
            for queue in 0..<3 as Range<Int32> {
                try await store.append([message("t", queue, body: "\(queue)-\(round)")])
            }
            // Much lies between these and the next, now and then.
            if round % 10 == 9 {
                try await store.append([message("u", body: String(repeating: "x", count: 100_000))])
            }
        }
        for queue in 0..<3 as Range<Int32> {
            let before = hooked.reads.load(ordering: .relaxed)
            let reading = try store.read(
                QueueRequest(
                    key: QueueKey(topic: "t", queueID: queue), offset: 0, maximumCount: 40, isWanted: { _ in true }))
            let calls = hooked.reads.load(ordering: .relaxed) - before
            let records = try #require(StoredRecord.readAll(reading.body))
            #expect(records.map { String(buffer: $0.body) } == (0..<40).map { "\(queue)-\($0)" })
            #expect(calls == 4, "\(calls) calls")
        }
    }

    @Test func everyWrongOffsetHasItsStatus() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        defer { store.close() }
        try await store.append([message("t", body: "a", properties: ["TAGS": "x"])])
        func status(_ topic: String, _ offset: Int64, wanted: Bool = true) throws -> QueueReading.Status {
            try store.read(
                QueueRequest(
                    key: QueueKey(topic: topic, queueID: 0), offset: offset, maximumCount: 1,
                    isWanted: { _ in wanted })
            ).status
        }
        #expect(try status("t", 0) == .found)
        #expect(try status("t", 0, wanted: false) == .noMatch)
        #expect(try status("t", 1) == .atEnd)
        #expect(try status("t", 2) == .beyondEnd)
        #expect(try status("t", -1) == .beforeBeginning)
        #expect(try status("other", 0) == .noQueue)
    }

    @Test func manySendersShareSyncsAndSegments() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(.sync)
        let padding = String(repeating: "p", count: 2000)
        // Four segments of 1 MiB, 20 consume queue files: boundaries are crossed often.
        let receipts = try await withThrowingTaskGroup(of: AppendReceipt.self) { group in
            for index in 0..<2000 {
                group.addTask { try await store.append([message("t", Int32(index % 2), body: "\(index)|\(padding)")]) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(receipts.allSatisfy { $0.durability == .synced })
        #expect(Set(receipts.map { $0.logOffsets[0] }).count == 2000)
        for queue in Int32(0)...1 {
            let numbers = try store.bodies("t", queue).compactMap { $0.split(separator: "|").first.flatMap { Int($0) } }
            #expect(Set(numbers) == Set((0..<2000).filter { $0 % 2 == Int(queue) }))
        }
        #expect(store.flushedLogOffset == store.maximumLogOffset)
        store.close()
        #expect(!FileManager.default.fileExists(atPath: fixture.root.appending("abort").string))
        let end = try StoreScanner(root: fixture.root).scan { #expect($0.isChecksumValid) }
        #expect(end.records == 2000 && end.tornReason == nil && end.logOffset == store.maximumLogOffset)
    }

    @Test func aSecondBrokerIsRefused() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        defer { store.close() }
        #expect { try fixture.open() } throws: { ($0 as? StoreError)?.code == .locked }
    }

    /// RocketMQ's broker locks the first byte of the same file with `fcntl`, which `flock` does not see.
    @Test func rocketMQsBrokerIsRefusedAndRefuses() throws {
        let fixture = try StoreFixture()
        func take(_ descriptor: CInt) -> Bool {
            var region = flock()
            region.l_type = Int16(F_WRLCK)
            region.l_whence = Int16(SEEK_SET)
            region.l_start = 0
            region.l_len = 1
            return fcntl(descriptor, F_SETLK, &region) == 0
        }
        let descriptor = Glibc.open(fixture.root.appending("lock").string, O_RDWR | O_CREAT, 0o644)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(take(descriptor))
        #expect { try fixture.open() } throws: { ($0 as? StoreError)?.code == .locked }
        // That attempt closed the file, and with it went this process's lock of fcntl's kind.
        let store = try fixture.open()
        #expect(!take(descriptor))
        store.close()
        #expect(take(descriptor))
    }

    @Test func aFullDiskRefusesWritesAndKeepsServingReads() async throws {
        let fixture = try StoreFixture()
        // A file system of 3 MiB: its second segment does not fit.
        try #require(mount("none", fixture.root.string, "tmpfs", 0, "size=3m") == 0, "mounting needs root")
        // At once, whoever has a file open still: else it stays mounted.
        defer { umount2(fixture.root.string, Int32(MNT_DETACH)) }
        // Else the oldest go to make room, on a machine slow enough to wait for them.
        var configuration = fixture.configuration()
        configuration.retention.forcedRatio = nil
        let padding = String(repeating: "p", count: 100_000)
        var stored: [String] = []
        do {
            // Gone with its files before the next one opens, as a process is: one that holds them keeps their blocks.
            let store = try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
            var refusal: StoreError?
            for index in 0..<60 where refusal == nil {
                do {
                    try await store.append([message("t", body: "\(index)" + padding)])
                    stored.append("\(index)" + padding)
                } catch let error as StoreError { refusal = error }
            }
            #expect(refusal?.code == .diskFull)
            #expect(stored.count > 10 && stored.count < 40)
            #expect(try store.bodies("t") == stored)
            store.close()
        }
        // What was refused is not there after a restart either.
        let again = try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
        #expect(try again.bodies("t") == stored)
        again.close()
    }

    @Test func searchByTimeFindsTheNearest() async throws {
        let fixture = try StoreFixture()
        let clock = Atomic<Int64>(0)
        let start: Int64 = 1_700_000_000_000
        let store = try MessageStore(
            configuration: fixture.configuration(), now: { start + clock.load(ordering: .relaxed) })
        defer { store.close() }
        for time in [100, 200, 200, 400] as [Int64] {
            clock.store(time, ordering: .relaxed)
            try await store.append([message("t", body: "\(time)")])
        }
        let key = QueueKey(topic: "t", queueID: 0)
        let table: [(Int64, Int64)] = [(0, 0), (100, 0), (149, 0), (160, 1), (200, 1), (290, 2), (310, 3), (999, 3)]
        for (time, offset) in table {
            #expect(try store.offset(of: key, nearestTo: start + time) == offset, "at \(time)")
        }
    }

    @Test func aDeletedTopicIsGoneAndBeginsAnew() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        defer { store.close() }
        try await store.append([message("t", body: "old")])
        let failure = await withCheckedContinuation { done in store.deleteTopic("t") { done.resume(returning: $0) } }
        #expect(failure == nil && store.maximumOffset(of: QueueKey(topic: "t", queueID: 0)) == 0)
        #expect(try await store.append([message("t", body: "new")]).queueOffset == 0)
        #expect(try store.bodies("t") == ["new"])
    }

    @Test func aReplacedFileFallsBackOnItsPredecessor() throws {
        let fixture = try StoreFixture()
        let path = fixture.root.appending("config").appending("t.json")
        let file = ReplacedFile(path)
        #expect(try file.load() == nil)
        try file.save([1])
        try file.save([2])
        #expect(try file.load() == [2])
        try Data().write(to: URL(fileURLWithPath: path.string))
        #expect(try file.load() == [1])
    }

    private struct Odd: Error {}

    /// The next save must not make the broken one the backup: until it is through, the backup is all there is.
    @Test func aBrokenFileFallsBackOnItsPredecessorAndIsPutAside() throws {
        let fixture = try StoreFixture()
        let path = fixture.root.appending("t.json")
        let file = ReplacedFile(path)
        var told = 0
        func even() throws -> UInt8? {
            try file.load {
                if $0[0] % 2 == 0 { $0[0] } else { throw Odd() }
            } takingBackup: { _ in
                told += 1
            }
        }
        #expect(try even() == nil)
        try file.save([2])
        try file.save([3])
        #expect(try even() == 2 && told == 1)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path.string + ".broken")) == Data([3]))
        #expect(try even() == 2 && told == 1)
        try file.save([4])
        #expect(try Data(contentsOf: URL(fileURLWithPath: path.string + ".bak")) == Data([2]))
        #expect(try even() == 4 && told == 1)
        try Data([5]).write(to: URL(fileURLWithPath: path.string))
        try Data([7]).write(to: URL(fileURLWithPath: path.string + ".bak"))
        let error = #expect(throws: StoreError.self) { try even() }
        #expect(error?.code == .broken && error?.path == path && told == 1)
    }

    /// The threads of a store that was let go without `close()` go on, and nobody else may open its files.
    @Test func aStoreThatIsLetGoKeepsItsLock() throws {
        let fixture = try StoreFixture()
        var store: MessageStore? = try fixture.open()
        let writer = try #require(store).writer
        let housekeeper = try #require(store).housekeeper
        let flusher = try #require(store).flusher
        let indexer = try #require(store).indexer
        store = nil
        let error = #expect(throws: StoreError.self) { try fixture.open() }
        #expect(error?.code == .locked)
        writer.stop()
        flusher.stop()
        indexer?.stop()
        housekeeper.stop()
        try fixture.open().close()
    }

    /// With several files it was not said which key is meant, nor which size was found.
    @Test func aWrongSegmentSizeIsSaidWithItsKeyAndWhatWasFound() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let padding = String(repeating: "p", count: 5000)
        for _ in 0..<500 { try await store.append([message("t", body: padding)]) }
        store.close()
        var configuration = fixture.configuration()
        let size = configuration.segmentBytes
        configuration.segmentBytes = size * 2
        let error = #expect(throws: StoreError.self) { try MessageStore(configuration: configuration, now: { 0 }) }
        #expect(error?.code == .layout)
        #expect(
            error?.message.contains(
                "mappedFileSizeCommitLog to the size these were written with (the largest has \(size) bytes)") == true,
            "\(error as Any)")
    }

    /// An editor's, or a file system check's: RocketMQ passes them over, too.
    @Test func strayFilesAmongQueuesAreNoneOfOurs() async throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try await store.append([message("T", body: "m")])
        store.close()
        let queues = fixture.root.appending("consumequeue")
        let places = [
            queues.appending(".nfs0001"), queues.appending("T").appending("notes~"),
            queues.appending("T").appending("0").appending("09223372036854774000"),
            fixture.root.appending("commitlog").appending("09223372036854775807"),
        ]
        for place in places { try Data([1]).write(to: URL(fileURLWithPath: place.string)) }
        let again = try fixture.open()
        #expect(try again.bodies("T") == ["m"])
        again.close()
        #expect(try StoreScrubber(root: fixture.root).scrub { _ in }.findings == 0)
    }
}
