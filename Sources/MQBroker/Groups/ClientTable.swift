import MQWire

/// Who produces and consumes through this broker, by group. Pure: members are named by their connection's number.
///
/// A member is known from its heartbeats, until it unregisters, its connection closes or it is silent for too long.
/// What a connection is in is known by the connection, too: its end costs what it had, however many groups there are.
struct ClientTable: Sendable {
    /// A member of a group.
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

    /// The groups that a connection is in.
    private struct Peer: Sendable {
        var clientID: String
        var consumers: Set<String> = []
        var producers: Set<String> = []

        var isEmpty: Bool { consumers.isEmpty && producers.isEmpty }
    }

    private(set) var consumers: [String: ConsumerGroup] = [:]
    private(set) var producers: [String: [UInt64: Member]] = [:]
    private var peers: [UInt64: Peer] = [:]
    /// A client that came back has two connections for a while.
    private var connectionsOfClients: [String: Set<UInt64>] = [:]
    /// How many members all groups have together.
    private(set) var memberships = 0

    /// The groups of either kind that one connection may be in.
    static let groupLimit = 1024
    /// Members of all groups together: some 300 MiB. A client of RocketMQ's is in a handful.
    static let membershipLimit = 1_000_000

    /// Why a heartbeat is not taken; `nil` when it is.
    func objection(to data: HeartbeatData, connection: UInt64) -> String? {
        let peer = peers[connection]
        let consuming = Set(data.consumers.map(\.groupName)).subtracting(peer?.consumers ?? [])
        let producing = Set(data.producerGroups).subtracting(peer?.producers ?? [])
        let most = max(
            consuming.count + (peer?.consumers.count ?? 0), producing.count + (peer?.producers.count ?? 0))
        if most > Self.groupLimit { return "a client of \(most) groups (at most \(Self.groupLimit))" }
        guard memberships + consuming.count + producing.count > Self.membershipLimit else { return nil }
        return "this broker's groups have \(memberships) members (at most \(Self.membershipLimit))"
    }

    /// Takes a heartbeat to which there is no objection; gives the consumer groups whose members must hear of a change.
    mutating func heartbeat(
        _ data: HeartbeatData, connection: UInt64, nowMilliseconds: Int64, language: LanguageCode = .other,
        version: Int32 = 0
    ) -> [String] {
        let member = Member(
            clientID: data.clientID, connection: connection, lastSeen: nowMilliseconds, language: language,
            version: version)
        know(data.clientID, by: connection)
        var changed: [String] = []
        for consumer in data.consumers {
            let name = consumer.groupName
            let before = consumers[name, default: ConsumerGroup()].members.updateValue(member, forKey: connection)
            if before == nil { memberships += 1 }
            peers[connection]?.consumers.insert(name)
            // A client that came back on a new connection is one member, not two.
            for other in connectionsOfClients[data.clientID] ?? []
            where other != connection && consumers[name]?.members[other]?.clientID == data.clientID {
                leave(name, other)
            }
            if consumers[name]?.update(consumer) == true || before?.clientID != member.clientID { changed.append(name) }
        }
        for group in data.producerGroups {
            if producers[group, default: [:]].updateValue(member, forKey: connection) == nil { memberships += 1 }
            peers[connection]?.producers.insert(group)
        }
        // One that is in no group is none of ours.
        forgetIfIdle(connection)
        return changed
    }

    /// Takes a client out of one or both groups; gives the consumer group if its members must hear of it.
    mutating func unregister(clientID: String, producerGroup: String?, consumerGroup: String?) -> [String] {
        var changed: [String] = []
        for connection in connectionsOfClients[clientID] ?? [] {
            if let producerGroup, producers[producerGroup]?[connection]?.clientID == clientID {
                stopProducing(producerGroup, connection)
            }
            if let consumerGroup, consumers[consumerGroup]?.members[connection]?.clientID == clientID {
                leave(consumerGroup, connection)
                changed = [consumerGroup]
            }
        }
        return changed
    }

