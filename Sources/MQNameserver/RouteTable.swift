public import MQWire

/// What a nameserver knows: which brokers are alive and which topics they hold.
///
/// A value: every input carries its time, every effect is returned. Brokers register again and again, which is their
/// heartbeat; one that is silent for longer than the expiry, or whose connection closes, is dropped with all its
/// routes. Nameservers know nothing of each other. Source: RocketMQ 4.9 `RouteInfoManager`.
///
/// Invariants: a broker set has at least one address; a cluster has at least one set; a topic has at least one set
/// that holds it; an address appears under one id only within its set.
public struct RouteTable: Sendable {
    /// What is known of one broker process.
    struct LiveBroker: Sendable, Equatable {
        var brokerName: String
        var lastUpdate: ContinuousClock.Instant
        var dataVersion: DataVersion
        var connection: UInt64
        var haServerAddress: String?
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

    private var brokers: [String: BrokerData] = [:]
    private var clusters: [String: Set<String>] = [:]
    private var topics: [String: [String: QueueData]] = [:]
    private var live: [String: LiveBroker] = [:]

    /// An empty table.
    public init() {}

    // MARK: Brokers come

    /// A broker registers, for the first time or as its heartbeat.
    ///
    /// Topics are taken from masters only, and only when their version has changed, so that a permission wiped here
    /// stays wiped until the broker changes its own table; and from a slave that has become master, whose version may
    /// be the one that it had.
    public mutating func register(
        _ header: RegisterBrokerRequestHeader, table: TopicConfigTable, connection: UInt64,
        now: ContinuousClock.Instant
    ) -> Registration {
        let (name, address) = (header.brokerName, header.brokerAddress)
        clusters[header.clusterName, default: []].insert(name)
        var set = brokers[name] ?? BrokerData(cluster: header.clusterName, brokerName: name, addresses: [:])
        let isNewMaster = header.brokerID == 0 && set.addresses[0] != address
        // A slave that has become master keeps its address: it must not be listed under both ids.
        set.addresses = set.addresses.filter { $0.value != address || $0.key == header.brokerID }
        set.addresses[header.brokerID] = address
        set.cluster = header.clusterName
        brokers[name] = set

        let known = live[address]
        if header.brokerID == 0, isNewMaster || known == nil || known?.dataVersion != table.dataVersion {
            for topic in table.topics.values {
                topics[topic.name, default: [:]][name] = QueueData(
                    brokerName: name, readQueueNums: topic.readQueueNums, writeQueueNums: topic.writeQueueNums,
                    permission: topic.permission, topicSysFlag: topic.sysFlag)
            }
        }
        live[address] = LiveBroker(
            brokerName: name, lastUpdate: now, dataVersion: table.dataVersion, connection: connection,
            haServerAddress: header.haServerAddress)

        var registration = Registration(isNew: known == nil)
        if header.brokerID != 0, let master = set.masterAddress {
            registration.masterAddress = master
            registration.haServerAddress = live[master]?.haServerAddress
        }
        return registration
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
        let isListed = brokers[broker.brokerName]?.addresses.values.contains(address) ?? false
        return (known != version || !isListed, known)
    }

    // MARK: Brokers go

    /// A broker says goodbye.
    public mutating func unregister(_ header: UnregisterBrokerRequestHeader) {
        live[header.brokerAddress] = nil
        removeAddress(header.brokerAddress, from: header.brokerName)
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
        return gone.map { address, broker in
            live[address] = nil
            removeAddress(address, from: broker.brokerName)
            return Departure(brokerAddress: address, brokerName: broker.brokerName, connection: broker.connection)
        }
    }

    /// Takes an address out of its set, and with the set's last one the set, its topics and an empty cluster.
    private mutating func removeAddress(_ address: String, from name: String) {
        guard var set = brokers[name] else { return }
        set.addresses = set.addresses.filter { $0.value != address }
        guard set.addresses.isEmpty else {
            brokers[name] = set
            return
        }
        brokers[name] = nil
        for cluster in clusters.keys {
            clusters[cluster]?.remove(name)
            if clusters[cluster]?.isEmpty ?? false { clusters[cluster] = nil }
        }
        for topic in Array(topics.keys) { removeQueues(of: topic, brokerName: name) }
    }

    private mutating func removeQueues(of topic: String, brokerName: String) {
        topics[topic]?[brokerName] = nil
        if topics[topic]?.isEmpty ?? false { topics[topic] = nil }
    }

    // MARK: Questions

    /// Where a topic's queues are; `nil` when no broker alive holds it.
    public func route(of topic: String) -> TopicRouteData? {
        guard let queues = topics[topic] else { return nil }
        let names = queues.keys.sorted()
        let sets = names.compactMap { brokers[$0] }
        guard !sets.isEmpty else { return nil }
        return TopicRouteData(queueDatas: names.compactMap { queues[$0] }, brokerDatas: sets)
    }

    /// All broker sets and clusters.
    public var clusterInfo: ClusterInfo {
        ClusterInfo(brokers: brokers, clusters: clusters.mapValues { $0.sorted() })
    }

    /// All topic names, sorted.
    public var topicNames: [String] { topics.keys.sorted() }

    /// The topics that a cluster's brokers hold, sorted.
    public func topicNames(inCluster cluster: String) -> [String] {
        let names = clusters[cluster] ?? []
        return topics.filter { !names.isDisjoint(with: $0.value.keys) }.keys.sorted()
    }

    /// The topics with at least these bits and none of those in their system flag, sorted.
    public func topicNames(withFlags flags: Int32, without other: Int32 = 0) -> [String] {
        topics.filter { _, sets in
            let flag = sets.sorted { $0.key < $1.key }.first?.value.topicSysFlag ?? 0
            return flag & flags == flags && flag & other == 0
        }.keys.sorted()
    }

    // MARK: Interventions

    /// Takes or gives the write permission of all topics of a broker set; returns how many topics it has.
    public mutating func setWritable(_ isWritable: Bool, brokerName: String) -> Int {
        var count = 0
        for topic in topics.keys {
            guard var queues = topics[topic]?[brokerName] else { continue }
            if isWritable { queues.permission.insert(.write) } else { queues.permission.remove(.write) }
            topics[topic]?[brokerName] = queues
            count += 1
        }
        return count
    }

    /// Deletes a topic's routes, in one cluster or everywhere.
    public mutating func deleteTopic(_ topic: String, cluster: String?) {
        guard let cluster else {
            topics[topic] = nil
            return
        }
        for name in clusters[cluster] ?? [] { removeQueues(of: topic, brokerName: name) }
    }
}
