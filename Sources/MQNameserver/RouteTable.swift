public import MQWire

/// What a nameserver knows: which brokers are alive and which topics they hold.
///
/// A value: every input carries its time, every effect is returned. Brokers register again and again, which is their
/// heartbeat; one that is silent for longer than the expiry, or whose connection closes, is dropped with all its
/// routes. Nameservers know nothing of each other. Source: RocketMQ 4.9 `RouteInfoManager`.
///
/// Topics are kept with their broker set, and a route is asked of each set: a set with a hundred thousand topics then
/// goes in one step, and not topic by topic.
///
/// Invariants: a broker set has at least one address, and belongs to one cluster; an address appears once, in the set
/// and under the id that it last said; whatever address a set lists is alive.
public struct RouteTable: Sendable {
    /// What is known of one broker process.
    struct LiveBroker: Sendable, Equatable {
        var brokerName: String
        var lastUpdate: ContinuousClock.Instant
        var dataVersion: DataVersion
        var connection: UInt64
        var haServerAddress: String?
    }

    /// The brokers of one name, and their topics.
    private struct BrokerSet: Sendable {
        var data: BrokerData
        var topics: [String: QueueData] = [:]
        /// What the topics count for, see ``RouteLimits/tableBytes``.
        var topicBytes = 0
    }

    /// What a broker is told in answer to its registration: the master, if it is a slave and there is one.
    public struct Registration: Sendable, Equatable {
        /// The master's address.
        public var masterAddress: String?
        /// Where the master's log is to be had.
        public var haServerAddress: String?
        /// Whether this address was not known before.
        public var isNew: Bool
    }

    /// A broker that has gone, and why its connection, if still open, has no further use.
    public struct Departure: Sendable, Equatable {
        /// Its address.
        public var brokerAddress: String
        /// Its set.
        public var brokerName: String
        /// The connection that it last registered through.
        public var connection: UInt64
    }

    private let limits: RouteLimits
    private var sets: [String: BrokerSet] = [:]
    private var live: [String: LiveBroker] = [:]
    /// What the topics of all sets count for.
    private var topicBytes = 0

    /// An empty table.
    public init(limits: RouteLimits = RouteLimits()) { self.limits = limits }

    // MARK: Brokers come

    /// A broker registers, for the first time or as its heartbeat.
    ///
    /// Topics are taken from masters only, and only when their version has changed, so that a permission wiped here
    /// stays wiped until the broker changes its own table; and from a slave that has become master, whose version may
    /// be the one that it had.
    ///
    /// - Throws: what passes a limit; nothing of it is taken then, but a broker that is known counts as alive.
    public mutating func register(
        _ header: RegisterBrokerRequestHeader, table: TopicConfigTable, connection: UInt64,
        now: ContinuousClock.Instant
    ) throws(RouteLimits.Refusal) -> Registration {
        let (name, address) = (header.brokerName, header.brokerAddress)
        let known = live[address]
        live[address]?.lastUpdate = now
        let isNewMaster = header.brokerID == 0 && sets[name]?.data.addresses[0] != address
        let bringsTopics = header.brokerID == 0 && (isNewMaster || known?.dataVersion != table.dataVersion)
        try check(header, topics: bringsTopics ? table.topics : [:], isKnown: known != nil)

        // One that has changed its name must not stay listed under the old one, where nobody would ever take it out.
        if let known, known.brokerName != name { removeAddress(address, from: known.brokerName) }
        let data = BrokerData(cluster: header.clusterName, brokerName: name, addresses: [:])
        var set = sets.removeValue(forKey: name) ?? BrokerSet(data: data)
        // A slave that has become master keeps its address: it must not be listed under both ids.
        set.data.addresses = set.data.addresses.filter { $0.value != address || $0.key == header.brokerID }
        set.data.addresses[header.brokerID] = address
        set.data.cluster = header.clusterName
        if bringsTopics { take(table.topics, into: &set) }
        sets[name] = set
        live[address] = LiveBroker(
            brokerName: name, lastUpdate: now, dataVersion: table.dataVersion, connection: connection,
            haServerAddress: header.haServerAddress)

        var registration = Registration(isNew: known == nil)
        if header.brokerID != 0, let master = set.data.masterAddress {
            registration.masterAddress = master
            registration.haServerAddress = live[master]?.haServerAddress
        }
        return registration
    }

    private func check(
        _ header: RegisterBrokerRequestHeader, topics: [String: TopicConfig], isKnown: Bool
    ) throws(RouteLimits.Refusal) {
        try limits.check(header.brokerName, "brokerName")
        try limits.check(header.brokerAddress, "brokerAddr")
        try limits.check(header.clusterName, "clusterName", mayBeEmpty: true)
        try limits.check(header.haServerAddress ?? "", "haServerAddr", mayBeEmpty: true)
        guard isKnown || live.count < limits.brokers else {
            throw RouteLimits.Refusal(description: "the nameserver is full: it knows \(live.count) brokers")
        }
        var added = 0
        let known = sets[header.brokerName]?.topics
        for name in topics.keys where known?[name] == nil {
            try limits.check(name, "topicName")
            added += RouteLimits.topicBytes(name)
        }
        guard topicBytes + added <= limits.tableBytes else {
            throw RouteLimits.Refusal(
                description: "the nameserver is full: its topics take \(topicBytes) of \(limits.tableBytes) bytes, and "
                    + "these would take \(added)")
        }
    }

