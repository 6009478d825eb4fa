import Foundation
import MQWire
import NIOCore
import Synchronization
import SystemPackage
import Testing

@testable import MQStore

/// What goes wrong while a store runs, one thing at a time; each was once a change of the code that no test noticed.
@Suite struct RuntimeFaultTests {
    private let disk = SimulatedDisk(seed: 3)
    private let clock = SimulatedClock()

    private func open(_ flush: FlushPolicy = .async) throws -> SteppedStore {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 16_384
        configuration.entriesPerQueueFile = 64
        configuration.flushPolicy = flush
        return try SteppedStore(configuration, on: disk, clock: clock)
    }

    private func code(_ answer: SteppedStore.Answer) -> StoreError.Code? {
        if case .failure(let error)? = answer.result { error.code } else { nil }
    }

    private func send(_ store: SteppedStore, _ body: String) -> SteppedStore.Answer {
        let answer = store.append([message("t", body: body)])
        store.write()
        return answer
    }

    /// The marker stays, so that the next start makes anew what the disk may not have.
    @Test func aStopWhoseQueuesDidNotReachTheDiskIsNoCleanOne() throws {
        let store = try open()
        _ = send(store, "m")
        store.flush()
        disk.change { $0.failingSyncs = 1 }
        store.close()
        #expect(disk.has("/disk/store/abort"))
        let again = try open()
        #expect(!again.store.recovery.wasCleanStop)
        #expect(try again.store.bodies("t") == ["m"])
        again.close()
        #expect(!disk.has("/disk/store/abort"))
    }

    /// Whether the marker is there cannot be told: that must not make a crash a clean stop.
    @Test func aMarkerThatCannotBeLookedForIsNotGone() throws {
        let store = try open()
        _ = send(store, "m")
        store.flush()
        disk.kill()
        disk.change { $0.nameErrorPercent = 100 }
        #expect(throws: StoreError.self) { try open() }
        disk.lift()
        let again = try open()
        #expect(!again.store.recovery.wasCleanStop)
        #expect(throws: StoreError.self) { try SystemStorage().exists("/etc/passwd/none") }
        #expect(try !SystemStorage().exists("/etc/none") && SystemStorage().exists("/etc/passwd"))
    }

    /// Searches by time halve a queue: its times must not fall, whatever the clock does.
    @Test func storeTimesDoNotGoBackWithTheClock() throws {
        var store = try open()
        var times: [Int64] = []
        for step in [0, 500, -2000, 100, -1, 3000] as [Int64] {
            clock.advance(step)
            guard case .success(let receipt)? = send(store, "m").result else {
                Issue.record("a message was refused")
                return
            }
            times.append(receipt.storeTimestamp)
        }
        #expect(times == times.sorted() && times[2] == times[1])
        store.flush()
        store.close()
        // Nor behind what the last process wrote.
        clock.advance(-100_000)
        store = try open()
        guard case .success(let receipt)? = send(store, "m").result else {
            Issue.record("a message was refused")
            return
        }
        #expect(receipt.storeTimestamp == times.last)
    }

