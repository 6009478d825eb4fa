/// All broker sets and the clusters that they form: the answer to request 106.
public struct ClusterInfo: JSONBody, Equatable {
    /// Broker sets by name.
    public var brokers: [String: BrokerData]
    /// Names of broker sets by cluster.
    public var clusters: [String: [String]]

    /// A picture of all clusters.
    public init(brokers: [String: BrokerData] = [:], clusters: [String: [String]] = [:]) {
        self.brokers = brokers
        self.clusters = clusters
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        brokers = [:]
        for member in json["brokerAddrTable"]?.objectValue ?? [] {
            brokers[member.key] = try BrokerData(json: member.value)
        }
        clusters = [:]
        for member in json["clusterAddrTable"]?.objectValue ?? [] {
            clusters[member.key] = member.value.arrayValue?.compactMap(\.stringValue) ?? []
        }
    }

    /// The value, everything by name.
    public var json: JSONValue {
        [
            "brokerAddrTable": .object(
                brokers.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value.json) }),
            "clusterAddrTable": .object(
                clusters.sorted { $0.key < $1.key }.map { cluster in
                    JSONMember(cluster.key, .array(cluster.value.sorted().map { .string($0) }))
                }),
        ]
    }
}

/// A list of topic names: the answer to request 206.
public struct TopicList: JSONBody, Equatable {
    /// The names.
    public var topics: [String]
    /// With a list of what is the system's: a broker that knows of more, which tools ask next (305).
    public var brokerAddress: String?

    /// A list.
    public init(topics: [String], brokerAddress: String? = nil) {
        self.topics = topics
        self.brokerAddress = brokerAddress
    }

    /// Reads the value.
    public init(json: JSONValue) throws(BodyError) {
        guard let names = json["topicList"]?.arrayValue else { throw Self.missing("topicList") }
        topics = names.compactMap(\.stringValue)
        brokerAddress = json["brokerAddr"]?.stringValue
    }

    /// The value.
    public var json: JSONValue {
        let address = brokerAddress.map { [JSONMember("brokerAddr", .string($0))] } ?? []
        return .object(address + [JSONMember("topicList", .array(topics.map { .string($0) }))])
    }
}
