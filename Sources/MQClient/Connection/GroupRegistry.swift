import MQWire

/// The groups that a client is a member of, which its heartbeats announce.
struct GroupRegistry: Sendable {
    private var producers: [String: Int] = [:]
    private var consumers: [String: (members: Int, topics: Set<String>)] = [:]
    /// Groups whose consumer says itself what it is.
    private var announced: [String: ConsumerData] = [:]

    /// Producer groups that brokers ask about transactions, also brokers that they have not sent to since they began.
    private var asked: Set<String> = []

    /// Whether every broker must hear of this client, and not only those that its routes name.
    var mustMeetAllBrokers: Bool { !asked.isEmpty }

    var isEmpty: Bool { producers.isEmpty && consumers.isEmpty && announced.isEmpty }

    mutating func announce(_ data: ConsumerData) { announced[data.groupName] = data }

    /// Ends an announcement; whether the group has no consumer here any more.
    mutating func withdraw(_ group: String) -> Bool {
        announced[group] = nil
        return consumers[group] == nil
    }

    mutating func addProducer(_ group: String) { producers[group, default: 0] += 1 }

    /// A producer's group answers for transactions, until its last producer here is gone.
    mutating func answersForTransactions(_ group: String) { asked.insert(group) }

    /// Whether the group has no producer here any more.
    mutating func removeProducer(_ group: String) -> Bool {
        guard let count = producers[group], count > 1 else {
            producers[group] = nil
            asked.remove(group)
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
            return announced[group] == nil
        }
        consumers[group]?.members -= 1
        return false
    }

    func heartbeat(clientID: String) -> HeartbeatData {
        let pulling = consumers.filter { announced[$0.key] == nil }.map { group, entry in
            ConsumerData(groupName: group, subscriptions: entry.topics.sorted().map { SubscriptionData(topic: $0) })
        }
        return HeartbeatData(
            clientID: clientID, producerGroups: producers.keys.sorted(),
            consumers: (pulling + announced.values).sorted { $0.groupName < $1.groupName })
    }
}
