import MQWire

/// Brokers that share a name: a master and its slaves.
public struct BrokerSet: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The cluster.
    public let cluster: String
    /// Addresses by broker id; 0 is the master.
    public let addresses: [Int64: String]

    /// A broker set.
    public init(name: String, cluster: String, addresses: [Int64: String]) {
        self.name = name
        self.cluster = cluster
        self.addresses = addresses
    }

    /// The master's address, while there is one.
    public var masterAddress: String? { addresses[0] }

    /// The broker to read from: the suggested one, else the master, else the slave with the lowest id.
    func readAddress(suggestedID: Int64?) -> String? {
        if let suggestedID, let address = addresses[suggestedID] { return address }
        return authorityAddress
    }

    /// The broker whose word about offsets counts: the master; while there is none, the slave with the lowest id.
    var authorityAddress: String? { masterAddress ?? addresses.min { $0.key < $1.key }?.value }
}

/// Where a topic's queues are, as a nameserver says.
public struct TopicRoute: Sendable, Equatable {
    /// What one broker set holds of the topic.
    public struct Share: Sendable, Hashable {
        /// The broker set.
        public let brokerName: String
        /// How many queues may be read; 0 when reading is not permitted.
        public let readQueues: Int32
        /// How many queues may be written; 0 when writing is not permitted.
        public let writeQueues: Int32
    }

    /// The topic.
    public let topic: String
    /// The shares, by broker name.
    public let shares: [Share]
    /// The broker sets by name.
    public let brokers: [String: BrokerSet]
    /// The queues that can be sent to: writing is permitted and the master is there.
    public let writableQueues: [MessageQueue]

    init(topic: String, data: TopicRouteData) {
        self.topic = topic
        shares = data.queueDatas.map { queues in
            Share(
                brokerName: queues.brokerName,
                readQueues: queues.permission.contains(.read) ? queues.readQueueNums : 0,
                writeQueues: queues.permission.contains(.write) ? queues.writeQueueNums : 0)
        }.sorted { $0.brokerName < $1.brokerName }
        brokers = Dictionary(
            data.brokerDatas.map { ($0.brokerName, BrokerSet($0)) }, uniquingKeysWith: { $1 })
        writableQueues = Self.writableQueues(topic, shares, brokers)
    }

    private init(topic: String, shares: [Share], brokers: [String: BrokerSet]) {
        self.topic = topic
        self.shares = shares
        self.brokers = brokers
        writableQueues = Self.writableQueues(topic, shares, brokers)
    }

    /// This route, taken over by a topic that a send is going to create: as many queues as asked for, no more than
    /// the template has.
    func asTemplate(for topic: String, queues: Int32) -> TopicRoute {
        let shares = shares.map { share in
            Share(
                brokerName: share.brokerName, readQueues: min(share.readQueues, queues),
                writeQueues: min(share.writeQueues, queues))
        }
        return TopicRoute(topic: topic, shares: shares, brokers: brokers)
    }

    private static func writableQueues(
        _ topic: String, _ shares: [Share], _ brokers: [String: BrokerSet]
    ) -> [MessageQueue] {
        queues(of: topic, shares) { brokers[$0.brokerName]?.masterAddress == nil ? 0 : $0.writeQueues }
    }

    /// The queues that can be pulled from: reading is permitted and some broker of the set is there.
    public var readableQueues: [MessageQueue] {
        Self.queues(of: topic, shares) { brokers[$0.brokerName]?.addresses.isEmpty ?? true ? 0 : $0.readQueues }
    }

    private static func queues(
        of topic: String, _ shares: [Share], count: (Share) -> Int32
    ) -> [MessageQueue] {
        shares.flatMap { share in
            (0..<max(0, count(share))).map {
                MessageQueue(topic: topic, brokerName: share.brokerName, queueID: $0)
            }
        }
    }
}

extension BrokerSet {
    init(_ data: BrokerData) {
        self.init(name: data.brokerName, cluster: data.cluster, addresses: data.addresses)
    }
}
