import MQStore

/// Pulls that found nothing and wait for a message. Pure: time is passed in, waking is what it returns.
struct HeldPulls<Request: Sendable>: Sendable {
    /// A pull that waits.
    struct Held: Sendable {
        var request: Request
        var connection: UInt64
        /// The message it waits for.
        var offset: Int64
        var filter: MessageFilter
        /// When it is answered with nothing, in milliseconds.
        var deadline: Int64
    }

    private var byQueue: [QueueKey: [Held]] = [:]
    private(set) var count = 0
    private var nextDeadline = Int64.max

    /// The most pulls held; beyond it a pull is answered at once.
    static var limit: Int { 100_000 }

    /// Keeps a pull; `false` when too many wait already.
    mutating func hold(_ held: Held, on queue: QueueKey) -> Bool {
        guard count < Self.limit else { return false }
        byQueue[queue, default: []].append(held)
        count += 1
        nextDeadline = min(nextDeadline, held.deadline)
        return true
    }

    /// The pulls that new messages answer; those whose filter wants none of them keep waiting.
    mutating func wake(_ arrival: QueueArrival) -> [Held] {
        guard let waiting = byQueue[arrival.key] else { return [] }
        return take(from: arrival.key, waiting) { held in
            held.offset < arrival.maximumOffset && arrival.tagCodes.contains { held.filter.mayWant($0) }
        }
    }

    /// All pulls of a queue.
    mutating func takeAll(of queue: QueueKey) -> [Held] {
        guard let waiting = byQueue[queue] else { return [] }
        return take(from: queue, waiting) { _ in true }
    }

    /// The pulls whose time is up.
    mutating func expire(nowMilliseconds: Int64) -> [Held] {
        guard nextDeadline <= nowMilliseconds else { return [] }
        var expired: [Held] = []
        for (queue, waiting) in byQueue {
            expired += take(from: queue, waiting) { $0.deadline <= nowMilliseconds }
        }
        nextDeadline = byQueue.values.joined().lazy.map(\.deadline).min() ?? .max
        return expired
    }

    /// Takes the pulls of a connection that closed.
    mutating func connectionClosed(_ connection: UInt64) -> [Held] {
        var taken: [Held] = []
        for (queue, waiting) in byQueue { taken += take(from: queue, waiting) { $0.connection == connection } }
        return taken
    }

    /// Takes all, for a broker that stops.
    mutating func drain() -> [Held] {
        defer {
            byQueue = [:]
            count = 0
        }
        return Array(byQueue.values.joined())
    }

    private mutating func take(
        from queue: QueueKey, _ waiting: [Held], where isTaken: (Held) -> Bool
    ) -> [Held] {
        let taken = waiting.filter(isTaken)
        guard !taken.isEmpty else { return [] }
        let kept = waiting.filter { !isTaken($0) }
        byQueue[queue] = kept.isEmpty ? nil : kept
        count -= taken.count
        return taken
    }
}
