import Foundation
import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// What a start knows from the process before: how far log and queues were synced, and where each queue ended.
@Suite struct RecoveryNotesTests {
    private let disk = SimulatedDisk(seed: 3)
    private let clock = SimulatedClock()

    private func configuration(segmentBytes: Int64 = 1 << 17) -> StoreConfiguration {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = segmentBytes
        configuration.entriesPerQueueFile = 8
        configuration.indexSlots = 64
        configuration.indexEntries = 1024
        return configuration
    }

    private func open(segmentBytes: Int64 = 1 << 17) throws -> SteppedStore {
        try SteppedStore(configuration(segmentBytes: segmentBytes), on: disk, clock: clock)
    }

    private func send(_ count: Int, to stepped: SteppedStore, topic: String = "t", bytes: Int = 10) {
        for index in 0..<count {
            clock.advance(1)
            _ = stepped.append([message(topic, body: "m\(index)" + String(repeating: "x", count: bytes))])
            stepped.write()
        }
    }

    private func end(of topic: String, in stepped: SteppedStore) -> Int64 {
        stepped.store.maximumOffset(of: QueueKey(topic: topic, queueID: 0))
    }

    /// A checkpoint as RocketMQ writes it: times alone.
    private func forgetReach() throws {
        let checkpoint = try #require(try Checkpoint.read(from: configuration().checkpointFile, io: disk))
        var times = checkpoint
        times.reach = nil
        try times.write(to: configuration().checkpointFile, io: disk)
    }

    private func stop(_ stepped: SteppedStore, cleanly: Bool) {
        stepped.flush()
        stepped.writeCheckpoint()
        if cleanly { stepped.close() } else { disk.kill() }
    }

    // MARK: Notes that the disk cannot read

    /// They are notes: without them the start looks longer, and says why.
    @Test(arguments: ["checkpoint", "queueEnds"], [true, false])
    func aNoteThatCannotBeReadIsDoneWithout(name: String, isCleanStop: Bool) throws {
        let store = try open()
        send(60, to: store)
        stop(store, cleanly: isCleanStop)
        let path = configuration().root.appending(name)
        #expect(disk.ruin(path, at: 0))
        var named: [StoreScrubber.Finding] = []
        _ = try StoreScrubber(root: configuration().root, indexSlots: 64, io: disk).scrub { named.append($0) }
        #expect(named.count == 1, "\(named)")
        guard case .unreadable(let file, _)? = named.first, file == name else {
            Issue.record("\(named)")
            return
        }
        let again = try open()
        let report = again.store.recovery
        #expect(report.unreadableNotes == [path] && report.damagedOffsets.isEmpty, "\(report)")
        #expect(end(of: "t", in: again) == 60 && report.wasCleanStop == isCleanStop)
        // It is written anew.
        send(1, to: again)
        stop(again, cleanly: true)
        #expect(try open().store.recovery.unreadableNotes.isEmpty)
    }

    /// Nobody has decided to go on without a segment.
    @Test func aSegmentIsMissedAlsoWithoutAReadableCheckpoint() throws {
        let store = try open(segmentBytes: 4096)
        send(120, to: store)
        stop(store, cleanly: true)
        disk.lose(configuration().commitLogDirectory.appending(Segment.name(4096)))
        #expect(disk.ruin(configuration().checkpointFile, at: 0))
        #expect { _ = try open(segmentBytes: 4096) } throws: { error in (error as? StoreError)?.code == .broken }
    }

    /// Without this one deleted topics would be back: the refusal names the file, and what to do.
    @Test func aTableOfDeletionsThatCannotBeReadIsNamed() throws {
        let store = try open()
        send(10, to: store)
        store.store.deleteTopic("t") { #expect($0 == nil) }
        store.write()
        stop(store, cleanly: true)
        let path = configuration().deletedTopicsFile
        #expect(disk.ruin(path, at: 0))
        #expect { _ = try open() } throws: { error in
            guard let error = error as? StoreError else { return false }
            return error.code == .broken && error.path == path && error.message.contains("move it away")
        }
        disk.move(path, to: "/disk/aside")
        #expect(end(of: "t", in: try open()) == 10)
    }

    // MARK: Queues

    private func queueFiles(_ topic: String) throws -> [FilePath] {
        let directory = configuration().consumeQueueDirectory.appending(topic).appending("0")
        return try disk.names(in: directory).map { directory.appending($0) }
    }

