import Glibc
public import MQWire
import NIOCore
import Synchronization
import SystemPackage

/// A store of messages on disk: one commit log, and a consume queue for each queue of each topic.
///
/// It is let go by ``close()``: without that its threads go on, and no one else can open it.
///
/// Appends go through one writer and come back by a completion on one of the store's threads, which must not block.
/// Reads may be made from any thread; they block on the disk when the page cache misses, so not from an event loop.
public final class MessageStore: Sendable {
    /// How the store is laid out.
    public let configuration: StoreConfiguration
    /// What the start found and did.
    public let recovery: RecoveryReport

    let log: SegmentChain
    let queues: QueueTable
    let progress: StoreProgress
    let writer: LogWriter
    let flusher: LogFlusher
    let housekeeper: StoreHousekeeper
    /// What the writer's thread owns; there until it is taken.
    let writeLoop: Handover<LogWriteLoop>
    /// Which messages have which key; `nil` when the store keeps no index.
    let index: MessageIndex?
    let indexer: LogIndexer?
    /// What the indexer's thread owns; there until it is taken.
    let indexLoop: Handover<IndexLoop>?
    let io: any StorageIO
    private let lock: any StorageLock
    private let failure: FailureBox
    private let isClosed = Atomic<Bool>(false)

    /// Recovers the store below `configuration.root` and opens it.
    ///
    /// - Parameters:
    ///   - now: the wall clock in milliseconds since 1970.
    ///   - cut: where the log is to end, for one whose rest is damaged and is somewhere else as well; what is behind it is
    ///     gone for good. `nil` keeps all.
    ///   - arrivals: told of new messages, on the writer's thread, after they became visible.
    ///   - recovering: told about once a second how far the start is, when it takes longer.
    /// - Throws: ``StoreError`` when another process has it open, files do not fit, or the disk fails.
    public convenience init(
        configuration: StoreConfiguration, now: @escaping @Sendable () -> Int64, meters: StoreMeters = StoreMeters(),
        cuttingAt cut: Int64? = nil, arrivals: @escaping @Sendable ([QueueArrival]) -> Void = { _ in },
        recovering: @escaping (RecoveryProgress) -> Void = { _ in }
    ) throws {
        try self.init(
            configuration: configuration, now: now, io: SystemStorage(), meters: meters, cuttingAt: cut,
            arrivals: arrivals, recovering: recovering)
    }

    /// The same on a disk of the caller's.
    package convenience init(
        configuration: StoreConfiguration, now: @escaping @Sendable () -> Int64, io: any StorageIO,
        meters: StoreMeters = StoreMeters(), cuttingAt cut: Int64? = nil,
        arrivals: @escaping @Sendable ([QueueArrival]) -> Void = { _ in },
        recovering: @escaping (RecoveryProgress) -> Void = { _ in }
    ) throws {
        try self.init(
            configuration: configuration, now: now, uptime: MonotonicClock.nanoseconds, io: io,
            meters: meters, cuttingAt: cut, arrivals: arrivals, recovering: recovering)
        writer.start(writeLoop, holding: lock)
        flusher.start()
        housekeeper.start()
        if let indexer, let indexLoop { indexer.start(indexLoop) }
    }

