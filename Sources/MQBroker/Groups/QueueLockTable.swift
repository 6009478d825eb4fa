import MQWire

/// Which member of a group consumes a queue in order. Pure.
///
/// A lock lasts 60 s from its last renewal (RocketMQ's `RebalanceLockManager`); members renew every 20 s.
struct QueueLockTable: Sendable {
    private struct Holder: Sendable {
        var clientID: String
        var renewed: Int64
    }

    private var locks: [String: [QueueIdentity: Holder]] = [:]
    private(set) var count = 0

    /// Locks at most; beyond, those that have expired are forgotten, and then no more are given.
    static let limit = 100_000

    /// How long a lock lasts without renewal, in milliseconds.
    static let lifeMilliseconds: Int64 = 60_000

    /// Locks or renews what is free, expired or already the client's; gives the queues the client now holds.
    mutating func lock(
        group: String, clientID: String, queues: [QueueIdentity], nowMilliseconds: Int64
    ) -> [QueueIdentity] {
        queues.filter { queue in
            if let holder = locks[group]?[queue], holder.clientID != clientID,
                nowMilliseconds - holder.renewed <= Self.lifeMilliseconds
            {
                return false
            }
            if locks[group]?[queue] == nil {
                if count >= Self.limit { forgetExpired(nowMilliseconds: nowMilliseconds) }
                guard count < Self.limit else { return false }
                count += 1
            }
            locks[group, default: [:]][queue] = Holder(clientID: clientID, renewed: nowMilliseconds)
            return true
        }
    }

    private mutating func forgetExpired(nowMilliseconds: Int64) {
        for group in Array(locks.keys) {
            locks[group] = locks[group]?.filter { nowMilliseconds - $0.value.renewed <= Self.lifeMilliseconds }
            if locks[group]?.isEmpty == true { locks[group] = nil }
        }
        count = locks.values.reduce(0) { $0 + $1.count }
    }

    /// Gives back what the client holds; others' locks stay.
    mutating func unlock(group: String, clientID: String, queues: [QueueIdentity]) {
        for queue in queues where locks[group]?[queue]?.clientID == clientID {
            locks[group]?[queue] = nil
            count -= 1
        }
        if locks[group]?.isEmpty == true { locks[group] = nil }
    }
}
