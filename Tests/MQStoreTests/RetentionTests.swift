import Foundation
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

@Suite struct RetentionTests {
    /// Sparse unless it is asked for; then the next segment has its blocks before anything is written to it.
    @Test(arguments: [false, true]) func aSegmentGetsItsBlocksAheadWhereWanted(_ isWanted: Bool) async throws {
        let fixture = try StoreFixture()
        var configuration = fixture.configuration()
        configuration.allocatesAhead = isWanted
        let store = try MessageStore(configuration: configuration, now: { 1_700_000_000_000 })
        defer { store.close() }
        // More than half of the first segment: the housekeeper prepares the second one.
        for _ in 0..<6 { try await store.append([message("t", body: String(repeating: "x", count: 100_000))]) }
        let next = fixture.root.appending("commitlog").appending("00000000000001048576").string
        func blocks() -> Int? {
            var status = stat()
            return stat(next, &status) == 0 ? Int(status.st_blocks) * 512 : nil
        }
        var found: Int?
        for _ in 0..<500 {
            found = blocks()
            if let found, !isWanted || found >= 1 << 20 { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(isWanted ? found ?? 0 >= 1 << 20 : found == 0)
        #expect(try store.bodies("t", 0).count == 6)
    }

    private static let hour: Int64 = 3_600_000

    /// Segments whose newest message is so many hours old, the hour of the day, how full the disk is, how many go.
    @Test(arguments: [
        ([100, 80, 10] as [Int64], 4, 0.1, 2), ([100, 80, 10], 5, 0.1, 0), ([100, 80, 10], 5, 0.76, 2),
        ([10, 5], 5, 0.84, 0), ([10, 5], 5, 0.85, 1), ([], 4, 0.99, 0), ([100], 4, 0.99, 1),
        (Array(repeating: 100, count: 30), 4, 0.1, 10),
    ]) func soManySegmentsGo(ages: [Int64], hour: Int, used: Double, count: Int) {
        let now = 1_000_000 * 24 * Self.hour + Int64(hour) * Self.hour + 5
        let newest = ages.map { now - $0 * Self.hour }
        #expect(RetentionPolicy().segmentsToRemove(newest: newest, usedRatio: used, now: now) == count)
    }

    /// Where nothing goes before its time a full disk refuses writers instead.
    @Test func nothingIsForcedOutWhereThatIsNotWanted() {
        var policy = RetentionPolicy()
        let now: Int64 = 1_700_000_000_000
        #expect(policy.segmentsToRemove(newest: [now - 1000], usedRatio: 0.99, now: now) == 1)
        policy.forcedRatio = nil
        #expect(policy.segmentsToRemove(newest: [now - 1000], usedRatio: 0.99, now: now) == 0)
        #expect(policy.segmentsToRemove(newest: [now - 73 * 3_600_000], usedRatio: 0.99, now: now) == 1)
    }

    private func filled(_ disk: SimulatedDisk, _ clock: SimulatedClock) throws -> SteppedStore {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 4096
        configuration.entriesPerQueueFile = 8
        configuration.retention.hours = Set(0..<24)
        configuration.retention.keptMilliseconds = 1000
        let store = try SteppedStore(configuration, on: disk, clock: clock)
        return store
    }

    /// To clean the queues is not to clean the log: what is old goes at its hour, and entries go that lead to nothing.
    @Test func askedForLostEntriesNothingElseGoes() throws {
        let disk = SimulatedDisk(seed: 1)
        let clock = SimulatedClock()
        let store = try filled(disk, clock)
        for index in 0..<100 {
            clock.advance(20)
            _ = store.append([message("t", 0, body: "m\(index)" + String(repeating: "x", count: 100))])
            store.write()
        }
        store.flush()
        clock.advance(10_000)
        let key = QueueKey(topic: "t", queueID: 0)
        store.store.removeLostEntries()
        store.store.housekeeper.tidy(isRetentionDue: false)
        #expect(store.store.minimumLogOffset == 0 && store.store.minimumOffset(of: key) == 0)
        // The log's beginning is gone, by a hand from outside say.
        _ = try store.store.log.removeBeginning(before: 8192, durably: true)
        #expect(store.store.minimumOffset(of: key) == 0)
        store.store.removeLostEntries()
        store.store.housekeeper.tidy(isRetentionDue: false)
        #expect(store.store.minimumLogOffset == 8192)
        let first = store.store.minimumOffset(of: key)
        #expect(first > 0)
        #expect(try store.store.record(atLogOffset: 8192)?.queueOffset == first)
        // The other request is another matter.
        store.store.removeExpired()
        store.store.housekeeper.tidy(isRetentionDue: false)
        #expect(store.store.minimumLogOffset > 8192)
    }

    /// Outside its hour, and with room on the disk, nothing may go: then no segment is read for its age.
    @Test func nothingIsReadWhileNothingMayGo() throws {
        let disk = SimulatedDisk(seed: 1)
        let clock = SimulatedClock()
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 4096
        let now = Int(clock.milliseconds / 3_600_000 % 24)
        configuration.retention.hours = [(now + 12) % 24]
        let store = try SteppedStore(configuration, on: disk, clock: clock)
        for index in 0..<100 {
            _ = store.append([message("t", 0, body: "m\(index)" + String(repeating: "x", count: 100))])
            store.write()
        }
        store.flush()
        func read() -> Int {
            disk.change { $0.largestRead = 0 }
            store.store.housekeeper.removeOld()
            return disk.state.withLock { $0.largestRead }
        }
        #expect(read() == 0)
        clock.advance(12 * 3_600_000)
        #expect(read() > 0)
        // Not old enough.
        #expect(store.store.minimumLogOffset == 0)
    }

    /// An entry that rotted to point to the log's beginning, just where the search by halves looks first.
    @Test func aRottenEntryHidesNoMessage() throws {
        let store = try filled(SimulatedDisk(seed: 1), SimulatedClock())
        for index in 0..<100 {
            _ = store.append([message("t", 0, body: "m\(index)" + String(repeating: "x", count: 100))])
            store.write()
        }
        store.flush()
        let key = QueueKey(topic: "t", queueID: 0)
        let queue = try #require(store.store.queues.queue(key))
        let sound = try store.store.entries(of: key, from: 0, count: 100)
        let first = try #require(sound.firstIndex { $0.logOffset >= 4096 })
        try #require(sound.count == 100 && first < 50)
        var rotten = ByteBuffer()
        QueueEntry(logOffset: 0, size: sound[50].size, tagCode: 0).write(to: &rotten)
        try queue.write(rotten, at: 50)
        store.removeBeginning(before: 4096)
        #expect(store.store.minimumLogOffset == 4096)
        #expect(store.store.minimumOffset(of: key) == Int64(first))
        #expect(try store.store.entries(of: key, from: Int64(first), count: 50 - first) == Array(sound[first..<50]))
    }

    /// Killed at any operation of a removal, the next start finds no queue that lacks anything, and all that is left.
    @Test func aKillInARemovalLeavesNothingLacking() throws {
        var isDone = false
        for operations in 0..<200 where !isDone {
            let disk = SimulatedDisk(seed: 1)
            let clock = SimulatedClock()
            let store = try filled(disk, clock)
            for index in 0..<100 {
                let body = "m\(index)" + String(repeating: "x", count: 100)
                _ = store.append([message("t", Int32(index % 2), body: body)])
            }
            store.write()
            store.flush()
            store.writeCheckpoint()
            disk.stop(after: operations)
            store.removeBeginning(before: 8192)
            isDone = !disk.isOff
            disk.stop(after: nil)
            disk.kill()
            let again = try filled(disk, clock)
            #expect(again.store.recovery.lackingQueues.isEmpty, "killed after \(operations) operations")
            for queueID in Int32(0)...1 {
                let minimum = again.store.minimumOffset(of: QueueKey(topic: "t", queueID: queueID))
                #expect(try again.store.bodies("t", queueID, from: minimum).count == Int(50 - minimum))
            }
        }
        #expect(isDone)
    }

    @Test func whatIsTooOldGoesAndTheMinimumsFollow() throws {
        let disk = SimulatedDisk(seed: 1)
        let clock = SimulatedClock()
        let store = try filled(disk, clock)
        for index in 0..<100 {
            clock.advance(20)
            _ = store.append([message("t", Int32(index % 2), body: "m\(index)" + String(repeating: "x", count: 100))])
            store.write()
        }
        let key = QueueKey(topic: "t", queueID: 0)
        // What is not synced does not go.
        store.store.housekeeper.removeOld()
        #expect(store.store.minimumLogOffset == 0)
        store.flush()
        store.store.housekeeper.removeOld()
        let first = store.store.minimumLogOffset
        let minimum = store.store.minimumOffset(of: key)
        #expect(first > 0 && first % 4096 == 0 && minimum > 0 && minimum < 50)
        #expect(try store.store.entries(of: key, from: minimum, count: 1).first.map { $0.logOffset >= first } == true)
        #expect(try store.store.read(QueueRequest(key: key, offset: 0, maximumCount: 1)).status == .beforeBeginning)
        // Nothing younger than the limit went, and all that is left is read, also after the next start.
        for store in [
            store,
            try {
                disk.kill(); return try filled(disk, clock)
            }(),
        ] {
            #expect(store.store.minimumOffset(of: key) == minimum && store.store.maximumOffset(of: key) == 50)
            let bodies = try store.store.bodies("t", 0, from: minimum)
            #expect(bodies.count == Int(50 - minimum) && bodies.last?.hasPrefix("m98") == true)
        }
    }

    /// A deletion is remembered until no power cut can bring the topic's records back.
    @Test func aSegmentThatComesBackRaisesNoDeletedTopic() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let disk = SimulatedDisk(seed: seed)
            let clock = SimulatedClock()
            let store = try filled(disk, clock)
            func send(_ topic: String) {
                for index in 0..<10 {
                    _ = store.append([message(topic, 0, body: "m\(index)" + String(repeating: "x", count: 200))])
                }
                store.write()
                store.flush()
            }
            func delete(_ topic: String) {
                store.store.deleteTopic(topic) { _ in }
                store.write()
            }
            send("gone")
            delete("gone")
            send("t")
            store.store.housekeeper.removeBeginning(before: 4096)
            #expect(store.store.minimumLogOffset == 4096)
            // Writes the table of deletions anew.
            delete("another")
            disk.cutPower()
            let again = try filled(disk, clock)
            #expect(again.store.maximumOffset(of: QueueKey(topic: "gone", queueID: 0)) == 0, "seed \(seed)")
        }
    }