    private mutating func take(_ topics: [String: TopicConfig], into set: inout BrokerSet) {
        for topic in topics.values {
            let queues = QueueData(
                brokerName: set.data.brokerName, readQueueNums: topic.readQueueNums,
                writeQueueNums: topic.writeQueueNums, permission: topic.permission, topicSysFlag: topic.sysFlag)
            guard set.topics.updateValue(queues, forKey: topic.name) == nil else { continue }
            set.topicBytes += RouteLimits.topicBytes(topic.name)
            topicBytes += RouteLimits.topicBytes(topic.name)
        }
    }

    /// A broker asks whether it must send its table; asking counts as a sign of life.
    ///
    /// An unchanged broker does not register again, so that its connection is noted here too: the end of an earlier
    /// one must not take it out of the routes.
    public mutating func query(
        _ version: DataVersion, of address: String, connection: UInt64, now: ContinuousClock.Instant
    ) -> (isChanged: Bool, known: DataVersion?) {
        guard let broker = live[address] else { return (true, nil) }
        let known = broker.dataVersion
        live[address]?.lastUpdate = now
        live[address]?.connection = connection
        // Another address may have taken the broker's place, and gone with its topics.
        let isListed = sets[broker.brokerName]?.data.addresses.values.contains(address) ?? false
        return (known != version || !isListed, known)
    }

    // MARK: Brokers go

    /// A broker says goodbye; `nil` when none of this name is known at this address, and then nobody goes.
    public mutating func unregister(_ header: UnregisterBrokerRequestHeader) -> Departure? {
        let address = header.brokerAddress
        guard let broker = live[address], broker.brokerName == header.brokerName else { return nil }
        return remove(address, broker)
    }

    /// A connection has closed: the brokers that last registered through it are gone.
    public mutating func connectionClosed(_ connection: UInt64) -> [Departure] {
        drop { $0.connection == connection }
    }

    /// Drops every broker that was silent for longer than `expiry`.
    public mutating func expire(after expiry: Duration, now: ContinuousClock.Instant) -> [Departure] {
        drop { $0.lastUpdate.advanced(by: expiry) < now }
    }

    private mutating func drop(where isGone: (LiveBroker) -> Bool) -> [Departure] {
        let gone = live.filter { isGone($0.value) }.sorted { $0.key < $1.key }
        return gone.map { remove($0.key, $0.value) }
    }

    private mutating func remove(_ address: String, _ broker: LiveBroker) -> Departure {
        live[address] = nil
        removeAddress(address, from: broker.brokerName)
        return Departure(brokerAddress: address, brokerName: broker.brokerName, connection: broker.connection)
    }

    /// Takes an address out of its set, and with the set's last one the set and its topics.
    private mutating func removeAddress(_ address: String, from name: String) {
        guard let data = sets[name]?.data else { return }
        let rest = data.addresses.filter { $0.value != address }
        if rest.isEmpty {
            topicBytes -= sets.removeValue(forKey: name)?.topicBytes ?? 0
        } else {
            sets[name]?.data.addresses = rest
        }
    }

    // MARK: Questions

    /// Where a topic's queues are; `nil` when no broker alive holds it.
    public func route(of topic: String) -> TopicRouteData? {
        var found: [(queues: QueueData, data: BrokerData)] = []
        for set in sets.values {
            if let queues = set.topics[topic] { found.append((queues, set.data)) }
        }
        guard !found.isEmpty else { return nil }
        found.sort { $0.data.brokerName < $1.data.brokerName }
        return TopicRouteData(queueDatas: found.map(\.queues), brokerDatas: found.map(\.data))
    }

    /// All broker sets and clusters.
    public var clusterInfo: ClusterInfo {
        var clusters: [String: [String]] = [:]
        for (name, set) in sets { clusters[set.data.cluster, default: []].append(name) }
        return ClusterInfo(brokers: sets.mapValues(\.data), clusters: clusters.mapValues { $0.sorted() })
    }

    /// All topic names, sorted.
    public var topicNames: [String] { names { _ in true } }

    /// The topics that a cluster's brokers hold, sorted.
    public func topicNames(inCluster cluster: String) -> [String] { names { $0.cluster == cluster } }

    private func names(where isWanted: (BrokerData) -> Bool) -> [String] {
        var names: Set<String> = []
        for set in sets.values where isWanted(set.data) { names.formUnion(set.topics.keys) }
        return names.sorted()
    }

    /// The topics with at least these bits and none of those in their system flag, as the first set that holds them has
    /// it, sorted.
    public func topicNames(withFlags flags: Int32, without other: Int32 = 0) -> [String] {
        var known: [String: Int32] = [:]
        for (_, set) in sets.sorted(by: { $0.key < $1.key }) {
            known.merge(
                set.topics.lazy.map { ($0.key, $0.value.topicSysFlag) }, uniquingKeysWith: { first, _ in first })
        }
        return known.filter { $0.value & flags == flags && $0.value & other == 0 }.keys.sorted()
    }

    // MARK: Interventions

    /// Takes or gives the write permission of all topics of a broker set; returns how many topics it has.
    public mutating func setWritable(_ isWritable: Bool, brokerName: String) -> Int {
        guard var set = sets.removeValue(forKey: brokerName) else { return 0 }
        set.topics = set.topics.mapValues { queues in
            var queues = queues
            if isWritable { queues.permission.insert(.write) } else { queues.permission.remove(.write) }
            return queues
        }
        sets[brokerName] = set
        return set.topics.count
    }

    /// Deletes a topic's routes, in one cluster or everywhere.
    public mutating func deleteTopic(_ topic: String, cluster: String?) {
        for name in Array(sets.keys) where cluster == nil || sets[name]?.data.cluster == cluster {
            guard sets[name]?.topics.removeValue(forKey: topic) != nil else { continue }
            sets[name]?.topicBytes -= RouteLimits.topicBytes(topic)
            topicBytes -= RouteLimits.topicBytes(topic)
        }
    }
}
