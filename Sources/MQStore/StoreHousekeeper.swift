import Synchronization

/// The store's slow chores on a thread of their own: syncing consume queues, the checkpoint, preparing the next
/// segment, removing what is too old, and looking whether a disk that refused takes writes again.
final class StoreHousekeeper: Sendable {
    private let configuration: StoreConfiguration
    private let log: SegmentChain
    private let queues: QueueTable
    private let progress: StoreProgress
    private let index: MessageIndex?
    private let indexer: LogIndexer?
    private let io: any StorageIO
    private let now: @Sendable () -> Int64
    private let saved = Mutex(Checkpoint(logTimestamp: 0, queueTimestamp: 0))
    private let queueEnds: Mutex<QueueEndsSchedule>
    private let onWriter: @Sendable (@escaping @Sendable () -> Void) -> Void
    private let troubles = Mutex(Troubles())
    private let isClosed = WaitableMutex(false)
    private let isCleaningAsked = Atomic<Bool>(false)
    private let areEntriesAsked = Atomic<Bool>(false)
    private let thread = Mutex<StoreThread?>(nil)
    private let unknownTo: Int64
    private let rhythm = Mutex(ProbeRhythm())
    private let removedBytes = Mutex(RemovedBytes())

    /// What keeps the chores from their ends.
    private struct Troubles: Sendable {
        var queues = QueueSyncTroubles()
        /// The queues that the writer is asked to write over.
        var asked: Set<QueueKey> = []
        /// Why not all queues are synced.
        var sync: StoreError?
        /// Why the checkpoint could not be written.
        var checkpoint: StoreError?
        /// Why a queue was given up until the next start.
        var givenUp: StoreError?
    }

    /// How often the chores are looked at, in milliseconds.
    static let tickMilliseconds: Int64 = 250

    /// How many ticks lie between two looks at what is too old: 10 s, RocketMQ's `cleanResourceInterval`.
    static let ticksPerRetention: Int64 = 40
    /// How many ticks lie between two looks at what is too old while the disk is full.
    static let ticksPerRetentionWhenFull: Int64 = 4

    /// - Parameters:
    ///   - queuesKnownTo: up to where in the log the start could rely on what it was told of the queues.
    ///   - unknownTo: the end of a log of which the start was told nothing; 0 when it was told something.
    ///   - onWriter: has the writer's thread do something between two writes.
    init(
        configuration: StoreConfiguration, log: SegmentChain, queues: QueueTable, progress: StoreProgress,
        queuesKnownTo: Int64, unknownTo: Int64, index: MessageIndex?, indexer: LogIndexer?, io: any StorageIO,
        now: @escaping @Sendable () -> Int64,
        onWriter: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void
    ) {
        self.onWriter = onWriter
        self.unknownTo = unknownTo
        queueEnds = Mutex(QueueEndsSchedule(known: queuesKnownTo))
        self.configuration = configuration
        self.log = log
        self.queues = queues
        self.progress = progress
        self.index = index
        self.indexer = indexer
        self.io = io
        self.now = now
    }

