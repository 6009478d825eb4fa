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
            locks[group, default: [:]][queue] = Holder(clientID: clientID, renewed: nowMilliseconds)
            return true
        }
    }

    /// Gives back what the client holds; others' locks stay.
    mutating func unlock(group: String, clientID: String, queues: [QueueIdentity]) {
        for queue in queues where locks[group]?[queue]?.clientID == clientID {
            locks[group]?[queue] = nil
        }
        if locks[group]?.isEmpty == true { locks[group] = nil }
    }
}