    /// Recovers a store and opens it without threads: the caller takes their turns.
    ///
    /// - Parameter uptime: a monotonic clock in nanoseconds, for time-outs.
    init(
        configuration: StoreConfiguration, now: @escaping @Sendable () -> Int64,
        uptime: @escaping @Sendable () -> Int64, io: any StorageIO, meters: StoreMeters = StoreMeters(),
        cuttingAt cut: Int64? = nil, arrivals: @escaping @Sendable ([QueueArrival]) -> Void,
        recovering: @escaping (RecoveryProgress) -> Void = { _ in }
    ) throws {
        self.configuration = configuration
        self.io = io
        _ = try io.createDirectory(configuration.root)
        try io.syncAncestors(of: configuration.root)
        // A log of its own may have been made beside it by a process that was killed.
        _ = try io.createDirectory(configuration.commitLogDirectory)
        try io.syncAncestors(of: configuration.commitLogDirectory)
        lock = try io.lock(configuration.lockFile)
        // What is cut was not stopped cleanly, whatever the marker says.
        let wasCleanStop = try !io.exists(configuration.abortMarker) && cut == nil
        let names = NameJournal(io: io)
        names.note([configuration.commitLogDirectory.removingLastComponent(), configuration.commitLogDirectory])
        log = try SegmentChain(
            directory: configuration.commitLogDirectory, segmentBytes: configuration.segmentBytes, io: io, names: names,
            gaps: .fill, places: UnreadablePlaces(now: uptime))
        queues = try QueueTable(
            directory: configuration.consumeQueueDirectory, entriesPerFile: configuration.entriesPerQueueFile, io: io)
        let notes = try StoreNotes(configuration, now: now(), io: io)
        try LayoutCheck(
            configuration: configuration, log: log, queues: queues, notes: notes, wasCleanStop: wasCleanStop
        ).run()
        let flushedTimestamp = notes.checkpoint?.logTimestamp ?? 0
        var deleted = try DeletedTopicsFile(configuration.deletedTopicsFile, io: io, logEnd: log.endOffset)
        if wasCleanStop {
            let configured = ConfiguredTopics(root: configuration.root, io: io)
            deleted.assume(notes.topicsWithoutQueues(in: queues).filter(configured.haveLost), logEnd: log.endOffset)
        }
        // Only now: a start that the configuration does not fit must not turn a clean stop into a crash, nor change a file.
        try io.touch(configuration.abortMarker)
        try notes.removeVoid()
        try log.extend()
        try queues.extend()
        let outcome = try Recovery(
            configuration: configuration, log: log, queues: queues, wasCleanStop: wasCleanStop, notes: notes,
            deleted: deleted.table, cut: cut, now: now(), uptime: uptime, told: recovering
        ).run()
        var report = outcome.report
        report.unreadableNotes = notes.unreadable
        try deleted.shorten(to: report.logEnd)
        if !notes.hasCheckpoint, report.logEnd == 0 {
            // That nothing is synced yet is knowledge, too: without a checkpoint a power cut's hole would count as damage.
            var first = Checkpoint(logTimestamp: 0, queueTimestamp: 0)
            first.reach = SyncedReach(
                logOffset: 0, queuesOffset: 0, lastTimestamp: 0, segmentBytes: configuration.segmentBytes,
                entriesPerQueueFile: configuration.entriesPerQueueFile)
            try? first.write(to: configuration.checkpointFile, io: io)
        }
        recovery = report
        // What a killed process wrote is there, but a sync of ours must cover it before the checkpoint may.
        progress = StoreProgress(
            logEnd: report.logEnd, timestamp: outcome.lastStoreTimestamp,
            flushedTo: outcome.flushedTo,
            flushedTimestamp: wasCleanStop ? outcome.lastStoreTimestamp : flushedTimestamp)
        queues.derivation.begin(
            log: log, progress: progress, delayLevelMilliseconds: configuration.delayLevelMilliseconds)
        let failure = FailureBox()
        self.failure = failure
        let backlog = FlushBacklog()
        let writer = LogWriter(configuration: configuration, meters: meters, now: uptime, unflushed: backlog)
        self.writer = writer
        let refuse: @Sendable (StoreError) -> Void = { refusal in
            failure.set(refusal)
            writer.refuse(refusal)
        }
        flusher = LogFlusher(
            configuration: configuration, progress: progress, backlog: backlog,
            sync: { [log] range throws(StoreError) in try log.sync(range) }, now: { uptime() / 1_000_000 },
            meters: meters
        ) { cause in
            refuse(
                StoreError(
                    .unsafe, path: cause.path, message: "\(cause.message) failed; check the disk and restart",
                    cause: cause.cause))
        }
        let (index, indexer, loop) = try Self.index(
            configuration, log: log, logEnd: report.logEnd, progress: progress, io: io, now: now)
        self.index = index
        self.indexer = indexer
        indexLoop = loop
        housekeeper = StoreHousekeeper(
            configuration: configuration, log: log, queues: queues, progress: progress,
            queuesKnownTo: report.walkedFrom, unknownTo: wasCleanStop || notes.syncedTo != nil ? 0 : report.logEnd,
            index: index, indexer: indexer, io: io, now: now,
            onWriter: { writer.perform($0) })
        let assigner = OffsetAssigner(
            segmentBytes: configuration.segmentBytes, logOffset: report.logEnd,
            nextQueueOffsets: Dictionary(
                queues.all.map { ($0.key, $0.maximumOffset) }, uniquingKeysWith: { first, _ in first }))
        writeLoop = Handover(
            LogWriteLoop(
                configuration: configuration, log: log, queues: queues, progress: progress, flusher: flusher,
                assigner: assigner, lastTimestamp: outcome.lastStoreTimestamp, now: now, deleted: deleted,
                places: CopiedPlaces(doubting: outcome.takenBeginnings),
                arrivals: { arrived in
                    indexer?.wake()
                    arrivals(arrived)
                }, meters: meters, onUnsafe: refuse))
        log.places.becomePatient()
    }

