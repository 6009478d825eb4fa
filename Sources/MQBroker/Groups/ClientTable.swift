import MQWire

/// Who produces and consumes through this broker, by group. Pure: members are named by their connection's number.
///
/// A member is known from its heartbeats, until it unregisters, its connection closes or it is silent for too long.
struct ClientTable: Sendable {
    /// A member of a consumer group.
    struct Member: Sendable, Equatable {
        var clientID: String
        var connection: UInt64
        var lastSeen: Int64
        var language = LanguageCode.other
        var version: Int32 = 0
    }

    /// A consumer group that has members.
    struct ConsumerGroup: Sendable {
        var members: [UInt64: Member] = [:]
        var subscriptions: [String: SubscriptionData] = [:]
        var consumeType = ConsumeType.passively
        var messageModel = MessageModel.clustering
        var consumeFromWhere = ConsumeFromWhere.lastOffset
    }

    private(set) var consumers: [String: ConsumerGroup] = [:]
    private(set) var producers: [String: [UInt64: Member]] = [:]

    /// Takes a heartbeat; gives the consumer groups whose members must hear of a change.
    mutating func heartbeat(
        _ data: HeartbeatData, connection: UInt64, nowMilliseconds: Int64, language: LanguageCode = .other,
        version: Int32 = 0
    ) -> [String] {
        let member = Member(
            clientID: data.clientID, connection: connection, lastSeen: nowMilliseconds, language: language,
            version: version)
        var changed: [String] = []
        for consumer in data.consumers {
            var group = consumers[consumer.groupName] ?? ConsumerGroup()
            let isNew = group.members.updateValue(member, forKey: connection)?.clientID != member.clientID
            // A client that came back on a new connection is one member, not two.
            let stale = group.members.filter { $0.key != connection && $0.value.clientID == member.clientID }
            for key in stale.keys { group.members[key] = nil }
            let subscriptionsChanged = group.update(subscriptions: consumer.subscriptions)
            group.consumeType = consumer.consumeType
            group.messageModel = consumer.messageModel
            group.consumeFromWhere = consumer.consumeFromWhere
            consumers[consumer.groupName] = group
            if isNew || subscriptionsChanged { changed.append(consumer.groupName) }
        }
        for group in data.producerGroups { producers[group, default: [:]][connection] = member }
        return changed
    }

    /// Takes a client out of one or both groups; gives the consumer group if its members must hear of it.
    mutating func unregister(clientID: String, producerGroup: String?, consumerGroup: String?) -> [String] {
        if let producerGroup { producers.removeMembers(of: producerGroup) { $0.clientID == clientID } }
        guard let name = consumerGroup, var group = consumers[name] else { return [] }
        let before = group.members.count
        group.members = group.members.filter { $0.value.clientID != clientID }
        consumers[name] = group.members.isEmpty ? nil : group
        return group.members.count == before ? [] : [name]
    }

    /// Forgets a connection that closed; gives the consumer groups it was in.
    mutating func connectionClosed(_ connection: UInt64) -> [String] {
        removeMembers { $0.connection == connection }
    }

    /// Forgets who was silent since before `limit`; gives the consumer groups that lost a member.
    mutating func expire(seenBefore limit: Int64) -> [String] {
        removeMembers { $0.lastSeen < limit }
    }

    private mutating func removeMembers(where isGone: (Member) -> Bool) -> [String] {
        for name in producers.keys { producers.removeMembers(of: name, where: isGone) }
        var changed: [String] = []
        for (name, group) in consumers {
            let kept = group.members.filter { !isGone($0.value) }
            guard kept.count != group.members.count else { continue }
            consumers[name]?.members = kept
            if kept.isEmpty { consumers[name] = nil }
            changed.append(name)
        }
        return changed
    }

    /// The client ids of a group's members, sorted, so that all members divide the queues alike.
    func clientIDs(of group: String) -> [String] {
        consumers[group]?.members.values.map(\.clientID).sorted() ?? []
    }

    /// The connections of a group's members.
    func connections(of group: String) -> [UInt64] { consumers[group].map { Array($0.members.keys) } ?? [] }

    /// The connection of a member of a consumer group.
    func connection(of clientID: String, in group: String) -> UInt64? {
        consumers[group]?.members.values.first { $0.clientID == clientID }?.connection
    }

    /// The connection of a client that produces, in whatever group.
    func producerConnection(of clientID: String) -> UInt64? {
        for members in producers.values {
            if let member = members.values.first(where: { $0.clientID == clientID }) { return member.connection }
        }
        return nil
    }

    /// The groups that have members who want the topic, sorted.
    func groups(subscribedTo topic: String) -> [String] {
        consumers.filter { $0.value.subscriptions[topic] != nil }.keys.sorted()
    }

    /// Whether the group's members each consume everything.
    func isBroadcasting(_ group: String) -> Bool { consumers[group]?.messageModel == .broadcasting }

    /// What the group wants of the topic, by its last heartbeat.
    func subscription(group: String, topic: String) -> SubscriptionData? {
        consumers[group]?.subscriptions[topic]
    }
}

extension ClientTable.ConsumerGroup {
    /// Takes newer subscriptions and drops those that are gone; says whether the set of topics or a filter changed.
    fileprivate mutating func update(subscriptions fresh: [SubscriptionData]) -> Bool {
        var changed = false
        for subscription in fresh {
            let old = subscriptions[subscription.topic]
            if old == nil || old?.expression != subscription.expression { changed = true }
            if old == nil || (old?.version ?? 0) <= subscription.version {
                subscriptions[subscription.topic] = subscription
            }
        }
        let topics = Set(fresh.map(\.topic))
        for topic in subscriptions.keys where !topics.contains(topic) {
            subscriptions[topic] = nil
            changed = true
        }
        return changed
    }
}

extension [String: [UInt64: ClientTable.Member]] {
    fileprivate mutating func removeMembers(of group: String, where isGone: (ClientTable.Member) -> Bool) {
        guard let members = self[group] else { return }
        let kept = members.filter { !isGone($0.value) }
        self[group] = kept.isEmpty ? nil : kept
    }
}