    @Test func whoReadsASegmentReadsItToItsEnd() throws {
        let fixture = try StoreFixture()
        let io = SystemStorage()
        let chain = try SegmentChain(directory: fixture.root, segmentBytes: 4096, io: io, names: NameJournal(io: io))
        for base in 0..<3 {
            try chain.write(ByteBuffer(repeating: UInt8(base + 1), count: 4096), at: Int64(base) * 4096)
        }
        let held = try #require(chain.segment(at: 0))
        #expect(try chain.removeBeginning(before: 8192) == 2)
        #expect(chain.firstOffset == 8192 && chain.segment(at: 0) == nil)
        #expect(!FileManager.default.fileExists(atPath: held.path.string))
        var buffer = ByteBuffer()
        try held.read(at: 100, count: 10, into: &buffer)
        #expect(buffer == ByteBuffer(repeating: 1, count: 10))
        // The last one stays, whatever is asked.
        #expect(try chain.removeBeginning(before: .max) == 0)
    }

    @Test func aFullDiskIsSaidAndForgottenWhenSpaceReturns() throws {
        let disk = SimulatedDisk(seed: 1)
        let store = try filled(disk, SimulatedClock())
        disk.change { $0.blockLimit = $0.usedBlocks }
        let refused = store.append([message("t", body: "x")])
        store.write()
        guard case .failure(let error) = refused.result else { return #expect(Bool(false), "it was taken") }
        #expect(error.code == .diskFull && !store.store.isWritable && store.store.writeFailure == nil)
        store.store.housekeeper.lookWhetherWritable()
        #expect(!store.store.isWritable)
        // Nobody writes, and yet it is noticed.
        disk.change { $0.blockLimit = 1 << 20 }
        store.store.housekeeper.lookWhetherWritable()
        #expect(store.store.isWritable)
    }
}