    private static func index(
        _ configuration: StoreConfiguration, log: SegmentChain, logEnd: Int64, progress: StoreProgress,
        io: any StorageIO, now: @escaping @Sendable () -> Int64
    ) throws(StoreError) -> (MessageIndex?, LogIndexer?, Handover<IndexLoop>?) {
        guard configuration.indexesKeys else { return (nil, nil, nil) }
        let layout = IndexLayout(slotCount: configuration.indexSlots, entryCount: configuration.indexEntries)
        let index = try MessageIndex(
            directory: configuration.indexDirectory, layout: layout, logEnd: logEnd, io: io,
            isGap: { last, begin throws(StoreError) in try IndexLoop.isGap(in: log, after: last, before: begin) },
            now: now)
        let loop = IndexLoop(log: log, index: index, progress: progress, layout: layout)
        return (index, LogIndexer(index: index), Handover(loop))
    }

    /// Stores messages as one, in this order, and then calls `completion` on one of the store's threads.
    ///
    /// - Parameters:
    ///   - awaitsFlush: whether a synchronous store's answer waits for the disk.
    ///   - isPatient: whether it is written however late; else it is refused as `overloaded` after the configuration's
    ///     longest wait.
    ///   - wakesWriter: whether the writer begins at once. Whoever has more to store in the same breath says `false` and
    ///     calls ``wakeWriter()`` at its end: one waking for all, and one write.
    public func append(
        _ drafts: [RecordDraft], awaitsFlush: Bool = true, isPatient: Bool = true, wakesWriter: Bool = true,
        completion: @escaping @Sendable (AppendOutcome) -> Void
    ) {
        precondition(!drafts.isEmpty, "nothing to append")
        let bytes = drafts.reduce(0) { $0 + $1.encodedSize }
        writer.submit(
            Append(
                drafts: drafts, awaitsFlush: awaitsFlush, completion: completion, bytes: bytes, isPatient: isPatient),
            wakes: wakesWriter)
    }

    /// Has the writer begin with what was appended without waking it.
    public func wakeWriter() { writer.wake() }

    /// Changes how often an asynchronous store syncs, in milliseconds; from the next sync on.
    public func setFlushInterval(milliseconds: Int64) {
        flusher.intervalMilliseconds.store(milliseconds, ordering: .relaxed)
    }

    /// Has what is too old removed soon, at whatever hour of the day.
    public func removeExpired() { housekeeper.askForCleaning() }

    /// Has what queues and index hold of records that are gone removed soon; no record goes.
    public func removeLostEntries() { housekeeper.askForEntries() }

    /// Refuses what has waited too long for the writer; to be called now and then, from any thread that may wait
    /// for a lock.
    public func refuseOverdue() { writer.refuseOverdue() }

    /// How many appends wait for the writer, and for how long the first does, in milliseconds.
    public var waitingAppends: (count: Int, headMilliseconds: Int64) { writer.waiting }

    /// What the log has and no sync has covered, in bytes.
    public var unflushedBytes: Int64 { max(0, progress.writtenOffset - progress.flushedOffset) }