    /// Forgets a connection that closed; gives the consumer groups it was in.
    mutating func connectionClosed(_ connection: UInt64) -> [String] {
        guard let peer = peers[connection] else { return [] }
        for group in peer.producers { stopProducing(group, connection) }
        for group in peer.consumers { leave(group, connection) }
        return peer.consumers.sorted()
    }

    /// Forgets who was silent since before `limit`; gives the consumer groups that lost a member.
    mutating func expire(seenBefore limit: Int64) -> [String] {
        var changed: [String] = []
        let silentProducers = producers.flatMap { group, members in
            members.values.lazy.filter { $0.lastSeen < limit }.map { (group, $0.connection) }
        }
        for (group, connection) in silentProducers { stopProducing(group, connection) }
        let silentConsumers = consumers.flatMap { name, group in
            group.members.values.lazy.filter { $0.lastSeen < limit }.map { (name, $0.connection) }
        }
        for (group, connection) in silentConsumers {
            leave(group, connection)
            if changed.last != group { changed.append(group) }
        }
        return changed
    }

    // MARK: Who is where

    /// The client ids of a group's members, sorted, so that all members divide the queues alike.
    func clientIDs(of group: String) -> [String] {
        consumers[group]?.members.values.map(\.clientID).sorted() ?? []
    }

    /// The connections of a group's members.
    func connections(of group: String) -> [UInt64] { consumers[group].map { Array($0.members.keys) } ?? [] }

    /// The connection of a member of a consumer group.
    func connection(of clientID: String, in group: String) -> UInt64? {
        connectionsOfClients[clientID]?.first { consumers[group]?.members[$0]?.clientID == clientID }
    }

    /// The connection of a client that produces, in whatever group; the newest of several.
    func producerConnection(of clientID: String) -> UInt64? {
        connectionsOfClients[clientID]?.filter { peers[$0]?.producers.isEmpty == false }.max()
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

    // MARK: Coming and going

    private mutating func know(_ clientID: String, by connection: UInt64) {
        let before = peers[connection]?.clientID
        guard before != clientID else { return }
        if let before { forget(before, by: connection) }
        peers[connection, default: Peer(clientID: clientID)].clientID = clientID
        connectionsOfClients[clientID, default: []].insert(connection)
    }

    private mutating func forget(_ clientID: String, by connection: UInt64) {
        connectionsOfClients[clientID]?.remove(connection)
        if connectionsOfClients[clientID]?.isEmpty == true { connectionsOfClients[clientID] = nil }
    }

    private mutating func forgetIfIdle(_ connection: UInt64) {
        guard let peer = peers[connection], peer.isEmpty else { return }
        peers[connection] = nil
        forget(peer.clientID, by: connection)
    }

    private mutating func leave(_ group: String, _ connection: UInt64) {
        guard consumers[group]?.members.removeValue(forKey: connection) != nil else { return }
        if consumers[group]?.members.isEmpty == true { consumers[group] = nil }
        memberships -= 1
        peers[connection]?.consumers.remove(group)
        forgetIfIdle(connection)
    }

    private mutating func stopProducing(_ group: String, _ connection: UInt64) {
        guard producers[group]?.removeValue(forKey: connection) != nil else { return }
        if producers[group]?.isEmpty == true { producers[group] = nil }
        memberships -= 1
        peers[connection]?.producers.remove(group)
        forgetIfIdle(connection)
    }
}

extension ClientTable.ConsumerGroup {
    /// Takes a member's word for what the group is; says whether the set of topics or a filter changed.
    fileprivate mutating func update(_ data: ConsumerData) -> Bool {
        consumeType = data.consumeType
        messageModel = data.messageModel
        consumeFromWhere = data.consumeFromWhere
        return update(subscriptions: data.subscriptions)
    }

    /// Takes newer subscriptions and drops those that are gone.
    private mutating func update(subscriptions fresh: [SubscriptionData]) -> Bool {
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
