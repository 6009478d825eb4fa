import MQWire
import NIOCore
import Synchronization

/// The only one who writes the commit log: a thread that takes everything gathered since its last write, gives it
/// offsets, writes it at once and then lets readers see it.
///
/// While one batch is written the next one gathers; taking it is a swap of two lists.
final class LogWriter: Sendable {
    /// What waits to be written.
    private struct Inbox {
        var appends: [Append] = []
        var bytes = 0
        /// Of a master's log, instead of appends.
        var pieces: [ReplicaPiece] = []
        var chores: [TopicChore] = []
        /// What else must not happen beside a write.
        var tasks: [@Sendable () -> Void] = []
        var isClosed = false
        var refusal: StoreError?

        var hasWork: Bool {
            !appends.isEmpty || !pieces.isEmpty || !chores.isEmpty || !tasks.isEmpty || isClosed
        }
    }

    /// What is done to a topic between two writes.
    enum TopicChange {
        /// Its records up to here are dead; before an offset of the log only, where one is given.
        case delete(before: Int64?)
        /// A master says that it was made anew, of which the log left doubts.
        case believeDoubts
    }

    private struct TopicChore {
        var topic: String
        var change: TopicChange
        var done: @Sendable (StoreError?) -> Void
    }

    private let configuration: StoreConfiguration
    private let meters: StoreMeters
    /// A monotonic clock, nanoseconds.
    private let now: @Sendable () -> Int64
    private let inbox = WaitableMutex(Inbox())
    /// Whether appends were queued of which the thread was not told.
    private let isWakeOwed = Atomic(false)
    private let thread = Mutex<StoreThread?>(nil)
    /// Those that are written and wait for a sync.
    private let unflushed: FlushBacklog

    init(
        configuration: StoreConfiguration, meters: StoreMeters = StoreMeters(),
        now: @escaping @Sendable () -> Int64 = MonotonicClock.nanoseconds, unflushed: FlushBacklog
    ) {
        self.configuration = configuration
        self.meters = meters
        self.now = now
        self.unflushed = unflushed
    }

    /// Starts the thread that owns the machine.
    /// Starts the thread, which holds the store's lock: no other process may write where it still does, also when nobody
    /// holds the store any more.
    func start(_ box: Handover<LogWriteLoop>, holding lock: any StorageLock) {
        let started = StoreThread(name: "store-writer") { [self] in
            guard let machine = box.take() else { return }
            withExtendedLifetime(lock) { while turn(machine) {} }
        }
        thread.withLock { $0 = started }
    }

    /// Queues messages for the next write; refuses at once when too much waits or the store is closed.
    ///
    /// - Parameter wakes: whether the thread hears of it now; else ``wake()`` follows.
    func submit(_ append: Append, wakes: Bool) {
        var append = append
        append.since = now()
        let refusal: StoreError? =
            wakes ? inbox.withLockAndWake { admit(append, &$0) } : inbox.withLock { admit(append, &$0) }
        if let refusal { append.completion(.refused(refusal)) }
        if !wakes { isWakeOwed.store(true, ordering: .releasing) }
    }

    /// Queues a piece of a master's log; how much waits is its sender's to limit.
    func submit(_ piece: ReplicaPiece) {
        let refusal: StoreError? = inbox.withLockAndWake { inbox in
            if let refusal = inbox.refusal { return refusal }
            if inbox.isClosed { return StoreError(.closed, message: "the store was stopped") }
            inbox.pieces.append(piece)
            return nil
        }
        if let refusal { piece.completion(.failure(refusal)) }
    }

    /// Tells the thread of what was queued without waking it, if anything was.
    func wake() {
        guard isWakeOwed.load(ordering: .relaxed), isWakeOwed.exchange(false, ordering: .acquiringAndReleasing) else {
            return
        }
        inbox.withLockAndWake { _ in }
    }

    /// Why an append can't be queued; `nil` once it is.
    private func admit(_ append: Append, _ inbox: inout Inbox) -> StoreError? {
        if let refusal = inbox.refusal { return refusal }
        if inbox.isClosed { return StoreError(.closed, message: "the store was stopped; send to another broker") }
        if inbox.bytes + append.bytes > configuration.maximumWaitingBytes
            || inbox.appends.count >= configuration.maximumWaitingAppends
        {
            return StoreError(
                .overloaded,
                message: "\(inbox.appends.count) messages of \(inbox.bytes) bytes wait for the disk; send slower")
        }
        if !append.isPatient, let first = inbox.appends.first,
            let late = lateness(since: first.since, now: append.since)
        {
            return late
        }
        let unflushed = unflushed.count
        if unflushed >= configuration.maximumWaitingAppends {
            return StoreError(
                .overloaded, message: "\(unflushed) messages wait for the disk's confirmation; send slower")
        }
        inbox.appends.append(append)
        inbox.bytes += append.bytes
        return nil
    }

