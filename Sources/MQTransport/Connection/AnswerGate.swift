import NIOCore
import Synchronization

/// How much of its answers a peer has not taken yet, and the work that makes answers and waits for it.
///
/// A pull of a few bytes brings an answer of hundreds of kilobytes, so that bounding what a peer sends does not bound
/// what it costs. Whoever does not read its answers gets no more of them made.
final class AnswerGate: Sendable {
    typealias Work = BlockingWorker.Work

    /// The bytes of untaken answers above which no more are made: sixteen full pulls.
    static let limitBytes = 4 << 20
    /// What waits for one worker: work of another kind, with threads of its own, does not wait behind it.
    private struct Line {
        var worker: any BlockingWorker
        /// With the moment at which each began to wait.
        var waiting = CircularBuffer<(since: Int64, work: Work)>()
        var pumps = 0
    }

    private struct State {
        var bytes = 0
        var lines: [ObjectIdentifier: Line] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// Whether more may be made, as far as this connection is concerned.
    var isOpen: Bool { state.withLock { $0.bytes < Self.limitBytes } }

    /// An answer was made.
    func add(_ bytes: Int) { state.withLock { $0.bytes += bytes } }

    /// Answers were taken, or their connection ended.
    func remove(_ bytes: Int) { state.withLock { $0.bytes -= bytes } }

    /// Adds work that waits for its turn; ``start(_:)`` follows.
    func wait(for worker: any BlockingWorker, _ work: @escaping Work) {
        // A closed connection's work is dropped outside the lock: what it holds answers for itself.
        _ = state.withLock { state -> Work? in
            guard !state.isClosed else { return work }
            state.lines[ObjectIdentifier(worker), default: Line(worker: worker)].waiting.append((worker.begin(), work))
            return nil
        }
    }

    /// Lets a thread of each worker do what waits for it, unless enough do already. `mayGoOn` is asked before each piece.
    func start(_ mayGoOn: @escaping @Sendable () -> Bool) {
        let workers = state.withLock { state -> [any BlockingWorker] in
            guard state.bytes < Self.limitBytes else { return [] }
            var workers: [any BlockingWorker] = []
            for (key, line) in state.lines
            where line.pumps < min(line.worker.shareOfConnection, line.waiting.count) {
                state.lines[key]?.pumps += 1
                workers.append(line.worker)
            }
            return workers
        }
        for worker in workers {
            worker.submit { isActive in self.pump(worker, isActive, mayGoOn) }
        }
    }

    private func pump(_ worker: any BlockingWorker, _ isActive: Bool, _ mayGoOn: @escaping @Sendable () -> Bool) {
        let (key, isStopped) = (ObjectIdentifier(worker), !isActive)
        // One piece, and then behind whatever else waits for these threads; all at once when they end.
        repeat {
            guard isStopped || mayGoOn(), let next = state.withLock({ $0.lines[key]?.waiting.popFirst() }) else {
                break
            }
            let turn = worker.end(since: next.since)
            next.work(isStopped ? .stopped : turn)
        } while isStopped
        state.withLock { state in
            state.lines[key]?.pumps -= 1
            if let line = state.lines[key], line.pumps == 0, line.waiting.isEmpty { state.lines[key] = nil }
        }
        // What came while this one was leaving, or became possible.
        if !isStopped, mayGoOn() { start(mayGoOn) }
    }

    /// The connection has ended: nothing more is made for it.
    func close() {
        var dropped: [ObjectIdentifier: Line] = [:]
        state.withLock { state in
            state.isClosed = true
            swap(&state.lines, &dropped)
        }
        // What is dropped here answers for itself, which takes the lock: not before it is free.
        withExtendedLifetime(dropped) {
            for line in dropped.values { for item in line.waiting { _ = line.worker.end(since: item.since) } }
        }
    }
}