    /// What the log has and the index of keys has not, in bytes; 0 without an index.
    public var unindexedBytes: Int64 { indexer?.bytesBehind ?? 0 }

    /// When the log's first message was stored, milliseconds since 1970; `nil` for an empty log. Blocks on the disk.
    public var earliestStoreTimestamp: Int64? {
        get throws(StoreError) { try record(atLogOffset: log.firstOffset)?.storeTimestamp }
    }

    /// The bytes of the log's file system; `nil` when it does not say. Blocks on the disk.
    public var space: (totalBytes: Int64, freeBytes: Int64)? {
        io.space(at: configuration.commitLogDirectory).map { ($0.totalBytes, $0.freeBytes) }
    }

    /// Forgets a topic's queues and removes their files; the log keeps the records.
    ///
    /// - Parameter end: where a slave's log ended at most when its master had the topic no more: what came since is of
    ///   another topic of that name. `nil` for all there is.
    public func deleteTopic(
        _ topic: String, before end: Int64? = nil, completion: @escaping @Sendable (StoreError?) -> Void
    ) {
        writer.change(topic, .delete(before: end), done: completion)
    }

    /// Which topics were deleted, and where the log ended at that moment: a slave does the same at the same places.
    public var deletedTopics: [String: Int64] { progress.deletedTopics }

    /// The queues of which a master's log said that they begin anew, where that may be one flipped bit, with the offsets
    /// at which they end here. A master whose queue does not end behind that has made the topic anew.
    public var doubtedBeginnings: [QueueKey: Int64] { progress.doubtedBeginnings }

    /// Takes a master's word that a topic with ``doubtedBeginnings`` was made anew.
    public func believeDoubts(of topic: String, completion: @escaping @Sendable (StoreError?) -> Void) {
        writer.change(topic, .believeDoubts, done: completion)
    }

    /// The error for which the store refuses writes until it is opened anew; `nil` while it accepts them.
    public var writeFailure: StoreError? { failure.error }

    /// Why the disk did not take the last write; `nil` when it did, or was seen to take some since.
    public var writeTrouble: StoreError? { progress.trouble }

    /// What retention took of the log so far.
    public var removedBytes: RemovedBytes { housekeeper.removed }

    /// What keeps checkpoints and retention from going on, or what the next start has to mend of the queues; `nil` when
    /// nothing does. Messages are taken and served all the same.
    public var upkeepTrouble: StoreError? { housekeeper.trouble }

    /// Whether writing is worth trying: not after a failed sync, and not while the disk is full, read-only or broken.
    ///
    /// Becomes true by itself when the housekeeper sees that the disk takes writes again; not after a failed sync.
    public var isWritable: Bool { writeFailure == nil && progress.trouble == nil }

    /// Writes and syncs everything, and leaves the store marked as cleanly stopped. A second call does nothing.
    ///
    /// - Returns: whether it is marked so; the next start recovers one that is not.
    @discardableResult
    public func close() -> Bool {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else {
            return isMarkedClean
        }
        writer.stop()
        flusher.stop()
        indexer?.stop()
        housekeeper.stop()
        let isNoted = writeFailure == nil && housekeeper.writeCheckpoint(isLast: true)
        // Only a store whose syncs went well, and whose end is written down, may skip the walk at the next start.
        if isNoted, writeFailure == nil, !progress.hasRemains, progress.flushedOffset >= progress.writtenOffset,
            housekeeper.isSafe
        {
            try? io.removeFile(configuration.abortMarker)
        }
        let isClean = isMarkedClean
        lock.release()
        return isClean
    }

    /// Whether the marker of a store that is open is known to be gone.
    private var isMarkedClean: Bool { (try? io.exists(configuration.abortMarker)) == false }
}

/// Holds the first failure; shared with the flusher before the store exists.
private final class FailureBox: Sendable {
    private let stored = Mutex<StoreError?>(nil)

    var error: StoreError? { stored.withLock { $0 } }

    func set(_ error: StoreError) { stored.withLock { if $0 == nil { $0 = error } } }
}
