import MQWire
import NIOCore
import SystemPackage
import Testing

@testable import MQStore

/// Single crashes, each once a bug; the simulation finds them too, these say which one it is.
@Suite struct CrashTests {
    private let disk = SimulatedDisk(seed: 7)
    private let clock = SimulatedClock()

    private func open(
        on other: SimulatedDisk? = nil, _ change: (inout StoreConfiguration) -> Void = { _ in }
    ) throws -> SteppedStore {
        var configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = 4096
        configuration.entriesPerQueueFile = 8
        configuration.flushPolicy = .sync
        change(&configuration)
        return try SteppedStore(configuration, on: other ?? disk, clock: clock)
    }

    private func bodies(_ stepped: SteppedStore, _ topic: String = "t") throws -> [String] {
        try stepped.store.bodies(topic)
    }

    /// Sends `count` messages, each written by itself.
    private func send(_ count: Int, to stepped: SteppedStore, topic: String = "t") {
        for index in 0..<count {
            clock.advance(1)
            _ = stepped.append([message(topic, body: "m\(index)")])
            stepped.write()
        }
    }

    @Test func entriesOfSeveralFilesAreSyncedBeforeTheCheckpointPasses() throws {
        let store = try open()
        send(60, to: store)
        store.flush()
        store.writeCheckpoint()
        send(1, to: store)
        disk.cutPower()
        let again = try open()
        #expect(try bodies(again).count >= 60)
        // The checkpoint was good for something.
        #expect(again.store.recovery.rebuiltEntries < 10)
    }

    /// All of it in the millisecond of the checkpoint, and into the next segment: none of that is vouched for.
    @Test func aSegmentOfTheCheckpointsOwnMillisecondIsWalked() throws {
        let store = try open()
        func send(_ numbers: Range<Int>) {
            for index in numbers {
                _ = store.append([message("t", body: "m\(index)" + String(repeating: "x", count: 200))])
                store.write()
            }
        }
        send(0..<3)
        store.flush()
        store.writeCheckpoint()
        send(3..<30)
        #expect(store.store.maximumLogOffset > 8192 && store.store.flushedLogOffset < 4096)
        disk.kill()
        let again = try open()
        #expect(try bodies(again).count == 30)
        again.flush()
        disk.cutPower()
        #expect(try bodies(open()).count == 30)
    }

    /// Full index files are believed after a power cut, so that their syncs must be real: with a disk that lies about
    /// them keys are lost, and with an honest one never.
    @Test(arguments: [false, true]) func fullIndexFilesNeedTheirSync(isLying: Bool) throws {
        var losses = 0
        for seed in UInt64(1)...(isLying ? 100 : 8) where losses == 0 {
            let disk = SimulatedDisk(seed: seed)
            if isLying { disk.change { $0.sabotage = { $0.contains("/index/") } } }
            var configuration = StoreConfiguration(root: "/disk/store")
            configuration.segmentBytes = 8192
            configuration.entriesPerQueueFile = 100
            configuration.indexSlots = 300
            configuration.indexEntries = 8
            func open() throws -> SteppedStore { try SteppedStore(configuration, on: disk, clock: clock) }
            let store = try open()
            for index in 0..<24 {
                _ = store.append([message("t", body: "m\(index)", properties: ["KEYS": "k\(index)"])])
            }
            store.write()
            store.flush()
            store.indexAll()
            disk.cutPower()
            let again = try open()
            again.flush()
            again.indexAll()
            let found = try (0..<24).filter { index in
                try again.store.records(
                    topic: "t", key: "k\(index)", within: 0...Int64.max, limit: 9, maximumBytes: 1 << 20
                ).count == 1
            }
            losses += 24 - found.count
        }
        #expect((losses > 0) == isLying, "\(losses) keys lead nowhere")
    }

