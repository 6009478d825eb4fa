import CoreMetrics
import MQTransport
import NIOCore
import NIOPosix
import Synchronization

/// Work of one kind that may block on the disk: threads and a queue of its own, so that no kind starves another.
///
/// Whoever waited longer than its kind may is told so instead of being served: its client has asked somebody else by
/// then, and serving it only makes the next one late as well (RocketMQ's `BrokerFastFailure`). A request waits from its
/// arrival, also behind others of its connection.
final class WorkLane: BlockingWorker {
    /// What bounds a lane.
    struct Limits: Sendable, Equatable {
        /// The threads.
        var threads: Int
        /// The most requests that wait; more are refused at once.
        var capacity = Int.max
        /// The longest wait, in milliseconds; `nil` for work that must be done however late.
        var waitMilliseconds: Int64?
    }

    /// What waits: how much, and since when the first does, roughly: by the order of coming, not of going.
    private struct Waiting {
        var count = 0
        var sinces = CircularBuffer<Int64>()
    }

    let limits: Limits
    private let pool: NIOThreadPool
    private let waiting = Mutex(Waiting())
    /// A monotonic clock, nanoseconds.
    private let now: @Sendable () -> Int64
    private let waits: CoreMetrics.Timer

    init(_ limits: Limits, waits: CoreMetrics.Timer, now: @escaping @Sendable () -> Int64) {
        self.limits = limits
        self.waits = waits
        self.now = now
        pool = NIOThreadPool(numberOfThreads: limits.threads)
        pool.start()
    }

    /// One connection leaves a thread for the others.
    var shareOfConnection: Int { max(1, limits.threads - 1) }

    /// How much waits for a thread.
    var count: Int { waiting.withLock { $0.count } }

    /// How long the first in the queue has waited, in milliseconds; 0 when none waits.
    var headWaitMilliseconds: Int64 {
        guard let since = waiting.withLock({ $0.sinces.first }) else { return 0 }
        return max(0, now() - since) / 1_000_000
    }

    /// Whether another request is refused rather than queued.
    var isFull: Bool { count >= limits.capacity }

    func begin() -> Int64 {
        let since = now()
        waiting.withLock { waiting in
            waiting.count += 1
            waiting.sinces.append(since)
        }
        return since
    }

    func end(since: Int64) -> WorkTurn {
        waiting.withLock { waiting in
            waiting.count -= 1
            _ = waiting.sinces.popFirst()
        }
        let waited = max(0, now() - since)
        waits.recordNanoseconds(waited)
        let milliseconds = waited / 1_000_000
        return milliseconds > limits.waitMilliseconds ?? .max ? .late(milliseconds: milliseconds) : .work
    }

    func submit(_ run: @escaping @Sendable (_ isActive: Bool) -> Void) {
        pool.submit { state in
            if case .active = state { run(true) } else { run(false) }
        }
    }

    /// Does work that belongs to no connection, in the order of asking.
    func perform(_ work: @escaping Work) {
        let since = begin()
        submit { isActive in
            let turn = self.end(since: since)
            work(isActive ? turn : .stopped)
        }
    }

    /// Does the work on one of the threads and waits for it; not when they have ended.
    func run(_ work: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            perform { turn in
                if turn == .work { work() }
                continuation.resume()
            }
        }
    }

    /// Ends the threads; what waits hears of it.
    func stop() async { try? await pool.shutdownGracefully() }
}
