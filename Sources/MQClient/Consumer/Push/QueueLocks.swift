import Synchronization

/// The queues that brokers have locked for this client's orderly groups, and since when.
///
/// A lock that was not renewed in time is as good as none: the broker may have given it to another member. Source:
/// RocketMQ 4.9, ProcessQueue (20 s between renewals, 30 s until it counts as lost; the broker's own limit is 60 s).
final class QueueLocks: Sendable {
    static let renewalInterval = Duration.seconds(20)
    static let lifetime = Duration.seconds(30)

    private struct Key: Hashable {
        let group: String
        let queue: MessageQueue
    }

    private let held = Mutex<[Key: ContinuousClock.Instant]>([:])

    /// Whether a lock is still good.
    func holds(_ queue: MessageQueue, group: String, now: ContinuousClock.Instant = .now) -> Bool {
        held.withLock { $0[Key(group: group, queue: queue)].map { now - $0 < Self.lifetime } ?? false }
    }

    /// The broker's word, asked for at a time: exactly these of the wanted queues are locked.
    func set(_ locked: Set<MessageQueue>, of wanted: [MessageQueue], group: String, asked: ContinuousClock.Instant) {
        held.withLock { held in
            for queue in wanted { held[Key(group: group, queue: queue)] = locked.contains(queue) ? asked : nil }
        }
    }

    /// A queue is given up.
    func drop(_ queue: MessageQueue, group: String) {
        held.withLock { $0[Key(group: group, queue: queue)] = nil }
    }
}