    /// A part of a record is written, and nothing more goes, not even zeros: nobody is told that it is not there, and
    /// nothing is written over it before it is erased.
    @Test func whatCannotBeErasedIsErasedLater() throws {
        for seed in UInt64(1)...20 {
            let disk = SimulatedDisk(seed: seed)
            var configuration = StoreConfiguration(root: "/disk/store")
            configuration.segmentBytes = 16_384
            let store = try SteppedStore(configuration, on: disk, clock: clock)
            func send(_ body: String) -> SteppedStore.Answer {
                let answer = store.append([message("t", body: body)])
                store.write()
                return answer
            }
            _ = send("first")
            disk.change { $0.writeErrorPercent = 100 }
            let refused = send("refused " + String(repeating: "x", count: 3000))
            #expect([.inputOutput, .uncertain].contains(code(refused)))
            #expect(!store.store.isWritable && store.store.writeFailure == nil && store.store.writeTrouble != nil)
            // Nothing of the second one was written: it is known not to be there.
            let hasRemains = store.store.progress.hasRemains
            #expect(hasRemains == (code(refused) == .uncertain), "seed \(seed)")
            if hasRemains { #expect([.inputOutput, .uncertain].contains(code(send("second")))) }
            disk.change { $0.writeErrorPercent = 0 }
            store.store.housekeeper.lookWhetherWritable()
            #expect(store.store.isWritable)
            let taken = send("taken")
            guard case .success? = taken.result else {
                Issue.record("seed \(seed): \(String(describing: taken.result))")
                continue
            }
            #expect(!store.store.progress.hasRemains)
            #expect(try store.store.bodies("t") == ["first", "taken"])
            disk.kill()
            let again = try SteppedStore(configuration, on: disk, clock: clock)
            #expect(try again.store.bodies("t") == ["first", "taken"], "seed \(seed)")
            #expect(again.store.recovery.tornReason == nil, "seed \(seed)")
        }
    }

    /// What stands behind the log's end would look torn to a start that trusts it.
    @Test func aStopWithRemainsIsNoCleanOne() throws {
        for seed in UInt64(1)...20 {
            let disk = SimulatedDisk(seed: seed)
            var configuration = StoreConfiguration(root: "/disk/store")
            configuration.segmentBytes = 16_384
            let store = try SteppedStore(configuration, on: disk, clock: clock)
            _ = store.append([message("t", body: "first")])
            store.write()
            store.flush()
            disk.change { $0.writeErrorPercent = 100 }
            _ = store.append([message("t", body: String(repeating: "x", count: 3000))])
            store.write()
            let hasRemains = store.store.progress.hasRemains
            disk.change { $0.writeErrorPercent = 0 }
            store.close()
            #expect(disk.has("/disk/store/abort") == hasRemains, "seed \(seed)")
        }
    }

    @Test(arguments: [Errno.readOnlyFileSystem, .ioError]) func aRefusedWriteIsNoEnd(_ error: Errno) throws {
        let store = try open()
        _ = send(store, "m0")
        disk.change { $0.writeRefusal = error }
        #expect(code(send(store, "refused")) == .inputOutput)
        #expect(!store.store.isWritable && store.store.writeFailure == nil)
        #expect(store.store.writeTrouble?.cause == error)
        store.store.housekeeper.lookWhetherWritable()
        #expect(!store.store.isWritable)
        #expect(try store.store.bodies("t") == ["m0"])
        disk.change { $0.writeRefusal = nil }
        store.store.housekeeper.lookWhetherWritable()
        #expect(store.store.isWritable)
        _ = send(store, "m1")
        #expect(try store.store.bodies("t") == ["m0", "m1"])
    }

    /// A short message that fits does not make a full disk one with space.
    @Test func aWriteThatSucceedsDoesNotEndTheTrouble() throws {
        let store = try open()
        _ = send(store, "m0")
        disk.change { $0.blockLimit = $0.usedBlocks }
        #expect(code(send(store, String(repeating: "x", count: 9000))) == .diskFull)
        guard case .success? = send(store, "short").result else {
            Issue.record("it fits into the block that is there")
            return
        }
        #expect(!store.store.isWritable)
    }

    /// However small the disk: what retention leaves free when it has done all it does is enough to go on.
    @Test func whatRetentionLeavesFreeIsEnough() {
        var policy = RetentionPolicy()
        for mebibytes in [1, 3, 10, 40, 55, 100, 1000, 1_000_000] as [Int64] {
            let total = mebibytes << 20
            for forced in [0.5, 0.85, 0.95, 0.99] {
                policy.forcedRatio = forced
                let wanted = StoreHousekeeper.spaceToGoOn(totalBytes: total, policy: policy)
                #expect(wanted > 0 && wanted <= 8 << 20)
                #expect(Double(wanted) < Double(total) * (1 - forced), "\(mebibytes) MiB, \(forced)")
            }
        }
        policy.forcedRatio = nil
        #expect(StoreHousekeeper.spaceToGoOn(totalBytes: 100 << 20, policy: policy) == 5 << 20)
        #expect(StoreHousekeeper.spaceToGoOn(totalBytes: 1 << 40, policy: policy) == 8 << 20)
    }

    /// Who is refused again right after it was let in waits longer each time; who was well for a while does not.
    @Test func aDiskThatRefusesAgainIsTriedLessOften() {
        var rhythm = ProbeRhythm()
        func looksUntilDue() -> Int {
            var looks = 1
            while !rhythm.isDue(inTrouble: true) { looks += 1 }
            return looks
        }
        var pauses: [Int] = []
        for _ in 0..<8 {
            pauses.append(looksUntilDue())
            rhythm.succeeded()
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 32, 32])
        for _ in 0..<ProbeRhythm.calm {
            let isDue = rhythm.isDue(inTrouble: false)
            #expect(!isDue)
        }
        pauses = [looksUntilDue(), looksUntilDue()]
        #expect(pauses == [1, 1])
    }