    /// Long before the end of the log, where no walk would come by.
    @Test(arguments: [true, false], [0...3, 0...0, 1...1, 1...2, 3...3])
    func aQueueWhoseFilesAreLostIsMadeAnew(cleanly: Bool, lost: ClosedRange<Int>) throws {
        let store = try open()
        send(30, to: store, topic: "a")
        let before = try store.store.bodies("a")
        send(40, to: store, topic: "b", bytes: 60_000)
        stop(store, cleanly: cleanly)
        let files = try queueFiles("a")
        #expect(files.count == 4)
        for file in files[lost] { try disk.removeFile(file) }
        let again = try open()
        #expect(try again.store.bodies("a") == before && again.store.bodies("b").count == 40)
        #expect(again.store.recovery.lackingQueues == [QueueKey(topic: "a", queueID: 0)])
        send(1, to: again, topic: "a")
        #expect(end(of: "a", in: again) == 31)
        stop(again, cleanly: true)
        #expect(try open().store.recovery.lackingQueues.isEmpty)
    }

    /// It is no end of the queue: what stood in it is in the log, and so is what follows.
    @Test(arguments: [true, false], [0, 1, 21] as [Int64])
    func aQueueFileThatIsTooShortIsMadeAnew(cleanly: Bool, bytes: Int64) throws {
        let store = try open()
        send(30, to: store, topic: "a")
        let before = try store.store.bodies("a")
        send(40, to: store, topic: "b", bytes: 60_000)
        stop(store, cleanly: cleanly)
        try disk.open(try queueFiles("a")[1], .write).resize(to: bytes)
        let again = try open()
        #expect(try again.store.bodies("a") == before)
        #expect(again.store.recovery.lackingQueues == [QueueKey(topic: "a", queueID: 0)])
        stop(again, cleanly: true)
        #expect(try open().store.recovery.lackingQueues.isEmpty)
    }

    /// Whose messages are all too old: the log says nothing of them any more, and offsets are not given twice.
    @Test(arguments: [true, false], [0, 1])
    func aQueueWithoutMessagesGoesOnCounting(cleanly: Bool, lost: Int) throws {
        let store = try open()
        send(30, to: store, topic: "a")
        send(10, to: store, topic: "b", bytes: 60_000)
        store.flush()
        store.store.housekeeper.removeBeginning(before: 1 << 18)
        #expect(store.store.minimumLogOffset == 1 << 18)
        // After a kill nothing comes between the removal and the start.
        if cleanly { stop(store, cleanly: true) } else { disk.kill() }
        // What of the queue is left after the removal is gone, or another queue's loss has the log walked whole.
        for file in try queueFiles(["a", "b"][lost]) { try disk.removeFile(file) }
        for _ in 0..<3 {
            let again = try open()
            #expect(end(of: "a", in: again) == 30 && end(of: "b", in: again) == 10)
            let first = again.store.minimumOffset(of: QueueKey(topic: "b", queueID: 0))
            #expect(try again.store.bodies("b", 0, from: first).count > 3)
            if cleanly { again.close() } else { disk.kill() }
        }
        let last = try open()
        send(1, to: last, topic: "a")
        #expect(end(of: "a", in: last) == 31)
    }

    @Test func aDeletedTopicIsNoLostQueue() throws {
        let store = try open()
        send(20, to: store, topic: "a")
        stop(store, cleanly: true)
        let second = try open()
        second.store.deleteTopic("a") { #expect($0 == nil) }
        second.write()
        send(2, to: second, topic: "a")
        second.flush()
        // Its checkpoint is not written any more: the ends are those of the topic that is gone.
        disk.kill()
        let third = try open()
        #expect(end(of: "a", in: third) == 2 && third.store.recovery.lackingQueues.isEmpty)
    }

    @Test func theEndsAreReadAsTheyWereWritten() throws {
        let ends = QueueEnds(
            logStart: 2, logEndBefore: 5, logEnd: 7,
            entries: [
                .init(key: QueueKey(topic: "a", queueID: 3), start: 0, end: 9),
                .init(key: QueueKey(topic: String(repeating: "t", count: 127), queueID: 0), start: 3, end: 1 << 40),
            ])
        let bytes = ends.bytes
        #expect(QueueEnds(bytes) == ends)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 4
            #expect(QueueEnds(damaged) == nil && QueueEnds(Array(bytes[..<index])) == nil)
        }
    }

