import Glibc
public import MQWire
import NIOCore
import Synchronization
import SystemPackage

/// A store of messages on disk: one commit log, and a consume queue for each queue of each topic.
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
    private let writer: LogWriter
    private let flusher: LogFlusher
    private let housekeeper: StoreHousekeeper
    private let lock: StoreLock
    private let failure: FailureBox
    private let isClosed = Atomic<Bool>(false)

    /// Recovers the store below `configuration.root` and opens it.
    ///
    /// - Parameters:
    ///   - now: the wall clock in milliseconds since 1970.
    ///   - arrivals: told of new messages, on the writer's thread, after they became visible.
    /// - Throws: ``StoreError`` when another process has it open, files do not fit, or the disk fails.
    public init(
        configuration: StoreConfiguration, now: @escaping @Sendable () -> Int64,
        arrivals: @escaping @Sendable ([QueueArrival]) -> Void = { _ in }
    ) throws {
        self.configuration = configuration
        try Directory.create(configuration.root)
        lock = try StoreLock(configuration.lockFile)
        let wasCleanStop = !Directory.exists(configuration.abortMarker)
        try Directory.touch(configuration.abortMarker)
        log = try SegmentChain(
            directory: configuration.commitLogDirectory, segmentBytes: configuration.segmentBytes)
        queues = try QueueTable(
            directory: configuration.consumeQueueDirectory, entriesPerFile: configuration.entriesPerQueueFile)
        let checkpoint = try ReplacedFile.read(configuration.checkpointFile).flatMap(Checkpoint.init)
        let outcome = try Recovery(
            configuration: configuration, log: log, queues: queues, wasCleanStop: wasCleanStop, checkpoint: checkpoint
        ).run()
        recovery = outcome.report
        progress = StoreProgress(logEnd: outcome.report.logEnd, timestamp: outcome.lastStoreTimestamp)
        let writer = LogWriter(configuration: configuration)
        let failure = FailureBox()
        flusher = LogFlusher(
            configuration: configuration, progress: progress,
            sync: { [log] range throws(StoreError) in try log.sync(range) }, now: MonotonicClock.milliseconds
        ) { cause in
            let refusal = StoreError(
                .unsafe, path: cause.path, message: "\(cause.message) failed; check the disk and restart",
                cause: cause.cause)
            failure.set(refusal)
            writer.refuse(refusal)
        }
        self.writer = writer
        self.failure = failure
        housekeeper = StoreHousekeeper(
            configuration: configuration, log: log, queues: queues, progress: progress, flusher: flusher)
        let assigner = OffsetAssigner(
            segmentBytes: configuration.segmentBytes, logOffset: outcome.report.logEnd,
            nextQueueOffsets: Dictionary(
                queues.all.map { ($0.key, $0.maximumOffset) }, uniquingKeysWith: { first, _ in first }))
        let loop = LogWriteLoop(
            configuration: configuration, log: log, queues: queues, progress: progress, flusher: flusher,
            assigner: assigner, lastTimestamp: outcome.lastStoreTimestamp, now: now, arrivals: arrivals)
        writer.start(loop)
        flusher.start()
        housekeeper.start()
    }

    /// Stores messages as one, in this order, and then calls `completion` on one of the store's threads.
    ///
    /// - Parameter awaitsFlush: whether a synchronous store's answer waits for the disk.
    public func append(
        _ drafts: [RecordDraft], awaitsFlush: Bool = true,
        completion: @escaping @Sendable (Result<AppendReceipt, StoreError>) -> Void
    ) {
        precondition(!drafts.isEmpty, "nothing to append")
        let bytes = drafts.reduce(0) { $0 + $1.encodedSize }
        writer.submit(Append(drafts: drafts, awaitsFlush: awaitsFlush, completion: completion, bytes: bytes))
    }

    /// Forgets a topic's queues and removes their files; the log keeps the records.
    public func deleteTopic(_ topic: String, completion: @escaping @Sendable (StoreError?) -> Void) {
        writer.deleteTopic(topic, done: completion)
    }

    /// The error for which the store refuses writes; `nil` while it accepts them.
    public var writeFailure: StoreError? { failure.error }

    /// Writes and syncs everything, and leaves the store marked as cleanly stopped. A second call does nothing.
    public func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        writer.stop()
        flusher.stop()
        housekeeper.stop()
        // Only a store whose last sync went well may skip the walk at the next start.
        if writeFailure == nil, progress.flushedOffset >= progress.writtenOffset {
            try? Directory.removeFile(configuration.abortMarker)
        }
        lock.release()
    }
}

/// Holds the first failure; shared with the flusher before the store exists.
private final class FailureBox: Sendable {
    private let stored = Mutex<StoreError?>(nil)

    var error: StoreError? { stored.withLock { $0 } }

    func set(_ error: StoreError) { stored.withLock { if $0 == nil { $0 = error } } }
}
