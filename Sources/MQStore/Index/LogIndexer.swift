import Synchronization

/// Keeps the index up with the log, on a thread of its own.
///
/// Trails the log and catches up after a start; an append never waits for it.
final class LogIndexer: Sendable {
    private struct State {
        var isClosed = false
        var hasNews = false
    }

    private let index: MessageIndex
    private let state = WaitableMutex(State())
    private let thread = Mutex<StoreThread?>(nil)
    /// Whether the thread sleeps, so that a busy writer need not take the lock to wake it.
    private let isAsleep = Atomic<Bool>(false)
    private let sealed = Atomic<Int64>(0)
    private let behind = Atomic<Int64>(0)

    /// How often what is indexed is made durable, in milliseconds; after a crash so much is indexed again.
    private static let commitMilliseconds: Int64 = 2000
    /// How long it rests before it looks again, in milliseconds: under load it then takes many messages at once, and
    /// a query by key finds a message at most so late.
    private static let restMilliseconds: Int64 = 10
    /// How long it sleeps at most when nobody wakes it, in milliseconds.
    private static let sleepMilliseconds: Int64 = 250
    /// The bytes that are still indexed when the store stops; a start that has more to catch up does so the next time.
    private static let bytesAtStop: Int64 = 256 << 20

    init(index: MessageIndex) { self.index = index }

    /// The store time of the last message that every complete file on disk covers, 0 when there is none.
    var sealedTimestamp: Int64 { sealed.load(ordering: .acquiring) }

    /// What the log had and the index had not when the thread last looked, in bytes.
    var bytesBehind: Int64 { behind.load(ordering: .relaxed) }

    func start(_ box: Handover<IndexLoop>) {
        let started = StoreThread(name: "store-index") { [self] in
            guard let loop = box.take() else { return }
            run(loop)
        }
        thread.withLock { $0 = started }
    }

    /// Tells of new messages; cheap while the thread is busy.
    func wake() {
        guard isAsleep.load(ordering: .sequentiallyConsistent) else { return }
        state.withLockAndWake { $0.hasNews = true }
    }

    /// Indexes what is left, completes the files and ends the thread.
    func stop() {
        state.withLockAndWake { $0.isClosed = true }
        thread.withLock { $0 }?.join()
    }

    private func run(_ loop: IndexLoop) {
        var lastCommit = MonotonicClock.milliseconds()
        while true {
            let hasMore = loop.turn()
            behind.store(loop.bytesBehind, ordering: .relaxed)
            let time = MonotonicClock.milliseconds()
            if time - lastCommit >= Self.commitMilliseconds {
                loop.commit()
                lastCommit = time
            }
            if hasMore, !state.withLock({ $0.isClosed }) { continue }
            if hasMore || sleep(unlessNewsFor: loop) { return finish(loop) }
        }
    }

    /// Rests, and then sleeps until there is news; `true` when the store stops.
    private func sleep(unlessNewsFor loop: IndexLoop) -> Bool {
        let behind = loop.bytesBehind
        if state.wait(atMostMilliseconds: Self.restMilliseconds, until: \.isClosed, { $0.isClosed }) { return true }
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        defer { isAsleep.store(false, ordering: .sequentiallyConsistent) }
        // What came during the rest woke nobody.
        guard loop.bytesBehind == behind else { return false }
        return state.wait(atMostMilliseconds: Self.sleepMilliseconds, until: { $0.hasNews || $0.isClosed }) { state in
            state.hasNews = false
            return state.isClosed
        }
    }

    /// The last turns of a store that stops.
    func finish(_ loop: IndexLoop) {
        if loop.bytesBehind <= Self.bytesAtStop {
            while loop.turn() {}
        }
        if loop.seal() { sealed.store(index.lastTimestamp, ordering: .releasing) }
    }
}