    /// Why an append that has waited too long is refused; `nil` for one that has not.
    private func lateness(_ append: Append, now: Int64) -> StoreError? {
        append.isPatient ? nil : lateness(since: append.since, now: now)
    }

    private func lateness(since: Int64, now: Int64) -> StoreError? {
        let waited = (now - since) / 1_000_000
        guard let limit = configuration.maximumWaitMilliseconds, waited > limit else { return nil }
        return StoreError(.overloaded, message: "messages wait \(waited) ms for the disk; send slower")
    }

    /// Refuses what has waited for too long while the writer is at an earlier batch: it is not written then, and its
    /// sender had better ask another broker.
    func refuseOverdue() {
        guard configuration.maximumWaitMilliseconds != nil else { return }
        let time = now()
        let overdue = inbox.withLock { inbox in
            guard let first = inbox.appends.first, lateness(since: first.since, now: time) != nil else {
                return [Append]()
            }
            let overdue = inbox.appends.filter { lateness($0, now: time) != nil }
            if !overdue.isEmpty { inbox.appends.removeAll { lateness($0, now: time) != nil } }
            inbox.bytes -= overdue.reduce(0) { $0 + $1.bytes }
            return overdue
        }
        for append in overdue {
            guard let error = lateness(append, now: time) else { continue }
            append.completion(.refused(error))
        }
    }

    /// How many appends wait for the writer, and for how long the first does, in milliseconds.
    var waiting: (count: Int, headMilliseconds: Int64) {
        let (count, since) = inbox.withLock { ($0.appends.count, $0.appends.first?.since) }
        return (count, since.map { max(0, now() - $0) / 1_000_000 } ?? 0)
    }

    /// Changes a topic's queues between two writes, and tells `done`.
    func change(_ topic: String, _ change: TopicChange, done: @escaping @Sendable (StoreError?) -> Void) {
        let isClosed = inbox.withLockAndWake { inbox in
            if !inbox.isClosed { inbox.chores.append(TopicChore(topic: topic, change: change, done: done)) }
            return inbox.isClosed
        }
        if isClosed { done(StoreError(.closed, message: "the store was stopped")) }
    }

    /// Does this between two writes; not at all when the store stops before.
    func perform(_ task: @escaping @Sendable () -> Void) {
        inbox.withLockAndWake { if !$0.isClosed { $0.tasks.append(task) } }
    }

    /// From now on every append is refused with this error.
    func refuse(_ error: StoreError) {
        inbox.withLock { if $0.refusal == nil { $0.refusal = error } }
    }

    /// Writes what waits and ends the thread.
    func stop() {
        inbox.withLockAndWake { $0.isClosed = true }
        thread.withLock { $0 }?.join()
    }

    /// Waits for work and does it; `false` when that was the last.
    func turn(_ machine: LogWriteLoop) -> Bool {
        let (appends, pieces, chores, tasks, isClosed, refusal) = inbox.wait(until: \.hasWork) { inbox in
            let taken = (
                inbox.appends, inbox.pieces, inbox.chores, inbox.tasks, inbox.isClosed, inbox.refusal
            )
            inbox.pieces = []
            inbox.appends = []
            inbox.appends.reserveCapacity(taken.0.count)
            inbox.bytes = 0
            inbox.chores = []
            inbox.tasks = []
            return taken
        }
        if let refusal {
            for append in appends { append.completion(.refused(refusal)) }
            for piece in pieces { piece.completion(.failure(refusal)) }
        } else {
            machine.copy(pieces)
            let time = now()
            // The first has waited longest: when it is in time, all are.
            for index in appends.indices { meters.waited(max(0, time - appends[index].since)) }
            if let first = appends.first, lateness(since: first.since, now: time) != nil {
                machine.write(appends.filter { lateness($0, now: time) == nil })
                for append in appends {
                    if let error = lateness(append, now: time) { append.completion(.refused(error)) }
                }
            } else {
                machine.write(appends)
            }
        }
        for chore in chores {
            switch chore.change {
            case .delete(nil): chore.done(machine.delete(topic: chore.topic))
            case .delete(let end?): chore.done(machine.delete(topic: chore.topic, keepingFrom: end))
            case .believeDoubts: chore.done(machine.believeDoubts(of: chore.topic))
            }
        }
        for task in tasks { task() }
        return !(isClosed && appends.isEmpty && pieces.isEmpty && chores.isEmpty && tasks.isEmpty)
    }

    /// Whether ``turn(_:)`` would find anything to do.
    var hasWork: Bool { inbox.withLock { $0.hasWork } }
}

/// Carries a value to the thread that will own it.
final class Handover<Value>: @unchecked Sendable {
    // @unchecked: `value` is touched only under `lock`, and leaves once.
    private let lock = Mutex<Void>(())
    private var value: Value?

    init(_ value: sending Value) { self.value = value }

    func take() -> Value? {
        lock.withLock { _ in
            defer { value = nil }
            return value
        }
    }
}
