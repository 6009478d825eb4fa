import Synchronization

/// The store's slow chores on a thread of their own: syncing consume queues, the checkpoint, preparing the next
/// segment, and answering appends whose sync takes too long.
final class StoreHousekeeper: Sendable {
    private let configuration: StoreConfiguration
    private let log: SegmentChain
    private let queues: QueueTable
    private let progress: StoreProgress
    private let flusher: LogFlusher
    private let isClosed = WaitableMutex(false)
    private let thread = Mutex<StoreThread?>(nil)

    /// How often the chores are looked at, in milliseconds; the granularity of a sync's time-out.
    static let tickMilliseconds: Int64 = 250

    init(
        configuration: StoreConfiguration, log: SegmentChain, queues: QueueTable, progress: StoreProgress,
        flusher: LogFlusher
    ) {
        self.configuration = configuration
        self.log = log
        self.queues = queues
        self.progress = progress
        self.flusher = flusher
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

    private func run() {
        let ticksPerCheckpoint = max(1, configuration.checkpointIntervalMilliseconds / Self.tickMilliseconds)
        var tick: Int64 = 0
        var saved = Checkpoint(logTimestamp: 0, queueTimestamp: 0)
        while true {
            let stops = isClosed.wait(atMostMilliseconds: Self.tickMilliseconds, until: { $0 }) { $0 }
            tick += 1
            flusher.answerOverdue()
            prepareNextSegment()
            if stops || tick % ticksPerCheckpoint == 0 { writeCheckpoint(&saved) }
            if stops { return }
        }
    }

    /// A failure is not reported here: the writer meets it when it needs the segment, and has whom to tell.
    private func prepareNextSegment() {
        let end = log.endOffset
        guard end > 0, end - progress.writtenOffset < configuration.segmentBytes / 2 else { return }
        _ = try? log.segmentForWriting(at: end)
    }

    /// A checkpoint that is not written makes the next recovery walk further, nothing else.
    private func writeCheckpoint(_ saved: inout Checkpoint) {
        // Taken before the sync: what is written during it is not covered.
        let written = progress.lastTimestamp
        do {
            for queue in queues.all { try queue.sync() }
            let checkpoint = Checkpoint(logTimestamp: progress.flushedTimestamp, queueTimestamp: written)
            guard checkpoint != saved else { return }
            try checkpoint.write(to: configuration.checkpointFile)
            saved = checkpoint
        } catch { return }
    }
}
