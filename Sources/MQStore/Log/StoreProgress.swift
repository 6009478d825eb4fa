import Synchronization

/// How far the log is written and synced; written by the store's threads, read by all.
final class StoreProgress: Sendable {
    private let written: Atomic<Int64>
    private let flushed: Atomic<Int64>
    private let timestamp: Atomic<Int64>
    private let flushedTime: Atomic<Int64>
    private let isTroubled = Atomic<Bool>(false)
    private let lastTrouble = Mutex<StoreError?>(nil)
    private let remains = Atomic<Bool>(false)
    private let doubted = Mutex<[QueueKey: Int64]>([:])
    private let deletions = Mutex<[String: Int64]>([:])
    private let appended = Atomic<Int>(0)
    /// Threads that wait for the log to go on, as a slave's sender does.
    private let waiters = Atomic<Int>(0)
    private let growth = WaitableMutex(())
    private let observer = Mutex<(@Sendable () -> Void)?>(nil)
    private let isObserved = Atomic<Bool>(false)

    /// Begins at what recovery found; what a killed process left in the page cache is written, but not yet synced.
    init(logEnd: Int64, timestamp: Int64, flushedTo: Int64? = nil, flushedTimestamp: Int64? = nil) {
        written = Atomic(logEnd)
        flushed = Atomic(flushedTo ?? logEnd)
        self.timestamp = Atomic(timestamp)
        flushedTime = Atomic(flushedTimestamp ?? timestamp)
    }

    /// The end of what readers may read, in bytes.
    var writtenOffset: Int64 { written.load(ordering: .acquiring) }
    /// The end of what a sync covered, in bytes.
    var flushedOffset: Int64 { flushed.load(ordering: .acquiring) }
    /// The store time of the last record written.
    var lastTimestamp: Int64 { timestamp.load(ordering: .acquiring) }
    /// The store time of the last record synced.
    var flushedTimestamp: Int64 { flushedTime.load(ordering: .acquiring) }
    /// How many messages were appended since the start.
    var appendedRecords: Int { appended.load(ordering: .relaxed) }

    /// Why the disk did not take a write; `nil` when it took all, or the housekeeper has seen since that it takes some.
    var trouble: StoreError? { isTroubled.load(ordering: .acquiring) ? lastTrouble.withLock { $0 } : nil }

    /// Called by the writer when a write failed, and by the housekeeper with `nil` when the disk can be written again.
    ///
    /// A write that succeeds does not end the trouble: on a full disk a short one fits where the next does not.
    func setTrouble(_ error: StoreError?) {
        lastTrouble.withLock { $0 = error }
        isTroubled.store(error != nil, ordering: .releasing)
    }

    /// Whether a failed write has left something in the files that is not erased yet; the writer says so.
    var hasRemains: Bool {
        get { remains.load(ordering: .acquiring) }
        set { remains.store(newValue, ordering: .releasing) }
    }

    /// The queues of which a master's log said, where that may be a flipped bit, that they begin anew, and where each ends
    /// as long as that is not believed.
    var doubtedBeginnings: [QueueKey: Int64] { doubted.withLock { $0 } }

    /// Called by the writer.
    func setDoubted(_ beginnings: [QueueKey: Int64]) { doubted.withLock { $0 = beginnings } }

    /// Which topics were deleted, and where the log ended at that moment.
    var deletedTopics: [String: Int64] { deletions.withLock { $0 } }

    /// Called by the writer; without those that were not carried out to their end.
    func setDeletedTopics(_ table: [String: Int64]) { deletions.withLock { $0 = table } }

    /// Called by the writer when a run became visible.
    func published(writtenOffset: Int64, timestamp: Int64, records: Int) {
        self.timestamp.store(timestamp, ordering: .releasing)
        // Sequentially consistent with `wait`: either it sees the offset, or this sees it waiting.
        written.store(writtenOffset, ordering: .sequentiallyConsistent)
        if waiters.load(ordering: .sequentiallyConsistent) > 0 { wakeWaiters() }
        appended.wrappingAdd(records, ordering: .relaxed)
        tellObserver()
    }

    /// Has somebody told, on the store's threads, whenever the log goes on or more of it is synced; nobody with `nil`.
    func observe(_ told: (@Sendable () -> Void)?) {
        observer.withLock { $0 = told }
        isObserved.store(told != nil, ordering: .releasing)
    }

    private func tellObserver() {
        guard isObserved.load(ordering: .acquiring) else { return }
        observer.withLock { $0 }?()
    }

    /// Wakes all who wait for the log to go on.
    func wakeWaiters() { growth.withLockAndWake { _ in } }

    /// Waits until the log goes on behind `logOffset`, or `isOver` (whoever makes it so wakes all afterwards), or for so
    /// long at most; gives its end.
    func wait(beyond logOffset: Int64, atMostMilliseconds: Int64, orUntil isOver: () -> Bool) -> Int64 {
        waiters.wrappingAdd(1, ordering: .sequentiallyConsistent)
        defer { waiters.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
        growth.wait(
            atMostMilliseconds: atMostMilliseconds,
            until: { _ in isOver() || written.load(ordering: .sequentiallyConsistent) > logOffset }, { _ in })
        return writtenOffset
    }

    /// Called by the flusher after a sync.
    func synced(to offset: Int64, timestamp: Int64) {
        flushedTime.store(timestamp, ordering: .releasing)
        flushed.store(offset, ordering: .releasing)
        tellObserver()
    }
}