    /// Not before the log is synced as far, not while nothing changes, and seldom where there are many.
    @Test func theEndsAreWrittenWhenTheyMayBeBelieved() {
        func ends(_ end: Int64, logEnd: Int64) -> QueueEnds {
            QueueEnds(
                logStart: 0, logEndBefore: logEnd, logEnd: logEnd,
                entries: [.init(key: QueueKey(topic: "a", queueID: 0), start: 0, end: end)])
        }
        var schedule = QueueEndsSchedule(known: 40)
        let isFirstDue = schedule.isDue(isLast: false)
        #expect(isFirstDue)
        schedule.saw(ends(1, logEnd: 100))
        let early = schedule.next(flushedTo: 99)
        let isDueAgain = [schedule.isDue(isLast: false), schedule.isDue(isLast: true)]
        #expect(early == nil && isDueAgain == [false, true] && schedule.vouchedTo == 40)
        let due = schedule.next(flushedTo: 100)
        #expect(due == ends(1, logEnd: 100))
        schedule.wrote(ends(1, logEnd: 100), bytes: 3 * QueueEndsSchedule.bytesPerCheckpoint)
        #expect(schedule.vouchedTo == .max)
        let isDue = (0..<3).map { _ in schedule.isDue(isLast: false) }
        #expect(schedule.vouchedTo == 100)
        #expect(isDue == [false, false, true])
        schedule.saw(ends(1, logEnd: 200))
        let unchanged = schedule.next(flushedTo: 200)
        #expect(unchanged == nil && schedule.vouchedTo == 200)
    }

    // MARK: The log

    /// What was synced and is not there any more is somebody's decision, and not a shorter log.
    @Test(arguments: [true, false], [true, false])
    func aLostLastSegmentIsNoticed(cleanly: Bool, wholly: Bool) throws {
        let store = try open()
        send(9, to: store, bytes: 60_000)
        stop(store, cleanly: cleanly)
        let path = configuration().commitLogDirectory.appending(Segment.name(4 << 17))
        #expect(disk.has(path) && store.store.maximumLogOffset > 4 << 17)
        if wholly { try disk.removeFile(path) } else { try disk.open(path, .write).resize(to: 10_000) }
        var refusal: StoreError?
        for _ in 0..<2 {
            do { _ = try open() } catch let error as StoreError { refusal = error }
            #expect(refusal?.code == .broken && refusal?.path == path)
            #expect(refusal?.message.contains("/disk/store/checkpoint") == true)
            #expect(disk.has(configuration().abortMarker) != cleanly && disk.has(path) != wholly)
        }
        // The way out that it names.
        try disk.removeFile(configuration().checkpointFile)
        let again = try open()
        #expect(try again.store.bodies("t").count == 8 && end(of: "t", in: again) == 9)
        send(1, to: again)
        #expect(end(of: "t", in: again) == 10)
    }

    /// An hour ahead and back: what was stored since has one and the same time.
    @Test func aClockThatJumpsDoesNotLengthenTheWalk() throws {
        let store = try open()
        clock.advance(3_600_000)
        send(1, to: store)
        clock.advance(-3_600_000)
        send(200, to: store)
        stop(store, cleanly: false)
        let again = try open()
        #expect(again.store.recovery.rebuiltEntries == 0 && again.store.recovery.logEnd == store.store.maximumLogOffset)
        send(5, to: again)
        disk.kill()
        #expect(try open().store.recovery.rebuiltEntries == 5)
    }

    /// The last record of what was synced goes bad, and power fails: its place stays its own.
    @Test func aLastSyncedRecordThatGoesBadIsNoTornTail() throws {
        let store = try open()
        send(5, to: store)
        let end = store.store.maximumLogOffset
        send(1, to: store, topic: "u")
        stop(store, cleanly: false)
        disk.flip(configuration().commitLogDirectory.appending(Segment.name(0)), at: Int(end) + 1, bits: 0x40)
        let again = try open()
        #expect(again.store.recovery.logEnd == store.store.maximumLogOffset)
        #expect(again.store.recovery.damagedOffsets == [end] && again.store.recovery.tornReason == nil)
        send(1, to: again, topic: "u")
        #expect(self.end(of: "u", in: again) == 2)
    }

    // MARK: Holes

    private enum Bad: CaseIterable { case hole, rot, zeroedBeforeTheSync }

