import CoreMetrics
import MQTransport
import NIOCore
import NIOPosix
import Synchronization

/// Work of one kind that may block on the disk: threads and a queue of its own, so that no kind starves another.
///
/// Whoever waited longer than its kind may is told so instead of being served: its client has asked somebody else by
/// then, and serving it only makes the next one late as well (RocketMQ's `BrokerFastFailure`).
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

    private struct Item {
        var since: Int64
        var work: Work
    }

    let limits: Limits
    private let pool: NIOThreadPool
    private let queue = Mutex(CircularBuffer<Item>())
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

    /// How much waits for a thread.
    var count: Int { queue.withLock { $0.count } }

    /// How long the first in the queue has waited, in milliseconds; 0 when none waits.
    var headWaitMilliseconds: Int64 {
        guard let since = queue.withLock({ $0.first?.since }) else { return 0 }
        return max(0, now() - since) / 1_000_000
    }

    /// Whether another request is refused rather than queued.
    var isFull: Bool { count >= limits.capacity }

    /// Does the work on one of the threads, in the order of asking.
    func submit(_ work: @escaping Work) {
        queue.withLock { $0.append(Item(since: now(), work: work)) }
        pool.submit { [self] state in
            guard let item = queue.withLock({ $0.popFirst() }) else { return }
            guard case .active = state else { return item.work(.stopped) }
            let waited = max(0, now() - item.since)
            waits.recordNanoseconds(waited)
            let milliseconds = waited / 1_000_000
            item.work(milliseconds > limits.waitMilliseconds ?? .max ? .late(milliseconds: milliseconds) : .work)
        }
    }

    /// Does the work on one of the threads and waits for it; not when they have ended.
    func run(_ work: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            submit { turn in
                if turn == .work { work() }
                continuation.resume()
            }
        }
    }

    /// Ends the threads; what waits hears of it.
    func stop() async { try? await pool.shutdownGracefully() }
}