    /// The kernel tells of a failed sync of a directory once.
    @Test func aNameWhoseSyncFailedIsNeverPromised() throws {
        _ = try disk.createDirectory("/names")
        let names = NameJournal(io: disk)
        names.note(["/names"])
        disk.stop(after: 0)
        #expect(throws: StoreError.self) { try names.sync() }
        disk.kill()
        names.note(["/names"])
        #expect(throws: StoreError.self) { try names.sync() }
    }

    /// The checkpoint vouches for what was written, and not for the time of a message that was refused.
    @Test func aRefusedMessageMovesNoCheckpoint() throws {
        let store = try open()
        _ = send(store, "m")
        store.flush()
        let time = store.store.progress.flushedTimestamp
        clock.advance(1000)
        _ = store.append([message("t\0", body: "")])
        store.write()
        store.flush()
        store.writeCheckpoint()
        #expect(store.store.progress.flushedTimestamp == time)
    }

    /// Read as a rotten entry says, one message would cost up to 2 GiB.
    @Test func aRottenSizeIsNotRead() async throws {
        let fixture = try StoreFixture()
        let store = try MessageStore(
            configuration: fixture.configuration(segmentBytes: 64 << 20), now: { 1_700_000_000_000 })
        defer { store.close() }
        let large = String(repeating: "l", count: 400_000)
        for body in ["m0", large, "m2"] { try await store.append([message("t", body: body)]) }
        #expect(try store.bodies("t") == ["m0", large, "m2"])
        let path = fixture.root.appending("consumequeue/t/0").appending(Segment.name(0)).string
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: 8)
        try file.write(contentsOf: Data([0x03, 0x00, 0x00, 0x00]))
        try file.close()
        let key = QueueKey(topic: "t", queueID: 0)
        let reading = try store.read(QueueRequest(key: key, offset: 0, maximumCount: 32))
        #expect(reading.damagedLogOffsets == [0] && reading.count == 1 && reading.nextOffset == 2)
        #expect(reading.body.capacity < 1 << 20)
        #expect(try store.bodies("t") == [large, "m2"])
    }

    /// The same where one record is looked at: a search by time, a recovery.
    @Test func aRottenSizeDoesNotSayHowMuchIsRead() throws {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 1 << 20
        configuration.entriesPerQueueFile = 64
        let store = try SteppedStore(configuration, on: disk, clock: clock)
        _ = send(store, "m0")
        _ = send(store, String(repeating: "l", count: 400_000))
        let key = QueueKey(topic: "t", queueID: 0)
        disk.change { $0.largestRead = 0 }
        let rotten = QueueEntry(logOffset: 0, size: 300_000, tagCode: 0)
        #expect(try store.store.record(of: rotten, in: key, at: 0) == nil)
        #expect(disk.state.withLock { $0.largestRead } <= EntryReading.trustedBytes)
        let large = try #require(try store.store.entries(of: key, from: 1, count: 1).first)
        #expect(try store.store.record(of: large, in: key, at: 1)?.body.readableBytes == 400_000)
        store.close()
    }
}
