import Synchronization

/// Syncs the commit log on its own thread and answers the appends that wait for it.
///
/// With the synchronous policy each round takes all who wait, syncs once and answers them in one sweep; who comes
/// during the sync is in the next round. With the asynchronous one it syncs at the interval, and answers at once.
final class LogFlusher: Sendable {
    /// An append that is written.
    struct Waiter: Sendable {
        var append: Append
        var receipt: AppendReceipt
    }

    private struct State {
        var waiting: [Waiter] = []
        var writtenTo: Int64
        var timestamp: Int64
        /// The round that is being synced: its number and its waiters not yet answered.
        var round = 0
        var inFlight: [Waiter] = []
        /// When the round began, for the time-out.
        var roundStarted: Int64 = 0
        var isClosed = false
        /// A sync has failed: from then on nothing is promised, whatever a later sync says.
        var hasFailed = false
    }

    private let configuration: StoreConfiguration
    private let sync: @Sendable (Range<Int64>) throws(StoreError) -> Void
    private let progress: StoreProgress
    private let now: @Sendable () -> Int64
    private let onFailure: @Sendable (StoreError) -> Void
    private let state: WaitableMutex<State>
    private let thread = Mutex<StoreThread?>(nil)

    /// A flusher that does not run yet.
    ///
    /// - Parameters:
    ///   - sync: brings a range of the log to the disk.
    ///   - now: a monotonic clock in milliseconds, for the time-out.
    ///   - onFailure: told when a sync failed; from then on nothing may be accepted.
    init(
        configuration: StoreConfiguration, progress: StoreProgress,
        sync: @escaping @Sendable (Range<Int64>) throws(StoreError) -> Void,
        now: @escaping @Sendable () -> Int64, onFailure: @escaping @Sendable (StoreError) -> Void
    ) {
        self.configuration = configuration
        self.sync = sync
        self.progress = progress
        self.now = now
        self.onFailure = onFailure
        state = WaitableMutex(State(writtenTo: progress.writtenOffset, timestamp: progress.lastTimestamp))
    }

    func start() {
        let started = StoreThread(name: "store-flusher") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// Takes appends that are written; answers at once those that need not wait.
    func add(_ waiters: [Waiter], writtenTo: Int64, timestamp: Int64) {
        var answered = waiters
        if configuration.flushPolicy == .sync {
            answered = waiters.filter { !$0.append.awaitsFlush }
            let waiting = waiters.filter(\.append.awaitsFlush)
            state.withLockAndWake { state in
                state.waiting.append(contentsOf: waiting)
                state.writtenTo = writtenTo
                state.timestamp = timestamp
            }
        } else {
            state.withLock { state in
                state.writtenTo = writtenTo
                state.timestamp = timestamp
            }
        }
        Self.answer(answered, .notAwaited)
    }

    /// Answers those whose sync takes longer than they wait; the housekeeper calls it.
    func answerOverdue() {
        let limit = now() - configuration.syncFlushTimeoutMilliseconds
        let overdue = state.withLock { state in
            guard !state.inFlight.isEmpty, state.roundStarted < limit else { return [Waiter]() }
            defer { state.inFlight = [] }
            return state.inFlight
        }
        Self.answer(overdue, .timedOut)
    }

    /// Syncs what is written and ends the thread.
    func stop() {
        state.withLockAndWake { $0.isClosed = true }
        thread.withLock { $0 }?.join()
    }

    private func run() {
        while true {
            let isSync = configuration.flushPolicy == .sync
            let (target, timestamp, isClosed) = state.wait(
                atMostMilliseconds: configuration.flushIntervalMilliseconds,
                until: { $0.isClosed || (isSync && !$0.waiting.isEmpty) }
            ) { state in
                swap(&state.waiting, &state.inFlight)
                state.waiting.removeAll(keepingCapacity: true)
                state.roundStarted = now()
                return (state.writtenTo, state.timestamp, state.isClosed)
            }
            syncRound(to: target, timestamp: timestamp)
            if isClosed && state.withLock({ $0.waiting.isEmpty && $0.writtenTo <= progress.flushedOffset }) { return }
            if isClosed && progress.flushedOffset < target { return }  // the sync failed; another one proves nothing
        }
    }

    private func syncRound(to target: Int64, timestamp: Int64) {
        var outcome = AppendReceipt.Flush.flushed
        if state.withLock({ $0.hasFailed }) {
            outcome = .failed
        } else if target > progress.flushedOffset {
            do throws(StoreError) {
                try sync(progress.flushedOffset..<target)
                progress.synced(to: target, timestamp: timestamp)
            } catch {
                // After a failed sync the kernel may call the lost pages clean: a later sync proves nothing.
                outcome = .failed
                state.withLock { $0.hasFailed = true }
                onFailure(error)
            }
        }
        let covered = state.withLock { state in
            defer { state.inFlight.removeAll(keepingCapacity: true) }
            return state.inFlight
        }
        Self.answer(covered, outcome)
    }

    private static func answer(_ waiters: [Waiter], _ flush: AppendReceipt.Flush) {
        for waiter in waiters {
            var receipt = waiter.receipt
            receipt.flush = flush
            waiter.append.completion(.success(receipt))
        }
    }
}
