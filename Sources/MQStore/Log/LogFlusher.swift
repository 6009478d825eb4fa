import Synchronization

/// How many appends are written and wait for a sync: the flusher counts them, and the writer asks for each it takes.
final class FlushBacklog: Sendable {
    private let waiting = Atomic<Int>(0)

    var count: Int { waiting.load(ordering: .relaxed) }

    func add(_ appends: Int) { waiting.wrappingAdd(appends, ordering: .relaxed) }
}

/// Syncs the commit log on its own thread and answers the appends that wait for it.
///
/// With the synchronous policy each round takes all who wait, syncs once and answers them in one sweep; who comes
/// during the sync is in the next round, which waits a little for those whom the last one released (``GroupPatience``).
/// With the asynchronous one it syncs at the interval, and answers at once.
///
/// A second thread answers those whose time is up, whichever round they are in: the first may hang in a sync for as
/// long as the disk likes.
final class LogFlusher: Sendable {
    /// An append that is written.
    struct Waiter: Sendable {
        var append: Append
        var receipt: AppendReceipt
    }

    /// Appends that were written together.
    private struct Group {
        var waiters: [Waiter]
        /// When they began to wait, on the flusher's clock.
        var since: Int64
    }

    private struct State {
        var waiting: [Group] = []
        /// Those of the round that is being synced, and not yet answered.
        var inFlight: [Group] = []
        var writtenTo: Int64
        var timestamp: Int64
        var isClosed = false
        /// Something was copied that is to be synced at once.
        var isCopyWaiting = false
        /// Why a sync has failed: from then on nothing is promised, whatever a later sync says.
        var failure: StoreError?
    }

    private let configuration: StoreConfiguration
    private let sync: @Sendable (Range<Int64>) throws(StoreError) -> Void
    private let progress: StoreProgress
    private let now: @Sendable () -> Int64
    private let onFailure: @Sendable (StoreError) -> Void
    private let meters: StoreMeters
    private let state: WaitableMutex<State>
    private let threads = Mutex<[StoreThread]>([])
    private let isWatchClosed = WaitableMutex(false)
    private let backlog: FlushBacklog
    /// How often an asynchronous store syncs, in milliseconds.
    let intervalMilliseconds: Atomic<Int64>
    /// Held by whoever syncs a file of the log, until a failure is noted: the kernel tells of it once, and the next
    /// sync of the same file would succeed.
    private let failedSync = DiskMutex<StoreError?>(nil)

    /// How often waiters whose time is up are looked for, in milliseconds: they are answered at most this late.
    static let watchMilliseconds: Int64 = 50

    /// A flusher that does not run yet.
    ///
    /// - Parameters:
    ///   - sync: brings a range of the log to the disk.
    ///   - now: a monotonic clock in milliseconds, for the time-out.
    ///   - backlog: counts those who wait.
    ///   - onFailure: told when a sync failed; from then on nothing may be accepted.
    init(
        configuration: StoreConfiguration, progress: StoreProgress, backlog: FlushBacklog = FlushBacklog(),
        sync: @escaping @Sendable (Range<Int64>) throws(StoreError) -> Void,
        now: @escaping @Sendable () -> Int64, meters: StoreMeters = StoreMeters(),
        onFailure: @escaping @Sendable (StoreError) -> Void
    ) {
        self.meters = meters
        self.backlog = backlog
        intervalMilliseconds = Atomic(configuration.flushIntervalMilliseconds)
        self.configuration = configuration
        self.sync = sync
        self.progress = progress
        self.now = now
        self.onFailure = onFailure
        state = WaitableMutex(State(writtenTo: progress.writtenOffset, timestamp: progress.lastTimestamp))
    }

    func start() {
        var started = [StoreThread(name: "store-flusher") { [self] in run() }]
        if configuration.flushPolicy == .sync {
            started.append(StoreThread(name: "store-timeouts") { [self] in watch() })
        }
        threads.withLock { $0 = started }
    }

    /// How many appends are written and wait for a sync; the writer takes no more than its limit.
    var waiters: Int { backlog.count }

    /// Whether a sync has failed.
    var hasFailed: Bool { state.withLock { $0.failure != nil } }

    /// Takes appends that are written; answers at once those that need not wait.
    func add(_ waiters: [Waiter], writtenTo: Int64, timestamp: Int64) {
        var answered = waiters
        if configuration.flushPolicy == .sync {
            answered = waiters.filter { !$0.append.awaitsFlush }
            let waiting = answered.isEmpty ? waiters : waiters.filter(\.append.awaitsFlush)
            let since = now()
            backlog.add(waiting.count)
            state.withLockAndWake { state in
                if !waiting.isEmpty { state.waiting.append(Group(waiters: waiting, since: since)) }
                if waiters.isEmpty, configuration.syncsCopies { state.isCopyWaiting = true }
                state.writtenTo = writtenTo
                state.timestamp = timestamp
            }
        } else {
            state.withLock { state in
                state.writtenTo = writtenTo
                state.timestamp = timestamp
            }
        }
        for waiter in answered { waiter.append.completion(.stored(waiter.receipt)) }
    }

