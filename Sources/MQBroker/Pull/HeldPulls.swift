import MQStore

/// Pulls that found nothing and wait for a message. Pure: time is passed in, waking is what it returns.
///
/// Each is known by its queue, by its connection and by when its time is up, so that a message, an end of a connection
/// and a tick of the clock each cost what they concern, and not all that wait.
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

    /// Names a pull that waits; in the order of coming.
    private typealias Ticket = UInt64
    private var byQueue: [QueueKey: [Ticket: Held]] = [:]
    private var byConnection: [UInt64: [Ticket: QueueKey]] = [:]
    /// By the tenth of a second in which their time is up.
    private var byTime: [Int64: [Ticket: QueueKey]] = [:]
    private var lastTicket: Ticket = 0
    private(set) var count = 0

    /// The most pulls held; beyond it a pull is answered at once.
    static var limit: Int { 100_000 }
    private static var sliceMilliseconds: Int64 { 100 }

    /// Keeps a pull; `false` when too many wait already.
    mutating func hold(_ held: Held, on queue: QueueKey) -> Bool {
        guard count < Self.limit else { return false }
        lastTicket += 1
        byQueue[queue, default: [:]][lastTicket] = held
        byConnection[held.connection, default: [:]][lastTicket] = queue
        byTime[held.deadline / Self.sliceMilliseconds, default: [:]][lastTicket] = queue
        count += 1
        return true
    }

    /// The pulls that new messages answer; those whose filter wants none of them keep waiting.
    mutating func wake(_ arrival: QueueArrival) -> [Held] {
        guard let waiting = byQueue[arrival.key] else { return [] }
        let woken = waiting.filter { _, held in
            held.offset < arrival.maximumOffset && arrival.tagCodes.contains { held.filter.mayWant($0) }
        }
        return take(woken.keys.map { ($0, arrival.key) })
    }

    /// All pulls of a queue.
    mutating func takeAll(of queue: QueueKey) -> [Held] {
        guard let waiting = byQueue[queue] else { return [] }
        return take(waiting.keys.map { ($0, queue) })
    }

    /// The pulls whose time is up.
    mutating func expire(nowMilliseconds: Int64) -> [Held] {
        let now = nowMilliseconds / Self.sliceMilliseconds
        // A pull is held for minutes at most: there are few slices.
        var due: [(Ticket, QueueKey)] = []
        for (slice, tickets) in byTime where slice <= now {
            for (ticket, queue) in tickets
            where slice < now || byQueue[queue]?[ticket].map({ $0.deadline <= nowMilliseconds }) == true {
                due.append((ticket, queue))
            }
        }
        return take(due)
    }

    /// Takes the pulls of a connection that closed.
    mutating func connectionClosed(_ connection: UInt64) -> [Held] {
        guard let tickets = byConnection[connection] else { return [] }
        return take(tickets.map { ($0.key, $0.value) })
    }

    /// Takes all, for a broker that stops.
    mutating func drain() -> [Held] {
        let all = byQueue.values.flatMap { $0.values }
        self = HeldPulls()
        return all
    }

    private mutating func take(_ tickets: [(ticket: Ticket, queue: QueueKey)]) -> [Held] {
        tickets.sorted { $0.ticket < $1.ticket }.compactMap { ticket, queue in
            guard let held = byQueue[queue]?.removeValue(forKey: ticket) else { return nil }
            if byQueue[queue]?.isEmpty == true { byQueue[queue] = nil }
            byConnection.remove(ticket, of: held.connection)
            byTime.remove(ticket, of: held.deadline / Self.sliceMilliseconds)
            count -= 1
            return held
        }
    }
}

extension Dictionary where Value == [UInt64: QueueKey] {
    /// Takes a ticket out, and the key with the last of them.
    fileprivate mutating func remove(_ ticket: UInt64, of key: Key) {
        self[key]?.removeValue(forKey: ticket)
        if self[key]?.isEmpty == true { self[key] = nil }
    }
}
