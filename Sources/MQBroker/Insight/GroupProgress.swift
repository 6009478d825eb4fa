import MQStore
import MQWire
import Synchronization

/// How far one group is, by queue; blocks on the disk.
struct GroupProgress {
    let context: BrokerContext

    /// The progress in these topics, with the messages consumed per second.
    func stats(of topics: [TopicConfig], group: String) throws -> ConsumeStats {
        var places: [ConsumeStats.Queue] = []
        for topic in topics {
            for (queue, key) in Self.queues(of: topic, brokerName: context.configuration.brokerName) {
                let committed = context.offsets.withLock { $0.offset(group: group, queue: key) } ?? 0
                // When the last message that the group has consumed was stored.
                let last = committed > 0 ? try context.store.storeTimestamp(of: key, at: committed - 1) : nil
                places.append(
                    ConsumeStats.Queue(
                        queue: queue, brokerOffset: context.store.maximumOffset(of: key), consumerOffset: committed,
                        lastTimestamp: last ?? 0))
            }
        }
        let now = context.uptime()
        let rate = context.stats.withLock { stats in
            topics.reduce(0) { $0 + stats.consumed(topic: $1.name, group: group, now: now) }
        }
        return ConsumeStats(queues: places, consumedPerSecond: rate)
    }

    /// The queues that may hold messages: a topic that shrinks has more to read than to write.
    static func queues(of topic: TopicConfig, brokerName: String) -> [(queue: QueueIdentity, key: QueueKey)] {
        let count = max(topic.readQueueNums, topic.writeQueueNums)
        return (0..<max(0, count)).map {
            (
                QueueIdentity(topic: topic.name, brokerName: brokerName, queueID: $0),
                QueueKey(topic: topic.name, queueID: $0)
            )
        }
    }
}
