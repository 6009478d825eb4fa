import MQWire
import NIOCore
import Synchronization
import SystemPackage

@testable import MQStore

/// One seeded life of a store: lives of its process one after another, each ended by a stop, a kill or a power cut, at
/// any operation of its disk and with any of its threads in the middle of their turns.
///
/// After every start these must hold:
///
/// 1. What a sync covered is there, byte for byte, in its place; after a kill all that was acknowledged is.
/// 2. Nothing is there that was not sent, nothing twice, nothing that was answered with an error, and nothing that an
///    earlier start did not show any more. No place in the log or in a queue is given to two.
/// 3. Queues and log agree: every sound record is in its queue at its place, every entry leads to its record.
/// 4. Each message that is served is found by its key, once and at its place, and nothing else is.
/// 5. What recovery says is true: the log does not end before what was synced, and what it calls damaged is what was
///    damaged, or what a power cut may have taken.
/// 6. The store takes messages again.
/// 7. It does not start while a segment of what was synced is gone; once the file is back, all of this holds.
///
/// And at any moment, beside threads that write, sync, index and remove: who reads is served whole messages that were
/// sent, none that is answered with an error, and is led to no place where nothing stands.
struct StoreSimulation {
    /// What is done besides the ordinary.
    struct Options: Sendable {
        /// Whether the disk gives errors, in the middle of life and in its beginning.
        var errors = true
        var bitFlips = true
        var unreadableSectors = true
        /// Whether files vanish while the store is down, and whether queues are among them.
        var lostFiles = true
        var lostQueues = true
        var sabotage: (@Sendable (String) -> Bool)?
        /// Whether each step is printed.
        var isTraced = false
    }

    /// A promise that was not kept.
    struct Violation: Error, CustomStringConvertible {
        var description: String
    }

    /// The threads of a store's process, and one who reads.
    static let threads = ["writer", "flusher", "indexer", "keeper", "reader"]
    static let topics = ["a", "bb", "topic-c"]

    let seed: UInt64
    let options: Options
    let disk: SimulatedDisk
    let clock = SimulatedClock()
    let threads = SimulatedThreads(Self.threads)
    var random: SeededRandom
    var configuration: StoreConfiguration
    var ledger = Ledger()
    /// What readers were served since the last look.
    let readings = Readings()
    /// The answer to the deletion that is under way.
    var deletion: (topic: String, outcome: Outcome)?
    /// Whether a file was lost, or a record went bad, so far.
    private(set) var isHarmed = false
    /// The index file of which a sector is unreadable, until a search has failed at it.
    var ruinedIndex: FilePath?
    /// A segment that was taken away, which the next start must notice.
    private var away: FilePath?
    /// Whether a topic was deleted since the start.
    var hasDeleted = false
    private(set) var starts = 0
    private var met: Set<String> = []

    init(seed: UInt64, options: Options = Options()) {
        self.seed = seed
        self.options = options
        random = SeededRandom(seed: seed)
        disk = SimulatedDisk(seed: seed &+ 1)
        configuration = StoreConfiguration(root: "/disk/store")
        configuration.segmentBytes = [4096, 8192, 16384][random.below(3)]
        configuration.entriesPerQueueFile = Int64([8, 20, 64][random.below(3)])
        // Long chains, or a file of more than one sector.
        configuration.indexSlots = [3, 150][random.below(2)]
        configuration.indexEntries = [4, 9, 40][random.below(3)]
        configuration.flushPolicy = random.percent(70) ? .sync : .async
        configuration.syncFlushTimeoutMilliseconds = 100
        configuration.checksOnRead = true
        disk.change { [clock] in
            $0.sabotage = options.sabotage
            $0.isTraced = options.isTraced
            $0.clock = clock
        }
    }

    /// What the life met.
    var events: Set<String> { met.union(ledger.met).union(disk.met) }

    mutating func meet(_ event: SimulationEvent) { met.insert(event.rawValue) }
    mutating func meet(_ event: String) { met.insert(event) }

    /// Lives the life.
    mutating func run() throws {
        try CurrentTurns.$value.withValue(threads.caller) {
            let lives = 3 + random.below(4)
            for life in 0..<lives {
                let store = try start()
                try check(store)
                let errors = disk.errors
                if life == lives - 1 { return }
                if random.percent(50) { disk.stop(after: random.below(80)) }
                if options.errors, random.percent(50) { disturb(isStart: false) }
                for _ in 0..<(8 + random.below(60)) where !disk.isOff { try step(store) }
                try end(store, errors: errors)
            }
        }
    }

