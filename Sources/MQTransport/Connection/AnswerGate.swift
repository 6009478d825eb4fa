import NIOCore
import Synchronization

/// How much of its answers a peer has not taken yet, and the work that makes answers and waits for it.
///
/// A pull of a few bytes brings an answer of hundreds of kilobytes, so that bounding what a peer sends does not bound
/// what it costs. Whoever does not read its answers gets no more of them made.
final class AnswerGate: Sendable {
    /// Work that makes an answer, or says why there is none.
    typealias Work = @Sendable (WorkTurn) -> Void
    /// Runs work on a thread that may block.
    typealias Submit = @Sendable (@escaping Work) -> Void

    /// The bytes of untaken answers above which no more are made: sixteen full pulls.
    static let limitBytes = 4 << 20
    /// How many threads may make answers for one connection at a time.
    static let pumpLimit = 4

    private struct State {
        var bytes = 0
        var waiting = CircularBuffer<Work>()
        var pumps = 0
        var submit: Submit?
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
    func wait(on submit: @escaping Submit, _ work: @escaping Work) {
        // A closed connection's work is dropped outside the lock: what it holds answers for itself.
        _ = state.withLock { state -> Work? in
            guard !state.isClosed else { return work }
            state.submit = submit
            state.waiting.append(work)
            return nil
        }
    }

    /// Lets a thread do what waits, unless enough do already. `mayGoOn` is asked before each piece.
    func start(_ mayGoOn: @escaping @Sendable () -> Bool) {
        let submit = state.withLock { state -> Submit? in
            guard !state.waiting.isEmpty, state.pumps < min(Self.pumpLimit, state.waiting.count) else { return nil }
            guard state.bytes < Self.limitBytes else { return nil }
            state.pumps += 1
            return state.submit
        }
        submit? { turn in self.pump(turn, mayGoOn) }
    }

    private func pump(_ turn: WorkTurn, _ mayGoOn: @escaping @Sendable () -> Bool) {
        let isStopped = turn == .stopped
        // One piece, and then behind whatever else waits for these threads; all at once when they end.
        repeat {
            guard isStopped || mayGoOn(), let work = state.withLock({ $0.waiting.popFirst() }) else { break }
            work(turn)
        } while isStopped
        state.withLock { $0.pumps -= 1 }
        // What came while this one was leaving, or became possible.
        if !isStopped, mayGoOn() { start(mayGoOn) }
    }

    /// The connection has ended: nothing more is made for it.
    func close() {
        let dropped = state.withLock { state in
            state.isClosed = true
            defer { state.waiting.removeAll() }
            return state.waiting
        }
        _ = consume dropped
    }
}
