import MQWire
import NIOCore

/// The requests of one connection that wait for an answer: a value, so that deadlines are tested without a clock.
struct PendingRequests {
    struct Entry {
        let request: RequestCode
        let timeout: Duration
        let deadline: NIODeadline
        /// When it was asked for, to be compared with the last word of the peer.
        let start: NIODeadline
        let promise: EventLoopPromise<RemotingCommand>
    }

    private var entries: [Int32: Entry] = [:]

    var count: Int { entries.count }

    /// The nearest deadline.
    var nextDeadline: NIODeadline? { entries.values.lazy.map(\.deadline).min() }

    /// Adds a request; its opaque is free, since the connection counts them up.
    mutating func insert(_ entry: Entry, opaque: Int32) {
        let replaced = entries.updateValue(entry, forKey: opaque)
        precondition(replaced == nil, "opaque \(opaque) is in use twice on one connection")
    }

    /// The request that an answer belongs to; `nil` when it came too late or from nowhere.
    mutating func take(opaque: Int32) -> Entry? { entries.removeValue(forKey: opaque) }

    /// Takes out what is due.
    mutating func expire(now: NIODeadline) -> [Entry] {
        let due = entries.filter { $0.value.deadline <= now }
        for opaque in due.keys { entries.removeValue(forKey: opaque) }
        return Array(due.values)
    }

    /// Takes out everything.
    mutating func drain() -> [Entry] {
        defer { entries = [:] }
        return Array(entries.values)
    }
}