    func violation(_ text: String) -> Violation {
        Violation(description: "seed \(seed), start \(starts): \(text)")
    }

    func trace(_ text: @autoclosure () -> String) {
        if options.isTraced { print("[\(seed)] \(disk.operations) \(clock.milliseconds % 1_000_000): \(text())") }
    }

    // MARK: Starts

    /// Opens the store; the disk may fail and the machine may stop while it does, and then it is opened again.
    private mutating func start() throws -> SteppedStore {
        var stopsInARow = 0
        for attempt in 0... {
            disk.lift()
            let isLast = attempt == 8
            if !isLast, random.percent(25) { disk.stop(after: random.below(80)) }
            if !isLast, options.errors, random.percent(30) { disturb(isStart: true) }
            let (errors, failedSyncs) = (disk.errors, disk.failingSyncs)
            do {
                starts += 1
                trace("start \(starts)")
                let store = try SteppedStore(configuration, on: disk, clock: clock)
                trace("\(store.store.recovery)")
                if let away { throw violation("it started without \(away)") }
                if disk.isFull { meet(.fullDiskStart) }
                disk.stop(after: nil)
                disk.lift()
                return store
            } catch {
                trace("start \(starts) ended: \(error)")
                if error is Violation { throw error }
                if let path = away, (error as? StoreError)?.code == .broken {
                    meet(.lostSegment)
                    disk.lift()
                    disk.move(Self.safe, to: path)
                    away = nil
                    continue
                }
                guard disk.isOff || disk.errors > errors, !isLast else { throw violation("\(error)") }
                if disk.isOff {
                    meet(.stoppedStart)
                    stopsInARow += 1
                    if stopsInARow > 1 { meet(.stoppedStartTwice) }
                } else {
                    meet(.failedStart)
                    if failedSyncs > disk.failingSyncs { meet(.failedSyncStart) }
                }
                if random.percent(50) {
                    meet(.powerCutInStart)
                    powerFails()
                } else {
                    disk.kill()
                }
            }
        }
        preconditionFailure("the last attempt returns or throws")
    }

    /// Lets the disk fail in one way or two.
    private mutating func disturb(isStart: Bool) {
        for _ in 0..<(random.percent(25) ? 2 : 1) {
            let kind = random.below(6)
            let chance = 2 + random.below(10)
            let room = random.below(isStart ? 4 : 20)
            let later = random.below(8)
            trace("the disk fails in the way \(kind), \(chance), \(room), \(later)")
            disk.change { state in
                switch kind {
                case 0: state.writeErrorPercent = chance
                case 1: state.blockLimit = state.usedBlocks + room
                case 2:
                    state.failingSyncs = 1
                    state.syncsBeforeFailure = later
                case 3: state.readErrorPercent = chance
                case 4: state.nameErrorPercent = chance
                default: state.slowSyncPercent = 10 * chance
                }
            }
        }
    }

    // MARK: Ends

    private mutating func end(_ store: SteppedStore, errors: Int) throws {
        try settle(store)
        let wasOff = disk.isOff
        let wasBusy = !threads.stopped.isEmpty
        if !wasOff, random.percent(15) {
            for thread in threads.stopped { threads.finish(thread) }
            trace("close")
            store.close()
            try settle(store)
            meet(.closed)
            if disk.isOff {
                disk.kill()
            } else if random.percent(30) {
                meet(.powerCutAfterClose)
                powerFails()
            }
        } else {
            if wasOff { meet(.stoppedAtOperation) }
            if wasBusy { meet(.stoppedInMidTurn) }
            // Whatever a thread still does, the disk does not hear of it, nor does anybody.
            disk.turnOff()
            for thread in threads.stopped { threads.finish(thread) }
            if random.percent(60) {
                meet(.powerCut)
                powerFails()
            } else {
                meet(.killed)
                trace("kill")
                disk.kill()
            }
        }
        ledger.processEnded(afterErrors: disk.errors > errors)
        readings.forget()
        if deletion != nil { meet(.interruptedDeletion) }
        deletion = nil
        hasDeleted = false
        disk.lift()
        if options.bitFlips, random.percent(15) { rot() }
        if options.lostFiles, random.percent(15) { loseFile() }
        if options.unreadableSectors, random.percent(15) { ruin() }
    }