    /// Three messages of some sectors each, the second one not whole.
    @Test func aHoleEndsTheLogAndRotDoesNot() throws {
        for bad in Bad.allCases {
            let disk = SimulatedDisk(seed: 5)
            let store = try SteppedStore(configuration(), on: disk, clock: clock)
            send(1, to: store, bytes: 2000)
            let hole = store.store.maximumLogOffset
            if bad != .zeroedBeforeTheSync { store.flush(); store.writeCheckpoint() }
            send(1, to: store, bytes: 2000)
            let third = store.store.maximumLogOffset
            send(3, to: store, bytes: 2000)
            if bad == .zeroedBeforeTheSync { store.flush(); store.writeCheckpoint() }
            disk.kill()
            let file = try disk.open(configuration().commitLogDirectory.appending(Segment.name(0)), .write)
            let sector = (hole / 512 + 1) * 512
            try file.write([UInt8](repeating: bad == .rot ? 0x3C : 0, count: 512), at: sector)
            let again = try SteppedStore(configuration(), on: disk, clock: clock)
            let recovery = again.store.recovery
            if bad == .hole {
                #expect(recovery.logEnd == hole && recovery.letGoRecords == 3 && recovery.damagedOffsets.isEmpty)
                #expect(recovery.tornReason?.contains("never written") == true)
                #expect(try again.store.bodies("t").count == 1 && end(of: "t", in: again) == 1)
                send(1, to: again)
                #expect(try again.store.bodies("t").count == 2)
            } else {
                #expect(recovery.damagedOffsets == [hole] && recovery.tornReason == nil, "\(bad)")
                #expect(recovery.logEnd > third && recovery.letGoRecords == 0)
                #expect(try again.store.bodies("t").count == 4 && end(of: "t", in: again) == 5)
            }
            again.flush()
            disk.kill()
            let third2 = try SteppedStore(configuration(), on: disk, clock: clock)
            #expect(third2.store.recovery.tornReason == nil)
            #expect(try third2.store.bodies("t") == again.store.bodies("t"), "\(bad)")
        }
    }

    /// What of a sector, and which sectors, say that a piece was never written.
    @Test(arguments: [
        (100..<700, 100..<700, true), (100..<700, 512..<700, false), (100..<700, 100..<512, true),
        (100..<700, 101..<512, false), (510..<700, 510..<512, false), (508..<700, 508..<512, true),
        (100..<1600, 512..<1024, true), (100..<1600, 513..<1535, false), (100..<1600, 1024..<1600, true),
        (3000..<4096, 3008..<4096, false), (3000..<4096, 3000..<4096, true), (3000..<4096, 3100..<4096, true),
        (3000..<5000, 3008..<4096, false), (3000..<5000, 4096..<4700, true),
    ])
    func zerosThatWereNeverWritten(piece: Range<Int64>, zeros: Range<Int64>, isUnwritten: Bool) throws {
        var bytes = [UInt8](repeating: 0x41, count: 8192)
        for index in zeros { bytes[Int(index)] = 0 }
        let source = LogReader.Source(
            segmentBytes: 4096, beginning: 0,
            fetch: { offset, count throws(StoreError) in
                ByteBuffer(bytes: bytes[Int(offset)..<min(Int(offset) + count, (Int(offset) / 4096 + 1) * 4096)])
            }, nextData: { offset throws(StoreError) in offset })
        #expect(try UnwrittenPiece(source: source).isIn(piece) == isUnwritten)
    }

    /// A record's header that went bad right before a segment's filler: the rest behind the filler is no hole. (Seed 165.)
    @Test(arguments: [0, 100, 1500, 3500]) func aFillersRestIsNoHole(fillerAt: Int) throws {
        var bytes = [UInt8](repeating: 0x41, count: 4096)
        for index in fillerAt..<4096 { bytes[index] = 0 }
        func bytesNow() -> [UInt8] { bytes }
        func source() -> LogReader.Source {
            let now = bytesNow()
            return LogReader.Source(
                segmentBytes: 4096, beginning: 0,
                fetch: { offset, count throws(StoreError) in
                    ByteBuffer(bytes: now[Int(offset)..<min(Int(offset) + count, 4096)])
                }, nextData: { offset throws(StoreError) in offset })
        }
        #expect(try UnwrittenPiece(source: source()).isIn(0..<4096))
        var filler = ByteBuffer()
        filler.writeInteger(Int32(4096 - fillerAt))
        filler.writeInteger(RecordLayout.blankMagic)
        bytes.replaceSubrange(fillerAt..<(fillerAt + 8), with: Array(buffer: filler))
        #expect(!(try UnwrittenPiece(source: source()).isIn(0..<4096)))
        // What was never written before it still is a hole.
        guard fillerAt >= 1500 else { return }
        for index in 512..<1024 { bytes[index] = 0 }
        #expect(try UnwrittenPiece(source: source()).isIn(0..<4096))
    }