    /// A topic's folders are gone with it, and the checkpoints go on.
    @Test func aDeletedTopicDoesNotEndTheCheckpoints() throws {
        let store = try open()
        send(3, to: store, topic: "gone")
        store.store.deleteTopic("gone") { error in #expect(error == nil) }
        store.write()
        send(3, to: store)
        store.flush()
        store.writeCheckpoint()
        #expect(store.isSafe)
        #expect(disk.has("/disk/store/checkpoint"))
    }

    /// A name that is no folder of its own must not leave the store, whatever asks for it.
    @Test(arguments: ["../outside", "..", ".", "a/b", "", "nul\u{0}", String(repeating: "t", count: 128)])
    func aTopicThatIsNoFolderIsRefused(_ topic: String) throws {
        let store = try open()
        let answer = store.append([message(topic, body: "m")])
        store.write()
        guard case .failure(let error)? = answer.result else {
            Issue.record("'\(topic)' was stored")
            return
        }
        #expect(error.code == .illegalMessage)
        store.store.deleteTopic(topic) { _ in }
        store.write()
        #expect(!disk.has("/disk/outside") && disk.has("/disk/store/commitlog"))
    }

    @Test func whatAKilledProcessLeftIsSyncedBeforeTheCheckpointPasses() throws {
        send(20, to: try open())
        disk.kill()
        let second = try open()
        #expect(second.store.flushedLogOffset == 0)
        second.writeCheckpoint()
        send(1, to: second, topic: "u")
        second.flush()
        second.writeCheckpoint()
        disk.cutPower()
        #expect(try bodies(open()).count == 20)
    }

    @Test func aFailedSyncIsNotForgottenByTheNextProcess() throws {
        let first = try open()
        send(10, to: first)
        disk.change { $0.failingSyncs = 1 }
        first.flush()
        disk.kill()
        // The cache has it all, and the kernel calls it clean.
        let second = try open()
        #expect(try bodies(second).count == 10)
        second.flush()
        #expect(second.store.flushedLogOffset == second.store.maximumLogOffset)
        disk.cutPower()
        #expect(try bodies(open()).count == 10)
    }

    /// Until it is written over: a sync alone proves nothing, as the kernel calls clean what the disk does not have.
    @Test func aQueueWhoseSyncFailedHoldsTheCheckpointUntilItIsMended() throws {
        for seed in UInt64(1)...10 {
            let disk = SimulatedDisk(seed: seed)
            let first = try open(on: disk)
            send(10, to: first)
            first.flush()
            disk.change { $0.failingSyncs = 1 }
            first.writeCheckpoint()
            #expect(!first.isSafe && first.store.upkeepTrouble != nil)
            first.writeCheckpoint()
            #expect(!first.isSafe, "nothing was written over")
            send(1, to: first, topic: "u")
            first.flush()
            first.writeCheckpoint()
            #expect(first.isSafe && first.store.upkeepTrouble == nil)
            disk.cutPower()
            #expect(try bodies(open(on: disk)).count == 10, "seed \(seed)")
        }
    }

    /// A queue that cannot be synced holds up nothing else, and is whole again after the next start.
    @Test(arguments: [false, true]) func aQueueThatIsGivenUpIsMadeAnewByTheNextStart(cleanly: Bool) throws {
        for seed in UInt64(1)...10 {
            let disk = SimulatedDisk(seed: seed)
            let first = try open(on: disk)
            send(10, to: first)
            first.flush()
            for _ in 0...QueueSyncTroubles.rewritesAtMost {
                disk.change { $0.failingSyncs = 1 }
                first.writeCheckpoint()
                #expect(!first.isSafe)
                first.write()
            }
            #expect(disk.has("/disk/store/consumequeue/t/0.lost"))
            send(30, to: first)
            first.flush()
            first.writeCheckpoint()
            #expect(first.isSafe && first.store.upkeepTrouble != nil)
            #expect(disk.has("/disk/store/checkpoint"))
            #expect(try bodies(first).count == 40)
            if cleanly { first.close() } else { disk.cutPower() }
            let second = try open(on: disk)
            #expect(second.store.recovery.wasCleanStop == cleanly)
            #expect(try bodies(second).count == 40, "seed \(seed)")
            #expect(second.store.upkeepTrouble == nil && !disk.has("/disk/store/consumequeue/t/0.lost"))
            second.flush()
            second.writeCheckpoint()
            disk.cutPower()
            #expect(try bodies(open(on: disk)).count == 40)
        }
    }

    /// A log elsewhere, whose folder a killed process made and did not sync.
    @Test func theNamesAboveALogOfItsOwnAreMadeDurable() throws {
        var configuration = StoreConfiguration(root: "/disk/store", commitLogDirectory: "/data/mq/commitlog")
        configuration.segmentBytes = 4096
        _ = try disk.createDirectory("/data/mq/commitlog")
        disk.kill()
        let store = try SteppedStore(configuration, on: disk, clock: SimulatedClock())
        send(3, to: store)
        store.flush()
        #expect(store.store.flushedLogOffset == store.store.maximumLogOffset)
        disk.cutPower()
        let again = try SteppedStore(configuration, on: disk, clock: SimulatedClock())
        #expect(try bodies(again).count == 3)
    }

    @Test func aWriteThatFailsInTheMiddleOfARunLeavesNothingBehind() throws {
        let store = try open()
        send(3, to: store)
        // A record is written, the queue's new file is not: its block is one too many.
        disk.change { $0.blockLimit = $0.usedBlocks }
        let refused = store.append([message("new", body: "refused")])
        let alsoRefused = store.append([message("t", body: "refused too")])
        store.write()
        for answer in [refused, alsoRefused] {
            guard case .failure(let error) = answer.result else { return #expect(Bool(false), "it was taken") }
            #expect(error.code == .diskFull)
        }
        #expect(try bodies(store) == ["m0", "m1", "m2"] && bodies(store, "new").isEmpty)
        // Space returns, and with it the service; nothing of what was refused comes back.
        disk.change { $0.blockLimit = nil }
        let taken = store.append([message("new", body: "taken")])
        store.write()
        store.flush()
        guard case .success(let receipt) = taken.result else { return #expect(Bool(false), "it was refused") }
        #expect(receipt.queueOffset == 0)
        disk.kill()
        let again = try open()
        #expect(try bodies(again) == ["m0", "m1", "m2"] && bodies(again, "new") == ["taken"])
        #expect(again.store.recovery.walkedRecords == 4 && again.store.recovery.tornReason == nil)
    }

    @Test func aDeletionDoesNotReachBeyondWhatTheLogLost() throws {
        let first = try open()
        send(10, to: first)
        first.store.deleteTopic("t") { #expect($0 == nil) }
        first.write()
        disk.change { state in state.random = SeededRandom(seed: 3) }
        disk.cutPower()
        let second = try open()
        send(20, to: second)
        second.flush()
        disk.kill()
        #expect(try bodies(open()).suffix(20).first == "m0")
    }

    @Test func aDeletedTopicStaysDeletedAndOthersStay() throws {
        let first = try open()
        send(5, to: first)
        send(5, to: first, topic: "u")
        first.store.deleteTopic("t") { #expect($0 == nil) }
        first.write()
        disk.kill()
        let second = try open()
        #expect(second.store.queueKeys.map(\.topic) == ["u"])
        #expect(try bodies(second, "u").count == 5)
    }

    @Test func zeroBytesInTopicOrPropertiesAreRefused() throws {
        let store = try open()
        for draft in [message("t\0", body: ""), message("t", body: "", properties: ["a": "b\0"])] {
            let answer = store.append([message("t", body: "first"), draft])
            store.write()
            guard case .failure(let error) = answer.result else { return #expect(Bool(false), "it was taken") }
            #expect(error.code == .illegalMessage)
        }
        #expect(try bodies(store).isEmpty)
    }

    @Test func aRootThatAKilledProcessMadeIsThereAfterAPowerCut() throws {
        for seed in UInt64(1)...12 {
            let disk = SimulatedDisk(seed: seed)
            var configuration = StoreConfiguration(root: "/disk/store")
            configuration.segmentBytes = 4096
            configuration.flushPolicy = .sync
            // An index of RocketMQ's size fills the simulated disk twelve times.
            configuration.indexSlots = 64
            configuration.indexEntries = 1024
            // It is killed between making the directory and its sync.
            disk.stop(after: 1)
            #expect(throws: StoreError.self) { try SteppedStore(configuration, on: disk, clock: clock) }
            disk.kill()
            let store = try SteppedStore(configuration, on: disk, clock: clock)
            send(1, to: store)
            store.flush()
            disk.cutPower()
            #expect(try bodies(SteppedStore(configuration, on: disk, clock: clock)) == ["m0"], "seed \(seed)")
        }
    }

    /// Whichever of an index's files is lost: who has the key finds the message.
    @Test(arguments: [0, 1, 2]) func aLostIndexFileIsMadeAnew(_ lost: Int) throws {
        func open() throws -> SteppedStore {
            try self.open { configuration in
                configuration.indexSlots = 30
                configuration.indexEntries = 9
            }
        }
        let store = try open()
        for index in 0..<24 {
            _ = store.append([message("t", body: "m\(index)", properties: ["KEYS": "k\(index)"])])
        }
        store.write()
        store.flush()
        store.indexAll()
        store.close()
        let files = disk.files.filter { $0.hasPrefix("/disk/store/index/") }
        #expect(files.count == 3)
        disk.lose(FilePath(files[lost]))
        let again = try open()
        again.indexAll()
        for index in 0..<24 {
            let found = try again.store.records(
                topic: "t", key: "k\(index)", within: 0...Int64.max, limit: 9, maximumBytes: 1 << 20)
            #expect(found.map { String(buffer: $0.body) } == ["m\(index)"])
        }
    }

    /// A queue's number is given once, also when all that it counted was removed before the queue was synced.
    @Test func aQueueWhoseRecordsAreGoneCountsOn() throws {
        for seed in UInt64(1)...12 {
            let disk = SimulatedDisk(seed: seed)
            var configuration = StoreConfiguration(root: "/disk/store")
            configuration.segmentBytes = 4096
            configuration.indexesKeys = true
            configuration.indexSlots = 30
            configuration.indexEntries = 100
            let store = try SteppedStore(configuration, on: disk, clock: clock)
            send(1, to: store, topic: "old")
            while store.store.maximumLogOffset < 4096 { send(1, to: store) }
            store.flush()
            store.removeBeginning(before: 4096)
            #expect(store.store.minimumLogOffset == 4096)
            disk.cutPower()
            let again = try SteppedStore(configuration, on: disk, clock: clock)
            let answer = again.append([message("old", body: "new")])
            again.write()
            again.flush()
            #expect(try answer.result?.get().queueOffset == 1, "seed \(seed)")
        }
    }

    /// A record whose queue number went bad says that another's place is its own; who stands there already keeps it.
    @Test func aRecordThatLostItsQueueTakesNoPlace() throws {
        let store = try open()
        for (queueID, body) in [(1, "b0"), (1, "b1"), (0, "a0"), (0, "a1"), (0, "a2")] as [(Int32, String)] {
            _ = store.append([message("t", queueID, body: body)])
            store.write()
        }
        store.flush()
        store.writeCheckpoint()
        let wrong = try #require(
            try store.store.entries(of: QueueKey(topic: "t", queueID: 1), from: 1, count: 1).first)
        disk.kill()
        let file = FilePath("/disk/store/commitlog").appending(Segment.name(0))
        disk.flip(file, at: Int(wrong.logOffset) + RecordLayout.queueIDOffset + 3, bits: 1)
        let again = try open()
        #expect(try again.store.bodies("t", 0) == ["a0", "a1", "a2"])
        #expect(try again.store.bodies("t", 1) == ["b0"])
    }
}
