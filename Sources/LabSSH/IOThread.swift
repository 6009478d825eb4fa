import Glibc
import Synchronization

/// A thread that owns sessions: it runs their actors' jobs and, between them, one `poll` for all their sockets.
///
/// libssh2 allows a session to one thread at a time, and its ciphers and file reads should not hold one of Swift's
/// cooperative threads. So each session's actor has an `IOThread` as its executor. The process has
/// `SSHLimits.threads` of them, made on first use and kept, so that a job that arrives after a session's end still
/// runs. An idle thread sleeps in `poll` without a time-out.
///
/// `@unchecked Sendable`: `queue` is guarded by its mutex; `waiters` and `nextWaiter` are touched on the thread only,
/// which `onThread()` asserts; the rest never changes after `init`, but for `thread`, written before any job exists.
final class IOThread: SerialExecutor, @unchecked Sendable {
    /// Why a wait ended.
    enum Wake: Sendable {
        /// The descriptor is ready, or somebody asked its waiters to look again.
        case ready
        /// The deadline has passed.
        case deadline
        /// The waiting task was cancelled.
        case cancelled
    }

    private enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    private struct Waiter {
        var descriptor: Int32
        var events: Int16
        var deadline: ContinuousClock.Instant?
        /// How many wakes the waiting task knew of when it last looked; see `wakes`.
        var seenWakes: UInt64?
        var continuation: CheckedContinuation<Wake, Never>
    }

    private let queue = Mutex<[Work]>([])
    /// A pipe whose read end is polled with the sockets: a byte in it says that there is work.
    private let doorbell: (listen: Int32, ring: Int32)
    private let thread = Mutex<pthread_t?>(nil)
    private var waiters: [UInt64: Waiter] = [:]
    private let lastWaiter = Atomic<UInt64>(0)
    /// Counts the calls of `wake`. A task reads it before it looks whether it must wait, and gives it to `wait`: a wake
    /// that came in between ends that wait at once (an event count; the alternative is a wake that nobody hears).
    private(set) var wakes: UInt64 = 0

    private static let all: [IOThread] = (0..<SSHLimits.threads).map { _ in IOThread() }
    private static let turn = Atomic<Int>(0)

    /// The thread for the next session, in turn.
    static func next() -> IOThread {
        all[turn.add(1, ordering: .relaxed).oldValue % all.count]
    }

    private init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe: errno \(errno)")
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        doorbell = (ends[0], ends[1])
        Threads.detach { [self] in
            thread.withLock { $0 = pthread_self() }
            run()
        }
    }

    // MARK: Work

    func enqueue(_ job: consuming ExecutorJob) {
        add(.job(UnownedJob(job)))
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// Runs a closure on the thread, after what is queued already.
    func submit(_ call: @escaping @Sendable () -> Void) {
        add(.call(call))
    }

    /// Whether the caller runs on this thread.
    var isCurrent: Bool {
        thread.withLock { thread in thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    /// The thread, once it runs.
    var identity: pthread_t? { thread.withLock { $0 } }

    private func add(_ work: Work) {
        queue.withLock { $0.append(work) }
        if !isCurrent {
            var ring: UInt8 = 1
            // A full pipe (EAGAIN) means that the bell rings already.
            _ = Glibc.write(doorbell.ring, &ring, 1)
        }
    }

    // MARK: Waiting

    /// Waits until the descriptor is ready for one of the events, the deadline passes, the task is cancelled, or
    /// `wake` is called for it. With descriptor -1 it just sleeps.
    ///
    /// `poll` reports errors and hang-ups whatever the events are, so a broken connection ends every wait.
    func wait(
        _ descriptor: Int32, _ events: Int16, until deadline: ContinuousClock.Instant?, since seenWakes: UInt64? = nil,
        isolation: isolated (any Actor)? = #isolation
    ) async -> Wake {
        let id = lastWaiter.add(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            // Only a closure that captures the parameter is isolated to it (SE-0420); without this line every wait
            // would go over the global executor and back.
            _ = isolation
            return await withCheckedContinuation { continuation in
                let waiter = Waiter(
                    descriptor: descriptor, events: events, deadline: deadline, seenWakes: seenWakes,
                    continuation: continuation)
                let isCancelled = Task.isCancelled
                if isCurrent {
                    begin(id, waiter, isCancelled)
                } else {
                    submit { [self] in begin(id, waiter, isCancelled) }
                }
            }
        } onCancel: {
            submit { [self] in end(id, .cancelled) }
        }
    }

    /// Lets everyone who waits for the descriptor look again.
    func wake(_ descriptor: Int32) {
        onThread()
        wakes += 1
        for (id, waiter) in waiters where waiter.descriptor == descriptor { end(id, .ready) }
    }

    private func begin(_ id: UInt64, _ waiter: Waiter, _ isCancelled: Bool) {
        onThread()
        if isCancelled {
            waiter.continuation.resume(returning: .cancelled)
        } else if let seen = waiter.seenWakes, seen != wakes {
            waiter.continuation.resume(returning: .ready)
        } else {
            waiters[id] = waiter
        }
    }

    private func end(_ id: UInt64, _ wake: Wake) {
        onThread()
        waiters.removeValue(forKey: id)?.continuation.resume(returning: wake)
    }

    private func onThread() {
        assert(isCurrent, "an I/O thread's state was touched from another thread")
    }

    // MARK: The loop

    private func run() {
        var polled: [pollfd] = []
        var ids: [UInt64] = []
        while true {
            let work = queue.withLock { queue in
                defer { queue = [] }
                return queue
            }
            for item in work {
                switch item {
                case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
                case .call(let call): call()
                }
            }
            polled.removeAll(keepingCapacity: true)
            ids.removeAll(keepingCapacity: true)
            polled.append(pollfd(fd: doorbell.listen, events: Int16(POLLIN), revents: 0))
            var nearest: ContinuousClock.Instant?
            for (id, waiter) in waiters {
                ids.append(id)
                polled.append(pollfd(fd: waiter.descriptor, events: waiter.events, revents: 0))
                if let deadline = waiter.deadline { nearest = min(nearest ?? deadline, deadline) }
            }
            let hasWork = queue.withLock { !$0.isEmpty }
            let count = poll(&polled, nfds_t(polled.count), hasWork ? 0 : Self.milliseconds(until: nearest))
            precondition(count >= 0 || errno == EINTR || errno == EAGAIN, "poll failed: errno \(errno)")
            if count > 0 { settle(polled, ids) }
            expire()
        }
    }

    private func settle(_ polled: [pollfd], _ ids: [UInt64]) {
        if polled[0].revents != 0 {
            var rung = [UInt8](repeating: 0, count: 4096)
            _ = Glibc.read(doorbell.listen, &rung, rung.count)
        }
        for (index, id) in ids.enumerated() where polled[index + 1].revents != 0 { end(id, .ready) }
    }

    private func expire() {
        let now = ContinuousClock.now
        for (id, waiter) in waiters where waiter.deadline.map({ $0 <= now }) ?? false { end(id, .deadline) }
    }

    /// The time-out for `poll`, rounded up so that the loop does not spin in the last millisecond; -1 for none.
    private static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let left = deadline - ContinuousClock.now
        if left <= .zero { return 0 }
        let whole = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1
        return Int32(clamping: whole)
    }
}

extension IOThread {
    /// The processor time that the thread has used, by which tests tell a sleeping loop from a spinning one.
    var processorTime: Duration {
        var clock = clockid_t()
        var time = timespec()
        guard let id = identity, pthread_getcpuclockid(id, &clock) == 0, clock_gettime(clock, &time) == 0 else {
            return .zero
        }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