    /// Makes a sector unreadable: of the log, or of what can be made anew from it.
    private mutating func ruin() {
        let kind = random.below(4)
        let directory =
            kind < 2
            ? configuration.commitLogDirectory
            : kind == 2 ? configuration.consumeQueueDirectory : configuration.indexDirectory
        if kind == 2, !options.lostQueues { return }
        let files = disk.files.filter { $0.hasPrefix(directory.string + "/") }
        guard !files.isEmpty else { return }
        let path = FilePath(files[random.below(files.count)])
        let size = max(1, (try? disk.open(path, .read).size()).map { Int($0) } ?? 1)
        let offset = random.below(size)
        guard disk.ruin(path, at: offset) else { return }
        trace("the sector of byte \(offset) of \(path) is unreadable")
        isHarmed = true
        if kind == 2 { meet(.unreadableQueue) }
        if kind == 3 {
            meet(.unreadableIndex)
            ruinedIndex = path
        }
        guard kind < 2, let base = path.lastComponent.flatMap({ Segment.baseOffset(ofName: $0.string) }) else { return }
        let sector = base + Int64(offset / SimulatedDisk.sectorBytes * SimulatedDisk.sectorBytes)
        ledger.ruin(sector..<sector + Int64(SimulatedDisk.sectorBytes))
    }

    private mutating func powerFails() {
        disk.cutPower()
        trace("power fails")
        ledger.powerFailed()
    }

    /// Damages a record that is in the middle of the log: a bit of its body, or of what makes it a record.
    private mutating func rot() {
        let placed = ledger.ids.filter { id in ledger.sent[id].map { $0.place != nil && $0.state != .released } ?? false
        }
        guard placed.count > 3, let place = ledger.sent[placed[random.below(placed.count)]]?.place else { return }
        let segment = place.logOffset / configuration.segmentBytes * configuration.segmentBytes
        let path = configuration.commitLogDirectory.appending(Segment.name(segment))
        // Any byte of its header, or one of the body's first.
        let within = random.below(100)
        trace("byte \(within) of the record at \(place.logOffset) flips")
        meet(.bitFlip)
        isHarmed = true
        disk.flip(path, at: Int(place.logOffset - segment) + within, bits: UInt8(1 << random.below(8)))
        ledger.damage(at: place.logOffset)
    }

    /// Takes a file away: one that can be made anew from the log, or of the log itself.
    private mutating func loseFile() {
        let queues = configuration.consumeQueueDirectory.string
        let files = disk.files.filter { $0.hasPrefix(queues) }
        let indexFiles = disk.files.filter { $0.hasPrefix(configuration.indexDirectory.string) }
        let kind = random.below(5)
        if !options.lostQueues, kind < 2 { return }
        switch kind {
        case 0:
            guard !files.isEmpty else { return }
            lose(FilePath(files[random.below(files.count)]), .lostQueueFile)
        case 1:
            guard !files.isEmpty else { return }
            lose(FilePath(files[random.below(files.count)]).removingLastComponent(), .lostQueue)
        case 2:
            guard !indexFiles.isEmpty else { return }
            lose(FilePath(indexFiles[random.below(indexFiles.count)]), .lostIndexFile)
        case 3: lose(configuration.checkpointFile, .lostCheckpoint)
        default: loseSegment()
        }
    }

    /// Where a file is that is gone for a while.
    private static let safe = FilePath("/safe/segment")

    /// Takes a segment away of which the checkpoint says that it was there. The first of several is as one removed by age.
    private mutating func loseSegment() {
        disk.lift()
        let checkpoint = try? Checkpoint.read(from: configuration.checkpointFile, io: disk)
        guard let reach = checkpoint?.reach else { return }
        let names = (try? disk.names(in: configuration.commitLogDirectory)) ?? []
        let bases = names.compactMap(Segment.baseOffset(ofName:)).sorted()
        let known = (bases.count > 1 ? bases.dropFirst() : bases[...]).filter { $0 < reach.logOffset }
        guard !known.isEmpty else { return }
        let path = configuration.commitLogDirectory.appending(Segment.name(known[random.below(known.count)]))
        trace("\(path) is lost; the log was synced to \(reach.logOffset)")
        disk.move(path, to: Self.safe)
        away = path
    }

    private mutating func lose(_ path: FilePath, _ event: SimulationEvent) {
        guard disk.has(path) else { return }
        trace("\(path) is lost")
        isHarmed = true
        meet(event)
        disk.lose(path)
    }
}
