import MQWire

/// The groups that a client is a member of, which its heartbeats announce.
struct GroupRegistry: Sendable {
    private var producers: [String: Int] = [:]
    private var consumers: [String: (members: Int, topics: Set<String>)] = [:]

    var isEmpty: Bool { producers.isEmpty && consumers.isEmpty }

    mutating func addProducer(_ group: String) { producers[group, default: 0] += 1 }

    /// Whether the group has no producer here any more.
    mutating func removeProducer(_ group: String) -> Bool {
        guard let count = producers[group], count > 1 else {
            producers[group] = nil
            return true
        }
        producers[group] = count - 1
        return false
    }

    mutating func addConsumer(_ group: String) { consumers[group, default: (0, [])].members += 1 }

    /// Notes a topic that the group reads; whether that is news to the brokers.
    mutating func subscribe(_ group: String, to topic: String) -> Bool {
        consumers[group]?.topics.insert(topic).inserted ?? false
    }

    /// Whether the group has no consumer here any more.
    mutating func removeConsumer(_ group: String) -> Bool {
        guard let entry = consumers[group], entry.members > 1 else {
            consumers[group] = nil
            return true
        }
        consumers[group]?.members -= 1
        return false
    }

    func heartbeat(clientID: String) -> HeartbeatData {
        HeartbeatData(
            clientID: clientID, producerGroups: producers.keys.sorted(),
            consumers: consumers.sorted { $0.key < $1.key }.map { group, entry in
                ConsumerData(
                    groupName: group, subscriptions: entry.topics.sorted().map { SubscriptionData(topic: $0) })
            })
    }
}