    func start() {
        let started = StoreThread(name: "store-keeper") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// Does the chores a last time and ends the thread.
    func stop() {
        isClosed.withLockAndWake { $0 = true }
        thread.withLock { $0 }?.join()
    }

    /// Has what is too old removed at the next tick, at whatever hour of the day.
    func askForCleaning() { isCleaningAsked.store(true, ordering: .relaxed) }

    /// Has the entries of records that are gone removed at the next tick.
    func askForEntries() { areEntriesAsked.store(true, ordering: .relaxed) }

    private func run() {
        let ticksPerCheckpoint = max(1, configuration.checkpointIntervalMilliseconds / Self.tickMilliseconds)
        var tick: Int64 = 0
        while true {
            let stops = isClosed.wait(atMostMilliseconds: Self.tickMilliseconds, until: { $0 }) { $0 }
            tick += 1
            prepareNextSegment()
            if stops || tick % ticksPerCheckpoint == 0 { writeCheckpoint() }
            if stops { return }
            let isFull = progress.trouble?.code == .diskFull
            tidy(isRetentionDue: tick % (isFull ? Self.ticksPerRetentionWhenFull : Self.ticksPerRetention) == 0)
            lookWhetherWritable()
        }
    }

    /// Removes what was asked for since the last tick, and what is old when that is due.
    func tidy(isRetentionDue: Bool) {
        if isCleaningAsked.exchange(false, ordering: .relaxed) {
            removeOld(isAsked: true)
        } else if isRetentionDue {
            removeOld()
        }
        if areEntriesAsked.exchange(false, ordering: .relaxed) { removeBeginning(before: log.firstOffset) }
    }

    /// A failure is not reported here: the writer meets it when it needs the segment, and has whom to tell.
    func prepareNextSegment() {
        let end = log.endOffset
        guard end > 0, end - progress.writtenOffset < configuration.segmentBytes / 2 else { return }
        guard let segment = try? log.segmentForWriting(at: end), configuration.allocatesAhead else { return }
        // Without the space for it the segment stays sparse, and writers are told once the disk is full.
        try? segment.allocate()
    }

    /// Whether all that the queues held at the last look is on the disk, or made anew by the next start.
    var isSafe: Bool { troubles.withLock { $0.sync == nil } }

    /// What keeps checkpoints and retention from going on, or what the next start has to mend; `nil` when nothing does.
    var trouble: StoreError? { troubles.withLock { $0.sync ?? $0.checkpoint ?? $0.givenUp } }

    /// Syncs the queues and notes how far log and queues are safe.
    ///
    /// A checkpoint that is not written makes the next recovery walk further, nothing else.
    ///
    /// - Parameter isLast: whether nothing comes behind it, so that all there is is noted.
    /// - Returns: whether what there is is noted.
    @discardableResult
    func writeCheckpoint(isLast: Bool = false) -> Bool {
        // Nobody knows how far an earlier process had synced: a note that says less would let the next start take what
        // stands behind a hole for never synced.
        guard progress.flushedOffset >= unknownTo else { return false }
        // Taken before the sync: what is written during it is not covered. The time first: it covers no more.
        let written = progress.lastTimestamp
        let writtenOffset = progress.writtenOffset
        lookAtQueues(isLast: isLast)
        guard syncQueues() else { return false }
        writeQueueEnds()
        var checkpoint = Checkpoint(
            logTimestamp: progress.flushedTimestamp, queueTimestamp: written,
            indexTimestamp: indexer?.sealedTimestamp ?? 0)
        checkpoint.reach = SyncedReach(
            logOffset: progress.flushedOffset,
            queuesOffset: min(writtenOffset, queueEnds.withLock { $0.vouchedTo }), lastTimestamp: written,
            segmentBytes: configuration.segmentBytes, entriesPerQueueFile: configuration.entriesPerQueueFile)
        guard saved.withLock({ $0 != checkpoint }) else { return true }
        do throws(StoreError) {
            try checkpoint.write(to: configuration.checkpointFile, io: io)
            saved.withLock { $0 = checkpoint }
            troubles.withLock { $0.checkpoint = nil }
            return true
        } catch {
            troubles.withLock { $0.checkpoint = error }
            return false
        }
    }

    /// Brings what the queues hold to the disk; has those mended of which that fails.
    private func syncQueues() -> Bool {
        var failure: StoreError?
        var failed: Set<QueueKey> = []
        for queue in queues.all {
            do throws(StoreError) { try queue.sync() } catch {
                failure = failure ?? error
                guard queue.hasFailedSync else { continue }
                failed.insert(queue.key)
                mend(queue, error)
            }
        }
        if failed.isEmpty, failure != nil { _ = queues.retryNames() }
        troubles.withLock { [failure, failed] troubles in
            troubles.queues.wentWell(but: failed)
            troubles.sync = failure
        }
        return failure == nil
    }

    /// Mends a queue whose sync failed, so that the next one may go well.
    private func mend(_ queue: ConsumeQueue, _ cause: StoreError) {
        guard troubles.withLock({ !$0.asked.contains(queue.key) }) else { return }
        switch troubles.withLock({ $0.queues.failed(queue.key) }) {
        case .writeOver:
            troubles.withLock { _ = $0.asked.insert(queue.key) }
            onWriter { [self] in
                // Where that fails, the next sync fails as well, and it is asked for again.
                try? queue.writeOver()
                troubles.withLock { _ = $0.asked.remove(queue.key) }
            }
        case .giveUp:
            // Where even that cannot be noted, all waits.
            guard (try? queues.giveUp(queue)) != nil else { return }
            let error = StoreError(
                .inputOutput, path: cause.path,
                message: "\(cause.message) failed again and again; the next start makes the queue anew, check the disk",
                cause: cause.cause)
            troubles.withLock { $0.givenUp = error }
        }
    }

    /// Looks where the queues end, when that is due.
    private func lookAtQueues(isLast: Bool) {
        guard queueEnds.withLock({ $0.isDue(isLast: isLast) }) else { return }
        let before = progress.writtenOffset
        let entries = queues.all.map { QueueEnds.Entry(key: $0.key, start: $0.minimumOffset, end: $0.maximumOffset) }
        let ends = QueueEnds(
            logStart: log.firstOffset, logEndBefore: before, logEnd: progress.writtenOffset, entries: entries)
        queueEnds.withLock { $0.saw(ends) }
    }

    /// Writes down where the queues ended, once the log is synced as far.
    ///
    /// What is not written is looked at again later: until then a queue whose files are lost may go unnoticed.
    private func writeQueueEnds() {
        guard let ends = queueEnds.withLock({ $0.next(flushedTo: progress.flushedOffset) }) else { return }
        let bytes = ends.bytes
        let file = ReplacedFile(configuration.queueEndsFile, io: io, keepsBackup: false)
        do throws(StoreError) { try file.save(bytes) } catch { return }
        queueEnds.withLock { $0.wrote(ends, bytes: bytes.count) }
    }

    /// Removes segments that the policy does not keep, and the queues' entries for them first, so that no reader is led
    /// to what is gone. Who reads a segment already reads it to its end.
    func removeOld(isAsked: Bool = false) {
        let segments = log.all
        // What is not synced yet is not old, whatever the clock says.
        let end = min(progress.flushedOffset, progress.writtenOffset)
        let removable = segments.dropLast().prefix { $0.endOffset <= end }.prefix(RetentionPolicy.segmentsPerRound)
        let usedRatio = io.space(at: configuration.commitLogDirectory)?.usedRatio
        let time = now()
        // Before the segments are read for their times, up to 1 MiB of each.
        guard !removable.isEmpty,
            configuration.retention.mayRemove(usedRatio: usedRatio, now: time, isAsked: isAsked),
            let newest = try? SegmentTimes.newest(
                of: segments, count: removable.count, last: progress.lastTimestamp)
        else { return }
        let count = configuration.retention.segmentsToRemove(
            newest: newest, usedRatio: usedRatio, now: time, isAsked: isAsked)
        guard count > 0 else { return }
        let isForced = newest[count - 1] >= time - configuration.retention.keptMilliseconds
        let start = log.firstOffset
        removeBeginning(before: segments[count - 1].endOffset)
        let bytes = log.firstOffset - start
        removedBytes.withLock { if isForced { $0.forced += bytes } else { $0.expired += bytes } }
    }

    /// What went by retention so far.
    var removed: RemovedBytes { removedBytes.withLock { $0 } }

    /// Removes the log's beginning. What fails is tried again in the next round.
    ///
    /// The queues are synced before: of one whose records are all gone, only its own entries say how far it counted. And
    /// its end is written down, or a queue whose files are lost would begin anew; a full disk has no room for that, and
    /// must become less full all the same.
    ///
    /// Entries are hidden, then the log's files go, durably, and then those of entries: a queue that lacks its beginning
    /// beside a log that has it would be taken for one that lost a file.
    func removeBeginning(before offset: Int64) {
        lookAtQueues(isLast: true)
        guard syncQueues() else { return }
        writeQueueEnds()
        guard queueEnds.withLock({ $0.knows(offset) }) || progress.trouble != nil else { return }
        let reading = EntryReading(log: log)
        for queue in queues.all {
            try? queue.hideBeginning(beforeLogOffset: offset) { entry, place throws(StoreError) in
                try reading.record(of: entry, in: queue.key, at: place) != nil
            }
        }
        do throws(StoreError) { _ = try log.removeBeginning(before: offset, durably: true) } catch { return }
        for queue in queues.all { try? queue.removeHidden() }
        try? index?.removeBeginning(before: offset)
    }

    /// Lets writers in again once a disk that refused takes writes: it is tried, on a file of its own.
    ///
    /// A full disk must have some space first, or the next message would meet the same again.
    func lookWhetherWritable() {
        let isDue = rhythm.withLock { $0.isDue(inTrouble: progress.trouble != nil) }
        guard isDue, let trouble = progress.trouble else { return }
        var bytes: Int64 = 4096
        if trouble.code == .diskFull, let space = io.space(at: configuration.commitLogDirectory) {
            bytes = Self.spaceToGoOn(totalBytes: space.totalBytes, policy: configuration.retention)
            guard space.freeBytes >= bytes else { return }
        }
        do throws(StoreError) {
            try io.tryWriting(in: configuration.commitLogDirectory, bytes: max(1, bytes))
            try io.tryWriting(in: configuration.root, bytes: 4096)
        } catch { return }
        rhythm.withLock { $0.succeeded() }
        progress.setTrouble(nil)
    }

    /// The free bytes that end the refusals of a disk that was full: 8 MiB, or the twentieth part of a small one.
    ///
    /// Never more than half of what retention leaves free when it has done all that it does: else a broker that makes room
    /// for itself would wait for more for ever.
    static func spaceToGoOn(totalBytes: Int64, policy: RetentionPolicy) -> Int64 {
        let share = min(0.05, (1 - (policy.forcedRatio ?? 0)) / 2)
        return min(8 << 20, Int64(Double(totalBytes) * max(0, share)))
    }
}