    // MARK: Full disks

    /// The rest of a segment behind a filler has no blocks, and gets none.
    @Test func aStartOnAFullDiskFillsNoHole() throws {
        let store = try open(segmentBytes: 16384)
        send(5, to: store, bytes: 9000)
        #expect(store.store.maximumLogOffset > 4 * 16384)
        disk.change { $0.blockLimit = $0.usedBlocks }
        disk.kill()
        let again = try open(segmentBytes: 16384)
        #expect(try again.store.bodies("t").count == 5)
        #expect(again.store.recovery.logEnd == store.store.maximumLogOffset)
        again.flush()
        disk.cutPower()
        #expect(try open(segmentBytes: 16384).store.bodies("t").count == 5)
    }

    /// The blocks that cut queues gave back are free once that is written down, and the entries made anew need them.
    @Test func aKilledStoreStartsOnAFullDisk() throws {
        let store = try open()
        send(40, to: store)
        let before = try store.store.bodies("t")
        disk.change { state in
            state.blockLimit = state.usedBlocks
            state.givesBackLate = true
        }
        disk.kill()
        let again = try open()
        #expect(again.store.recovery.rebuiltEntries == 40)
        #expect(try again.store.bodies("t") == before)
    }

    /// After a failed sync pages are clean that the disk does not have: those that hold anything are written again.
    @Test func whatAFailedSyncLostIsWrittenAgain() throws {
        let store = try open(segmentBytes: 16384)
        send(5, to: store, bytes: 9000)
        disk.change { $0.failingSyncs = 1 }
        store.flush()
        disk.kill()
        let again = try open(segmentBytes: 16384)
        again.flush()
        disk.cutPower()
        #expect(try open(segmentBytes: 16384).store.bodies("t").count == 5)
    }

    // MARK: Another implementation

    /// RocketMQ writes later times into the first 24 bytes and leaves the rest: what stands there is old.
    @Test func whatAnotherImplementationWroteOverIsNotBelieved() throws {
        let store = try open()
        send(20, to: store)
        stop(store, cleanly: true)
        var checkpoint = try #require(try Checkpoint.read(from: configuration().checkpointFile, io: disk))
        let bytes = checkpoint.bytes
        #expect(bytes.count == 4096 && checkpoint.reach?.logOffset == store.store.maximumLogOffset)
        #expect(Checkpoint(bytes) == checkpoint)
        clock.advance(10_000)
        func over(_ time: Int64) -> Checkpoint? {
            var times = Checkpoint(logTimestamp: time, queueTimestamp: time)
            times.indexTimestamp = checkpoint.indexTimestamp
            return Checkpoint(times.bytes + bytes.dropFirst(24), now: clock.milliseconds)
        }
        #expect(over(clock.milliseconds)?.reach == nil && over(clock.milliseconds)?.logTimestamp == clock.milliseconds)
        // Times that nobody can have written went bad.
        #expect(over(clock.milliseconds + 1) == checkpoint && over(checkpoint.logTimestamp - 1) == checkpoint)
        var rotten = bytes
        rotten[512 + 40] ^= 1
        #expect(Checkpoint(rotten)?.reach == nil)

        checkpoint.logTimestamp += 5
        let file = try disk.open(configuration().checkpointFile, .write)
        try file.write(Array(checkpoint.bytes.prefix(24)), at: 0)
        #expect(disk.has(configuration().queueEndsFile))
        let again = try open()
        #expect(!disk.has(configuration().queueEndsFile))
        #expect(try again.store.bodies("t").count == 20)
    }

    @Test func withoutAReachTimesSayWhereTheWalkBegins() throws {
        let store = try open()
        send(60, to: store)
        clock.advance(RecoveryStart.foreignMargin)
        send(40, to: store)
        stop(store, cleanly: false)
        try forgetReach()
        let again = try open()
        // The last but one of the sixty was stored before the margin of the last.
        #expect((41...62).contains(again.store.recovery.walkedRecords))
        #expect(try again.store.bodies("t").count == 100)
        // A checkpoint from the future vouches for nothing.
        var future = Checkpoint(logTimestamp: .max - 1, queueTimestamp: .max - 1)
        future.indexTimestamp = .max - 1
        try future.write(to: configuration().checkpointFile, io: disk)
        disk.kill()
        #expect(try open().store.recovery.walkedRecords == 100)
    }
}