    /// Answers those who wait longer than they should, in the round that is being synced and in the next one.
    func answerOverdue() {
        let limit = now() - configuration.syncFlushTimeoutMilliseconds
        let overdue = state.withLock { state in
            // Groups stand in the order in which they came.
            let early = state.inFlight.prefix { $0.since < limit }
            let late = state.waiting.prefix { $0.since < limit }
            state.inFlight.removeFirst(early.count)
            state.waiting.removeFirst(late.count)
            return early + late
        }
        for group in overdue { answer(group) { .unconfirmed($0, .timedOut) } }
    }

    /// Syncs a file of the log. Once that has failed, every sync of the log fails with the same error.
    func syncing(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        let failure: StoreError? = failedSync.withLock { failed in
            if failed == nil {
                do throws(StoreError) { try body() } catch { failed = error }
            }
            return failed
        }
        if let failure { throw failure }
    }

    /// Syncs what is written and ends the threads.
    func stop() {
        state.withLockAndWake { $0.isClosed = true }
        let threads = threads.withLock { $0 }
        threads.first?.join()
        isWatchClosed.withLockAndWake { $0 = true }
        threads.dropFirst().first?.join()
    }

    private func watch() {
        while !isWatchClosed.wait(atMostMilliseconds: Self.watchMilliseconds, until: { $0 }, { $0 }) {
            if waiters > 0 { answerOverdue() }
        }
    }

    private func run() {
        let isSync = configuration.flushPolicy == .sync
        var patience = GroupPatience()
        var lastSync = now()
        while true {
            let isClosed = state.wait(
                atMostMilliseconds: intervalMilliseconds.load(ordering: .relaxed),
                until: { $0.isClosed || (isSync && (!$0.waiting.isEmpty || $0.isCopyWaiting)) }
            ) { $0.isClosed }
            if !isSync, !isClosed, mayWait(since: lastSync) { continue }
            let last = round()
            lastSync = now()
            guard isClosed else {
                if isSync { awaitCompany(last, &patience) }
                continue
            }
            // After a failed sync another one proves nothing.
            if state.withLock({ $0.failure != nil || ($0.waiting.isEmpty && $0.writtenTo <= progress.flushedOffset) }) {
                return
            }
        }
    }

    /// Whether what is not synced is too little for a sync of its own.
    private func mayWait(since lastSync: Int64) -> Bool {
        let unflushed = state.withLock { $0.writtenTo } - progress.flushedOffset
        return unflushed < configuration.flushLeastPages * Self.pageBytes
            && now() - lastSync < configuration.thoroughFlushIntervalMilliseconds
    }

    private static let pageBytes: Int64 = 4096

    /// Waits for those who were just answered, so that they share the next sync, when that has paid before.
    private func awaitCompany(_ last: Round, _ patience: inout GroupPatience) {
        let waiting = waiters
        let limit = patience.patience(
            answered: last.answered, waiting: waiting, syncNanoseconds: last.syncNanoseconds)
        guard limit > 0 else { return }
        let start = MonotonicClock.nanoseconds()
        state.wait(
            atMostNanoseconds: limit, until: { $0.isClosed || waiters >= waiting + last.answered }, { _ in })
        patience.waited(
            answered: last.answered, arrived: waiters - waiting, nanoseconds: MonotonicClock.nanoseconds() - start,
            syncNanoseconds: last.syncNanoseconds)
    }

    /// What a round did.
    struct Round {
        var answered = 0
        /// How long its sync took; 0 when there was none.
        var syncNanoseconds: Int64 = 0
    }

    /// Takes all who wait, syncs what is written and answers them.
    @discardableResult
    func round() -> Round {
        var round = Round()
        var (target, timestamp, failure) = state.withLock { state in
            swap(&state.waiting, &state.inFlight)
            state.waiting.removeAll(keepingCapacity: true)
            state.isCopyWaiting = false
            return (state.writtenTo, state.timestamp, state.failure)
        }
        if failure == nil, target > progress.flushedOffset {
            let start = MonotonicClock.nanoseconds()
            do throws(StoreError) {
                try StoreMeters.timed(meters.synced) { () throws(StoreError) in
                    try syncing { () throws(StoreError) in try sync(progress.flushedOffset..<target) }
                }
                progress.synced(to: target, timestamp: timestamp)
            } catch {
                // After a failed sync the kernel may call the lost pages clean: a later sync proves nothing.
                failure = error
                state.withLock { $0.failure = error }
                onFailure(error)
            }
            round.syncNanoseconds = MonotonicClock.nanoseconds() - start
        }
        let covered = state.withLock { state in
            defer { state.inFlight.removeAll(keepingCapacity: true) }
            return state.inFlight
        }
        for group in covered {
            round.answered += group.waiters.count
            answer(group) { receipt in
                if let failure { return .unconfirmed(receipt, .syncFailed(failure)) }
                var synced = receipt
                synced.durability = .synced
                return .stored(synced)
            }
        }
        return round
    }

    private func answer(_ group: Group, with outcome: (AppendReceipt) -> AppendOutcome) {
        backlog.add(-group.waiters.count)
        for waiter in group.waiters { waiter.append.completion(outcome(waiter.receipt)) }
    }
}
